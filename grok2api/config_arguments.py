"""The flags of commands that change settings."""

from argparse import ArgumentParser
from collections.abc import Callable
from typing import Final

from grok2api.argument_types import whole_number


def _set(parser: ArgumentParser) -> None:
    parser.add_argument("key", metavar="KEY", help="such as retry.max_attempts")
    parser.add_argument(
        "value", metavar="VALUE", help='as in the environment; "-": read it from standard input'
    )


def _unset(parser: ArgumentParser) -> None:
    parser.add_argument("keys", nargs="*", metavar="KEY", help="as `config history` shows it")
    parser.add_argument("--all", action="store_true", help="forget everything that was changed")


def _rollback(parser: ArgumentParser) -> None:
    parser.add_argument(
        "revision", type=whole_number(1), metavar="N", help="as `config history` shows it"
    )


def _history(_: ArgumentParser) -> None:
    """Add nothing."""


CONFIG_ARGUMENTS: Final[dict[str, Callable[[ArgumentParser], None]]] = {
    "config set": _set,
    "config unset": _unset,
    "config history": _history,
    "config rollback": _rollback,
}
