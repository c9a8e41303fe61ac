"""Flags of the commands that look at accounts and change them."""

from argparse import ArgumentParser
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from grok2api.argument_types import one_of, whole_number
from grok2api.domain.account import Status, Tier

_LIST_EXAMPLES = """\
"open" is requests under way / how many at the same time. Windows are queries left/of. A mark says
how far to trust them: none: the site said so; "=": what the plan usually has; "~": counted on from
an older number; "?": nobody knows; "!": the site has not been asked for long. Times are UTC.

examples:
  grok2api accounts list --status expired
  grok2api accounts list --tier super --tag team-a --json
"""
_DELETE_EXAMPLES = """\
Deleted accounts serve nothing. `accounts restore` brings them back until account.deleted_keep_s (a
week) is over; then they are gone for good. `accounts remove` forgets them now.
"""
_RESTORE_EXAMPLES = """\
Brings back what is disabled, expired, cooling, exhausted or deleted. What was held against the
account is forgotten, and the site is asked about it soon: a session that is dead expires again.
"""
_REFRESH_EXAMPLES = """\
Asks the site what accounts have left and which plan they have, expired and disabled ones too. An
expired account whose session works again is active afterwards.

examples:
  grok2api accounts refresh acc_0123456789abcdef0123
"""
_MOVE_EXAMPLES = """\
Numbers that the site told stay. The next refresh moves the account again where the site proves a
higher plan.
"""
_TAG_EXAMPLES = """\
examples:
  grok2api accounts tag --tag team-a --tag spare acc_0123456789abcdef0123
  grok2api accounts tag --only --tag team-b acc_0123456789abcdef0123
"""


def _ids(parser: ArgumentParser) -> None:
    parser.add_argument("ids", nargs="+", metavar="ID", help="as `accounts list` shows it")


def _list(parser: ArgumentParser) -> None:
    parser.epilog = _LIST_EXAMPLES
    parser.add_argument("--status", choices=list(Status), type=one_of(Status), help="only these")
    parser.add_argument("--tier", choices=list(Tier), type=one_of(Tier), help="only this plan")
    parser.add_argument("--tag", metavar="TAG", help="only those that have it")


def _delete(parser: ArgumentParser) -> None:
    parser.epilog = _DELETE_EXAMPLES
    _ids(parser)


def _restore(parser: ArgumentParser) -> None:
    parser.epilog = _RESTORE_EXAMPLES
    _ids(parser)


def _tag(parser: ArgumentParser) -> None:
    parser.epilog = _TAG_EXAMPLES
    _ids(parser)
    _tags(parser, is_required=False)
    parser.add_argument("--only", action="store_true", help="take all other tags away")


def _untag(parser: ArgumentParser) -> None:
    _ids(parser)
    _tags(parser, is_required=True)


def _tags(parser: ArgumentParser, *, is_required: bool) -> None:
    parser.add_argument(
        "--tag",
        action="append",
        default=[],
        dest="tags",
        metavar="TAG",
        required=is_required,
        help="a tag; may be given several times",
    )


def _move(parser: ArgumentParser) -> None:
    parser.epilog = _MOVE_EXAMPLES
    _ids(parser)
    parser.add_argument(
        "--tier", choices=list(Tier), type=one_of(Tier), required=True, help="the plan"
    )


def _limit(parser: ArgumentParser) -> None:
    _ids(parser)
    parser.add_argument(
        "--to",
        type=whole_number(),
        required=True,
        metavar="N",
        help="requests at the same time; 0: as account.max_concurrency says",
    )


def _refresh(parser: ArgumentParser) -> None:
    parser.epilog = _REFRESH_EXAMPLES
    _ids(parser)


ACCOUNT_ARGUMENTS: Final[Mapping[str, Callable[[ArgumentParser], None]]] = MappingProxyType(
    {
        "accounts list": _list,
        "accounts disable": _ids,
        "accounts restore": _restore,
        "accounts delete": _delete,
        "accounts tag": _tag,
        "accounts untag": _untag,
        "accounts move": _move,
        "accounts limit": _limit,
        "accounts refresh": _refresh,
    }
)
"""What each command takes besides the flags of every command that has a `--json`."""
