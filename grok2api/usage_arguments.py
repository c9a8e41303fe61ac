"""Flags of the commands that show what was used."""

from argparse import ArgumentParser
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from grok2api.argument_types import one_of, whole_number
from grok2api.domain.statistics import Dimension

_STATS_EXAMPLES = """\
A request counts in the hour, and the day of UTC, in which it ended.

examples:
  grok2api stats                        the last 24 hours
  grok2api stats --days 7 --by key      who used the gateway this week
  grok2api stats --hours 1 --by status
"""
_LOG_EXAMPLES = """\
The newest first. A moment is an age (90m, 2h, 3d) or a time such as 2026-11-21T08:00 (in this
machine's zone unless it names one). Nothing of what was said is logged.

examples:
  grok2api log --failed --since 2h
  grok2api log --key key_0123456789abcdef --status 429
  grok2api log --since 1d --csv > requests.csv
"""


def _stats(parser: ArgumentParser) -> None:
    parser.epilog = _STATS_EXAMPLES
    span = parser.add_mutually_exclusive_group()
    span.add_argument(
        "--hours", type=whole_number(1), metavar="N", help="the last N hours (default: 24)"
    )
    span.add_argument("--days", type=whole_number(1), metavar="N", help="the last N days")
    parser.add_argument(
        "--by", choices=list(Dimension), type=one_of(Dimension), help="tell requests apart by this"
    )


def _log(parser: ArgumentParser) -> None:
    parser.epilog = _LOG_EXAMPLES
    parser.add_argument("--since", metavar="WHEN", help="requests that ended since then")
    parser.add_argument("--until", metavar="WHEN", help="requests that ended before then")
    parser.add_argument("--key", default="", metavar="ID_OR_NAME", help="only of this client key")
    parser.add_argument("--model", default="", metavar="M", help="only for this model")
    parser.add_argument("--account", default="", metavar="ID", help="only those that tried it")
    parser.add_argument("--status", default="", metavar="S", help="as 429 or 4xx")
    parser.add_argument("--error", default="", metavar="E", help="kind or code of an error")
    parser.add_argument("--text", default="", metavar="T", help="part of an id or an address")
    parser.add_argument("--failed", action="store_true", help="only those that went wrong")
    parser.add_argument(
        "--limit",
        type=whole_number(1),
        metavar="N",
        help="at most so many (default: 20; with --csv and --json all)",
    )
    parser.add_argument("--csv", action="store_true", help="print CSV")


def _explain(parser: ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="as the answer's x-request-id header says it")


USAGE_ARGUMENTS: Final[Mapping[str, Callable[[ArgumentParser], None]]] = MappingProxyType(
    {"stats": _stats, "log": _log, "explain": _explain}
)
