"""Flags of the commands that make and change client keys, and what their values mean."""

import argparse
import re
from argparse import ArgumentParser
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

from grok2api.argument_types import whole_number
from grok2api.domain.client_key import MAX_WEIGHT, Budget

_LIMIT_HELP = """\
Limits hold for the key as a whole, at any number of workers and hosts. A number may end in k, m or
g (thousand, million, billion); 0 is no limit. A minute is any 60 seconds; days, weeks (from Monday)
and months are those of UTC. A budget names what it limits; it replaces the one there was:
requests, tokens (prompt and answer), units (what the accounts' quota loses: 1 a fast query, 4 a
large one).
"""
_CREATE_EXAMPLES = f"""\
{_LIMIT_HELP}
examples:
  grok2api keys create laptop
  grok2api keys create team-a --rpm 60 --tpm 200k --concurrency 8 --expires 90d
  grok2api keys create batch --budget-day requests=1000,tokens=2m --budget-month units=500
  grok2api keys create office --models 'grok-4*,grok-chat-fast' --networks 203.0.113.0/24
"""
_EDIT_EXAMPLES = f"""\
Changes what is named, keeps the rest; it holds for the very next call.
{_LIMIT_HELP}
examples:
  grok2api keys edit laptop --rpm 120
  grok2api keys edit team-a --budget-day none --expires never
  grok2api keys edit key_0123456789ab --disable
  grok2api keys edit office --models all --networks all --no-tags
"""
_LIST_EXAMPLES = """\
"limits" is what is used of what is allowed now: requests and tokens in the last minute, calls under
way, budgets by period. What runs counts as it was reserved. Times are UTC.
"""
_SUFFIXES = {"": 1, "k": 1_000, "m": 1_000_000, "g": 1_000_000_000}
_SPANS = {"m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_EMPTY = ("none", "all", "")


def read_expiry(text: str, now_s: float) -> float:
    """Return when a key expires, in seconds since epoch, 0 for never.

    Raises:
        ValueError: it is neither a span such as 30d nor a date.
    """
    if text == "never":
        return 0.0
    if found := re.fullmatch(r"(\d{1,6})([mhdw])", text):
        return now_s + int(found[1]) * _SPANS[found[2]]
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _expiry(text: str) -> str:
    try:
        read_expiry(text, 0.0)
    except ValueError:
        raise argparse.ArgumentTypeError(
            "must be a span such as 12h, 30d or 8w, a date such as 2027-01-31, or never"
        ) from None
    return text


def _amount(text: str) -> int:
    found = re.fullmatch(r"(\d{1,12})([kmg]?)", text.strip().lower())
    if found is None:
        raise argparse.ArgumentTypeError("must be a whole number such as 60, 200k or 2m")
    return int(found[1]) * _SUFFIXES[found[2]]


def _budget(text: str) -> Budget:
    if text in _EMPTY:
        return Budget()
    amounts: dict[str, int] = {}
    for part in text.split(","):
        name, _, amount = part.partition("=")
        if name.strip() not in Budget.__struct_fields__ or name.strip() in amounts:
            raise argparse.ArgumentTypeError(
                "must be like requests=1000,tokens=2m,units=50 (any of them, each once), or none"
            )
        amounts[name.strip()] = _amount(amount)
    return Budget(**amounts)


def _names(text: str) -> tuple[str, ...]:
    return () if text in _EMPTY else tuple(part.strip() for part in text.split(","))


def _fields(parser: ArgumentParser) -> None:
    def add(flag: str, read: Callable[[str], object], metavar: str, text: str) -> None:
        parser.add_argument(flag, type=read, metavar=metavar, help=text)

    add("--expires", _expiry, "WHEN", "12h, 30d, 8w from now, a date (UTC), or never")
    add("--models", _names, "NAMES", "only these, by commas; 'grok-4*': all that begin so; or all")
    add("--networks", _names, "NETS", "only from these: 10.0.0.0/8,2001:db8::/32; or all")
    add("--rpm", _amount, "N", "requests per minute")
    add("--tpm", _amount, "N", "tokens per minute, prompt and answer")
    add("--concurrency", _amount, "N", "requests at the same time")
    for period in ("day", "week", "month"):
        add(f"--budget-{period}", _budget, "WHAT=N,…", f"most a {period}: requests, tokens, units")
    add(
        "--weight",
        whole_number(1, MAX_WEIGHT),
        "N",
        "turns where requests wait, 1 to 64: twice as many with 2",
    )
    parser.add_argument(
        "--tag",
        action="append",
        metavar="TAG",
        dest="tags",
        help="only accounts with this tag serve it; may be given again for more",
    )


def _create(parser: ArgumentParser) -> None:
    parser.epilog = _CREATE_EXAMPLES
    parser.add_argument("name", metavar="NAME", help="who or what will use the key")
    _fields(parser)


def _edit(parser: ArgumentParser) -> None:
    parser.epilog = _EDIT_EXAMPLES
    parser.add_argument("key", metavar="ID_OR_NAME", help="as `keys list` shows it")
    parser.add_argument("--name", metavar="NAME", help="its new name")
    _fields(parser)
    parser.add_argument(
        "--no-tags", action="store_const", const=[], dest="tags", help="all accounts serve it"
    )
    state = parser.add_mutually_exclusive_group()
    state.add_argument(
        "--disable", action="store_false", default=None, dest="is_enabled", help="refuse it"
    )
    state.add_argument(
        "--enable", action="store_true", default=None, dest="is_enabled", help="accept it again"
    )


def _list(parser: ArgumentParser) -> None:
    parser.epilog = _LIST_EXAMPLES


KEY_ARGUMENTS: Final[Mapping[str, Callable[[ArgumentParser], None]]] = MappingProxyType(
    {"keys create": _create, "keys edit": _edit, "keys list": _list}
)
"""What each command takes besides the flags of every command that has a `--json`."""
