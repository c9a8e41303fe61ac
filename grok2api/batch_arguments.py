"""Flags of the commands that start batches and look at them."""

from argparse import ArgumentParser
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from grok2api.argument_types import one_of, whole_number
from grok2api.domain.account import Status, Tier
from grok2api.domain.batch import BatchKind

_START_EXAMPLES = """\
Accounts are named by ids, by a file (one id or session a line) or by what they have in common. The
leading maintenance process does the work; Ctrl-C ends only the view.

examples:
  grok2api batches start refresh --where-status expired --follow
  grok2api batches start delete acc_0123456789abcdef0123 acc_89abcdef0123456789ab
  grok2api batches start tag --tag team-a --file ids.txt
  grok2api batches start untag acc_0123456789abcdef0123 --tag team-a
  grok2api batches start move --tier super --where-tag paid
  grok2api batches start concurrency --max-concurrency 2 --all
  grok2api batches start export --where-tag team-a --with-secrets
  grok2api batches start assets --all --follow
  grok2api batches start clear_assets --where-tag team-a
"""
_RESULT_EXAMPLES = """\
Of a batch of the kind export: one JSON object, an account a line, as `accounts export` writes it.
Of the kind assets: a JSON object for each account, with the number and size of the files that it
keeps at the upstream. No other kind has a result. It is there from the end of the batch until
batch.keep_s is over.

examples:
  grok2api batches result bat_0123456789abcdef > accounts.json
  grok2api batches result bat_0123456789abcdef --output accounts.json
  grok2api batches result bat_0123456789abcdef --output assets.jsonl
"""


def _start(parser: ArgumentParser) -> None:
    parser.epilog = _START_EXAMPLES
    parser.add_argument(
        "kind",
        choices=list(BatchKind),
        type=one_of(BatchKind),
        metavar="KIND",
        help=", ".join(BatchKind),
    )
    parser.add_argument(
        "ids", nargs="*", metavar="ID", help="as `accounts list` shows it; right behind KIND"
    )
    parser.add_argument("--file", metavar="FILE", help='names to read; "-": standard input')
    parser.add_argument("--all", action="store_true", help="every account that is not deleted")
    parser.add_argument(
        "--where-status",
        action="append",
        choices=list(Status),
        type=one_of(Status),
        help="only these; may be given several times",
    )
    parser.add_argument(
        "--where-tier", choices=list(Tier), type=one_of(Tier), help="only of this plan"
    )
    parser.add_argument("--where-tag", metavar="TAG", help="only those that have it")
    parser.add_argument(
        "--where-text", metavar="TEXT", help="only those with it in id, hint, tag or user id"
    )
    parser.add_argument(
        "--tag", action="append", dest="tags", metavar="TAG", help="what tag and untag need"
    )
    parser.add_argument("--tier", choices=list(Tier), type=one_of(Tier), help="what move needs")
    parser.add_argument(
        "--max-concurrency",
        type=whole_number(),
        metavar="N",
        help="what concurrency needs; 0: the general one",
    )
    parser.add_argument(
        "--with-secrets",
        action="store_true",
        default=None,
        help="what export may have: the sessions too; whoever reads them has the accounts",
    )
    _follow(parser)


def _show(parser: ArgumentParser) -> None:
    _follow(parser)
    _cancel(parser)


def add_result_arguments(parser: ArgumentParser) -> None:
    """Add what `batches result` takes; it prints JSON in any case."""
    parser.epilog = _RESULT_EXAMPLES
    _cancel(parser)
    parser.add_argument(
        "--output",
        metavar="FILE",
        help='file to write; "-": standard output (the default, where there are no sessions)',
    )


def _cancel(parser: ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="as `batches list` shows it")


def _list(parser: ArgumentParser) -> None:
    """Add nothing."""


def _follow(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--follow", action="store_true", help="show progress to the end; Ctrl-C ends only the view"
    )


BATCH_ARGUMENTS: Final[Mapping[str, Callable[[ArgumentParser], None]]] = MappingProxyType(
    {
        "batches start": _start,
        "batches list": _list,
        "batches show": _show,
        "batches cancel": _cancel,
    }
)
"""What each command takes besides the flags of every command that has a `--json`."""
