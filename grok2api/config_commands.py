"""`config set`, `unset`, `history` and `rollback`: settings of a gateway while it runs."""

from argparse import Namespace
from datetime import UTC, datetime

import msgspec

from grok2api.administration import configure
from grok2api.console import STANDARD, decode_text, read_input, say, say_json, say_table
from grok2api.domain.action import COMMAND_LINE
from grok2api.errors import SettingsError
from grok2api.services.settings import SettingsDesk
from grok2api.services.settings_views import Draft


def config_set(arguments: Namespace) -> int:
    """Change a setting; every process that runs follows within two seconds."""
    value = arguments.value
    if value == STANDARD:  # so that a secret stands in no list of processes
        value = decode_text(
            STANDARD, read_input(STANDARD, invitation="The value, then Ctrl-D:")
        ).strip()
    return _say(
        arguments,
        configure(arguments, lambda desk: desk.save({arguments.key: value}, by=COMMAND_LINE)),
    )


def config_unset(arguments: Namespace) -> int:
    """Take changes of settings back: file and environment count again."""
    names = dict.fromkeys(arguments.keys)
    if arguments.all == bool(names):
        raise SettingsError("name the settings, or give --all")
    if arguments.all:
        revision = configure(arguments, lambda desk: desk.clear(by=COMMAND_LINE))
        say(f"Nothing is changed any more: revision {revision}")
        return 0
    return _say(arguments, configure(arguments, lambda desk: desk.save(names, by=COMMAND_LINE)))


def config_history(arguments: Namespace) -> int:
    """List who changed which settings, the newest change first."""
    history = configure(arguments, SettingsDesk.history)
    if arguments.json:
        say_json(history)
        return 0
    rows = [
        (
            str(change.revision),
            datetime.fromtimestamp(change.at_s, tz=UTC).strftime("%Y-%m-%d %H:%M:%S"),
            change.by,
            f"revision {change.restored}" if change.restored else "",
            ", ".join(change.keys),
        )
        for change in history
    ]
    say_table(("revision", "at (UTC)", "by", "brought back", "changed"), rows)
    return 0


def config_rollback(arguments: Namespace) -> int:
    """Bring an older revision of the settings back."""
    return _say(
        arguments,
        configure(arguments, lambda desk: desk.rollback(arguments.revision, by=COMMAND_LINE)),
    )


def show_origins(arguments: Namespace) -> int:
    """Show every setting with what the store says of it."""
    view = configure(arguments, SettingsDesk.read)
    if arguments.json:
        say_json(view)
        return 0
    rows = [
        (
            item.key,
            item.origin,
            item.source,
            ("(set)" if item.is_set else "(empty)") if item.is_secret else _encode(item.value),
        )
        for item in view.settings
    ]
    say_table(("setting", "origin", "from", "value"), rows)
    say(f"Revision {view.revision}")
    return 0


def _encode(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _say(arguments: Namespace, draft: Draft) -> int:
    if arguments.json:
        say_json({"revision": draft.revision, "differences": draft.differences})
        return 0
    for change in draft.differences:
        say(f"{change.key}: {_encode(change.before)} -> {_encode(change.after)}")
    say(f"Revision {draft.revision}" if draft.differences else "Nothing is different.")
    return 0
