"""The commands that make, change, list and revoke client keys."""

from argparse import Namespace
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

import msgspec

from grok2api.administration import administer
from grok2api.bootstrap import AdminTools
from grok2api.clock import SystemClock
from grok2api.console import remark, say, say_json, say_table
from grok2api.domain.admission import KeyUse, Used
from grok2api.domain.client_key import Budget, ClientKey
from grok2api.domain.ids import ClientKeyId
from grok2api.errors import InvalidRequestError, SettingsError
from grok2api.key_arguments import read_expiry
from grok2api.services.key_changes import KeyChanges

_FLAGS: Final = {
    "name": "name",
    "is_enabled": "is_enabled",
    "weight": "weight",
    "models": "models",
    "networks": "networks",
    "rpm": "requests_per_minute",
    "tpm": "tokens_per_minute",
    "concurrency": "concurrency",
    "budget_day": "day",
    "budget_week": "week",
    "budget_month": "month",
}
_FLAG_OF: Final = {field: "--" + flag.replace("_", "-") for flag, field in _FLAGS.items()}
_USED_AT_ONCE: Final = 1000


def keys_create(arguments: Namespace) -> int:
    """Make a client key; it is shown once."""
    changes = _changes_of(arguments)

    async def create(admin: AdminTools) -> tuple[ClientKey, str]:
        return await admin.keys.create(arguments.name, changes)

    try:
        record, plain = administer(arguments, create)
    except InvalidRequestError as error:
        raise _explain(error) from None
    if arguments.json:
        say_json({"id": record.id, "name": record.name, "key": plain})
        return 0
    remark(f"Key {record.id} ({record.name}), shown only now:")
    say(plain)
    return 0


def keys_edit(arguments: Namespace) -> int:
    """Change a client key: its name, rules and limits; whether it is enabled."""
    changes = _changes_of(arguments)
    if changes == KeyChanges():
        raise SettingsError("name what to change; `grok2api keys edit --help` shows what there is")

    async def edit(admin: AdminTools) -> ClientKey:
        return await admin.keys.edit(arguments.key, changes)

    try:
        record = administer(arguments, edit)
    except InvalidRequestError as error:
        raise _explain(error) from None
    if arguments.json:
        say_json(record)
        return 0
    say(f"{record.id} ({record.name}) changed")
    return 0


def keys_list(arguments: Namespace) -> int:
    """List client keys, their limits and what is used of them; none is shown in full."""

    async def look(admin: AdminTools) -> tuple[list[ClientKey], dict[ClientKeyId, KeyUse]]:
        keys, use = await admin.keys.list(), dict[ClientKeyId, KeyUse]()
        for first in range(0, len(keys), _USED_AT_ONCE):
            use |= await admin.use_of_keys([key.id for key in keys[first : first + _USED_AT_ONCE]])
        return keys, use

    keys, use = administer(arguments, look)
    if arguments.json:
        say_json([{**msgspec.to_builtins(key), "use": use[key.id]} for key in keys])
        return 0
    now_s = SystemClock().now_s()
    rows = [
        (
            key.id,
            key.name,
            key.hint,
            _state(key, now_s),
            str(key.weight),
            ", ".join(key.tags),
            ", ".join(key.models),
            ", ".join(key.networks),
            ", ".join(_limits(key, use[key.id])),
        )
        for key in keys
    ]
    heads = ("id", "name", "key", "state", "weight", "tags", "models", "networks", "limits")
    say_table(heads, rows)
    return 0


def keys_revoke(arguments: Namespace) -> int:
    """Revoke a client key at once."""
    count = administer(arguments, lambda admin: admin.keys.revoke(arguments.key))
    say(f"{count} revoked")
    return 0


def _changes_of(arguments: Namespace) -> KeyChanges:
    given = vars(arguments)
    fields = {field: given[flag] for flag, field in _FLAGS.items() if given.get(flag) is not None}
    if given["tags"] is not None:
        fields["tags"] = tuple(given["tags"])
    if given["expires"] is not None:
        fields["expires_at_s"] = read_expiry(given["expires"], SystemClock().now_s())
    return KeyChanges(**fields)


def _explain(error: InvalidRequestError) -> SettingsError:
    field = (error.param or "").partition(".")[0]
    flag = {**_FLAG_OF, "tags": "--tag", "expires_at_s": "--expires"}.get(field, "")
    return SettingsError(f"{flag}: {error.message}" if flag else error.message)


def _state(key: ClientKey, now_s: float) -> str:
    if not key.is_enabled:
        return "disabled"
    if not key.expires_at_s:
        return "active"
    moment = datetime.fromtimestamp(key.expires_at_s, UTC)
    return ("expired " if key.expires_at_s <= now_s else "until ") + f"{moment:%Y-%m-%d %H:%M}"


def _limits(key: ClientKey, use: KeyUse) -> Iterator[str]:
    limits = key.limits
    if limits.requests_per_minute:
        yield f"{use.minute.requests}/{limits.requests_per_minute} rpm"
    if limits.tokens_per_minute:
        yield f"{use.minute.tokens}/{limits.tokens_per_minute} tpm"
    if limits.concurrency:
        yield f"{use.open_calls}/{limits.concurrency} open"
    periods = (("day", limits.day, use.day), ("week", limits.week, use.week))
    for name, budget, used in (*periods, ("month", limits.month, use.month)):
        yield from _parts(name, budget, used)


def _parts(period: str, budget: Budget, used: Used) -> Iterator[str]:
    for part in budget.__struct_fields__:
        if most := getattr(budget, part):
            yield f"{getattr(used, part)}/{most} {part} a {period}"
