"""The command line: commands, flags, and help that teaches."""

import argparse
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from grok2api.account_arguments import ACCOUNT_ARGUMENTS
from grok2api.argument_types import one_of, whole_number
from grok2api.batch_arguments import BATCH_ARGUMENTS, add_result_arguments
from grok2api.config_arguments import CONFIG_ARGUMENTS
from grok2api.domain.account import Tier
from grok2api.help_texts import (
    DOCTOR_EXAMPLES,
    EXPORT_EXAMPLES,
    IMPORT_EXAMPLES,
    LOGINS_EXAMPLES,
    MAIN_EXAMPLES,
    MAINTENANCE_EXAMPLES,
    SERVE_EXAMPLES,
    SHOW_EXAMPLES,
)
from grok2api.key_arguments import KEY_ARGUMENTS
from grok2api.usage_arguments import USAGE_ARGUMENTS

_HIGHEST_PORT = 65_535
_MISUSED = 2


def read_arguments(
    commands: dict[str, Callable[..., int]], arguments: Sequence[str] | None
) -> Namespace:
    """Return what was asked for; end the process with one line where that is no command."""
    parser = build_parser(commands)
    parsed, unknown = parser.parse_known_args(arguments)
    if unknown:
        program = f"{parser.prog} {parsed.command}"
        parser.exit(_MISUSED, f"{program}: not known: {unknown[0]}; see `{program} --help`\n")
    return parsed


def build_parser(commands: dict[str, Callable[..., int]]) -> ArgumentParser:
    """Return the parser; `commands` maps "accounts list" and the like to what runs it.

    The namespace holds it as `run`, and its words as `command`.
    """
    parser = _Parser(
        prog="grok2api",
        description="OpenAI-compatible API in front of your own Grok accounts.",
        epilog=MAIN_EXAMPLES,
    )
    groups = {"": parser.add_subparsers(metavar="COMMAND", required=True)}
    about = {
        "accounts": "import, export, list, change and explain accounts",
        "sessions": "which conversation stays with which account",
        "batches": "start, follow and cancel operations over many accounts",
        "keys": "make, change, list and revoke client keys",
        "logins": "let an administrator in whom a flood of guesses keeps out",
        "config": "show, check and change settings",
        "scripts": "for those who work on the Lua scripts",
    }
    builders: dict[str, Callable[[ArgumentParser], None]] = {
        "serve": _serve,
        "demo": _demo,
        "simulate": _simulate,
        "maintenance": _maintenance,
        "accounts import": _accounts_import,
        "accounts export": _accounts_export,
        **{name: _listed(add) for name, add in ACCOUNT_ARGUMENTS.items()},
        "accounts remove": _accounts_remove,
        "accounts explain": _accounts_explain,
        "sessions list": _listing,
        "sessions clear": _sessions_clear,
        **{name: _listed(add) for name, add in BATCH_ARGUMENTS.items()},
        "batches result": _batches_result,
        **{name: _listed(add) for name, add in KEY_ARGUMENTS.items()},
        "keys revoke": _keys_revoke,
        "logins allow": _logins_allow,
        **{name: _listed(add) for name, add in USAGE_ARGUMENTS.items()},
        "config show": _config_show,
        **{name: _listed(add) for name, add in CONFIG_ARGUMENTS.items()},
        "config check": _data_dir,
        "config defaults": _nothing,
        "doctor": _doctor,
        "scripts expand": _scripts_expand,
        "version": _nothing,
    }
    for name, run in commands.items():
        group, _, word = name.rpartition(" ")
        if group not in groups:
            outer = groups[""].add_parser(group, help=about[group], description=about[group])
            groups[group] = outer.add_subparsers(metavar="COMMAND", required=True)
        summary = (run.__doc__ or "").split("\n", 1)[0]
        command = groups[group].add_parser(word, help=summary, description=summary)
        builders[name](command)
        command.set_defaults(run=run, command=name)
    return parser


class _Parser(ArgumentParser):
    """Keeps the line breaks of examples, takes no shortened flags, and complains in one line."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        self.exit(_MISUSED, f"{self.prog}: {message}; see `{self.prog} --help`\n")


def _data_dir(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--data-dir",
        metavar="DIR",
        help="folder of config.toml, secret key and embedded store (default: ./data)",
    )


def _store(parser: ArgumentParser) -> None:
    _data_dir(parser)
    parser.add_argument(
        "--redis-url", metavar="URL", help="store to use instead of the data folder's own"
    )


def _json(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


def _listing(parser: ArgumentParser) -> None:
    _store(parser)
    _json(parser)


def _listed(add: Callable[[ArgumentParser], None]) -> Callable[[ArgumentParser], None]:
    def build(parser: ArgumentParser) -> None:
        add(parser)
        _listing(parser)

    return build


def _address(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--host", metavar="ADDRESS", help="address to listen on (default: 127.0.0.1)"
    )
    parser.add_argument("--port", metavar="N", help="port to listen on (default: 8000)")
    parser.add_argument("--workers", metavar="N", help="web worker processes (default: 2)")


def _serve(parser: ArgumentParser) -> None:
    parser.epilog = SERVE_EXAMPLES
    _address(parser)
    _store(parser)


def _demo(parser: ArgumentParser) -> None:
    _address(parser)
    parser.add_argument(
        "--data-dir", metavar="DIR", help="the demo's own folder (default: ./data/demo)"
    )


def _simulate(parser: ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="default: 127.0.0.1")
    parser.add_argument(
        "--port",
        type=whole_number(0, _HIGHEST_PORT),
        default=8900,
        metavar="N",
        help="default: 8900; 0 takes a free one",
    )
    parser.add_argument(
        "--seed",
        type=whole_number(),
        default=0,
        metavar="N",
        help="same seed, same answers (default: 0)",
    )
    parser.add_argument(
        "--accept-any", action="store_true", help="take every session token for a healthy account"
    )
    parser.add_argument(
        "--tier",
        choices=list(Tier),
        type=one_of(Tier),
        default=Tier.BASIC,
        help="plan of accounts that are registered without one (default: basic)",
    )
    parser.add_argument(
        "--delay-ms", type=float, default=0.0, metavar="N", help="pause after every token"
    )
    parser.add_argument(
        "--enforce-quota", action="store_true", help="refuse calls beyond an account's quota"
    )
    _parent(parser)


def _maintenance(parser: ArgumentParser) -> None:
    parser.epilog = MAINTENANCE_EXAMPLES
    _store(parser)
    _parent(parser)


def _parent(parser: ArgumentParser) -> None:
    parser.add_argument("--parent", type=int, metavar="PID", help=argparse.SUPPRESS)


def _accounts_import(parser: ArgumentParser) -> None:
    parser.epilog = IMPORT_EXAMPLES
    parser.add_argument("file", nargs="?", metavar="FILE", help='file to read; "-": standard input')
    parser.add_argument(
        "--tier",
        choices=list(Tier),
        type=one_of(Tier),
        help="plan of these accounts (default: what the file says, else basic)",
    )
    parser.add_argument(
        "--from-redis",
        metavar="URL",
        help='read the Redis of an older version instead of a file; "-": URL on standard input',
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be added, and change nothing"
    )
    _listing(parser)


def _batches_result(parser: ArgumentParser) -> None:
    add_result_arguments(parser)
    _store(parser)


def _accounts_export(parser: ArgumentParser) -> None:
    parser.epilog = EXPORT_EXAMPLES
    parser.add_argument(
        "--output", metavar="FILE", help='file to write; "-": standard output (the default)'
    )
    parser.add_argument(
        "--with-secrets",
        action="store_true",
        help="write the sessions too: whoever reads them has the accounts; needs --output",
    )
    _store(parser)


def _accounts_remove(parser: ArgumentParser) -> None:
    parser.add_argument("ids", nargs="+", metavar="ID", help="as `accounts list` shows it")
    _store(parser)


def _accounts_explain(parser: ArgumentParser) -> None:
    parser.epilog = "Leases nothing. Ends with 1 when nobody can serve the request now."
    parser.add_argument("--model", required=True, metavar="M", help="the model that is asked for")
    parser.add_argument("--key", metavar="ID_OR_NAME", help="client key that asks")
    parser.add_argument("--session", metavar="S", help="conversation, as `sessions list` shows")
    parser.add_argument(
        "--tag", action="append", default=[], metavar="T", help="only accounts tagged so"
    )
    _listing(parser)


def _sessions_clear(parser: ArgumentParser) -> None:
    parser.add_argument("sessions", nargs="*", metavar="SESSION", help="as `sessions list` shows")
    parser.add_argument("--all", action="store_true", help="forget every session")
    _store(parser)


def _keys_revoke(parser: ArgumentParser) -> None:
    parser.add_argument("key", metavar="ID_OR_NAME", help="one id, or a name: all keys of it")
    _store(parser)


def _logins_allow(parser: ArgumentParser) -> None:
    parser.epilog = LOGINS_EXAMPLES
    parser.add_argument("address", metavar="ADDRESS", help="where the administrator comes from")
    _store(parser)


def _config_show(parser: ArgumentParser) -> None:
    parser.epilog = SHOW_EXAMPLES
    parser.add_argument(
        "--origin", action="store_true", help="ask the store too: what was changed at run time"
    )
    _listing(parser)


def _doctor(parser: ArgumentParser) -> None:
    parser.epilog = DOCTOR_EXAMPLES
    _address(parser)
    _store(parser)


def _scripts_expand(parser: ArgumentParser) -> None:
    parser.add_argument("folder", metavar="DIR", help="where the scripts are written")


def _nothing(parser: ArgumentParser) -> None:
    """Add nothing: the command has no flags."""
