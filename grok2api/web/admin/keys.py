"""Administrative routes of client keys: make, find, change and revoke them, one or many at once."""

import re
from collections.abc import Sequence
from typing import Annotated, Final, Literal

import msgspec
from msgspec import UNSET, Meta, Struct
from starlette.requests import Request
from starlette.responses import Response

from grok2api.domain.admission import KeyUse
from grok2api.domain.client_key import ClientKey
from grok2api.domain.ids import ClientKeyId
from grok2api.errors import InvalidRequestError, NotFoundError
from grok2api.services.key_changes import MAX_NAME_CHARS, UNCHANGED
from grok2api.web.admin.answers import answer, read_cursor, read_limit, read_text
from grok2api.web.admin.audit import about
from grok2api.web.admin.auth import admit_admin
from grok2api.web.admin.key_views import (
    KeyBody,
    KeyView,
    NewKeyView,
    name_field,
    read_changes,
    show_key,
    show_new_key,
)
from grok2api.web.body import read_json
from grok2api.web.state import AppState, state_of

MAX_PAGE: Final = 500
MAX_MADE: Final = 100
MAX_NAMED: Final = 1000
UNNAMED: Final = "unnamed"
_ID: Final = re.compile(r"key_[0-9a-f]{12}")


class CreateBody(KeyBody, frozen=True, forbid_unknown_fields=True):
    """A key to be made."""


class CreateManyBody(KeyBody, frozen=True, forbid_unknown_fields=True):
    """Keys to be made, all alike but for their names: `prefix`-1 and so on."""

    count: Annotated[int, Meta(ge=1, le=MAX_MADE)] = 5
    prefix: Annotated[str, Meta(min_length=1, max_length=MAX_NAME_CHARS - 4)] = "key"


class EnableBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Whether keys are accepted."""

    ids: Annotated[list[str], Meta(min_length=1, max_length=MAX_NAMED)]
    enabled: bool


class RevokeBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Keys that are not to be accepted any more."""

    ids: Annotated[list[str], Meta(min_length=1, max_length=MAX_NAMED)]


class KeyList(Struct, frozen=True):
    """Keys, the newest first; `total` is how many fit in all."""

    data: list[KeyView]
    total: int
    next_cursor: str | None
    status: Literal["success"] = "success"


class OneKey(Struct, frozen=True):
    """A key."""

    data: KeyView
    status: Literal["success"] = "success"


class NewKeys(Struct, frozen=True):
    """Keys that were made just now."""

    data: list[NewKeyView]
    status: Literal["success"] = "success"


class Revoked(Struct, frozen=True):
    """The key is not accepted any more."""

    id: ClientKeyId
    status: Literal["success"] = "success"


class Done(Struct, frozen=True):
    """How many keys it was done to; `missing` there are not, or they stand in the settings."""

    count: int
    missing: list[ClientKeyId]
    status: Literal["success"] = "success"


_CREATE = msgspec.json.Decoder(CreateBody)
_CREATE_MANY = msgspec.json.Decoder(CreateManyBody)
_CHANGE = msgspec.json.Decoder(KeyBody)
_ENABLE = msgspec.json.Decoder(EnableBody)
_REVOKE = msgspec.json.Decoder(RevokeBody)


async def list_keys(request: Request) -> Response:
    """List keys, and what they use of their limits now; `q` is part of an id, name or hint."""
    await admit_admin(request)
    state = state_of(request)
    text, cursor = read_text(request, "q").lower(), read_cursor(request)
    limit = read_limit(request, default=100, most=MAX_PAGE)
    known = [*await state.keys.list(), *state.keys.configured]
    fitting = [
        key for key in known if any(text in word.lower() for word in (key.id, key.name, key.hint))
    ]
    fitting.sort(key=_place, reverse=True)
    rest = [key for key in fitting if not cursor or _place(key) < _read_place(cursor)]
    page = rest[:limit]
    next_cursor = ":".join(map(str, _place(page[-1]))) if len(rest) > limit else None
    return answer(KeyList(await _show(state, page), len(fitting), next_cursor))


async def get_key(request: Request) -> Response:
    """Show one key."""
    await admit_admin(request)
    state = state_of(request)
    key = await state.keys.get(_id_of(request))
    return answer(OneKey((await _show(state, [key]))[0]))


async def create_key(request: Request) -> Response:
    """Make a key; only this answer shows it."""
    await admit_admin(request)
    body = await read_json(request, _CREATE)
    (made,) = await _create(request, body, [UNNAMED if body.name is UNSET else str(body.name)])
    return answer(OneKey(made))


async def create_keys(request: Request) -> Response:
    """Make several keys that are alike; only this answer shows them."""
    await admit_admin(request)
    body = await read_json(request, _CREATE_MANY)
    if body.name is not UNSET:
        raise InvalidRequestError(
            "Name several keys by prefix.", param="name", code="invalid_value"
        )
    names = [f"{body.prefix}-{number}" for number in range(1, body.count + 1)]
    return answer(NewKeys(await _create(request, body, names)))


async def edit_key(request: Request) -> Response:
    """Change a key; it holds for the very next call with it."""
    await admit_admin(request)
    state, key_id = state_of(request), _id_of(request)
    changes = read_changes(await read_json(request, _CHANGE))
    if changes == UNCHANGED:
        raise InvalidRequestError("Name what is to change.", code="missing_required_parameter")
    named = [name for name in changes.__struct_fields__ if getattr(changes, name) is not UNSET]
    about(request, key_id, detail=", ".join(named))
    try:
        key = await state.keys.edit_id(key_id, changes)
    except InvalidRequestError as error:
        raise name_field(error) from None
    return answer(OneKey((await _show(state, [key]))[0]))


async def revoke_key(request: Request) -> Response:
    """Revoke a key: it is refused from now on, and its limits are forgotten."""
    await admit_admin(request)
    key_id = _id_of(request)
    about(request, key_id)
    done = await state_of(request).keys.revoke_ids([key_id])
    if not done[key_id]:
        raise _not_found()
    return answer(Revoked(key_id))


async def enable_keys(request: Request) -> Response:
    """Enable or disable several keys."""
    await admit_admin(request)
    body = await read_json(request, _ENABLE)
    ids = _read_ids(body.ids)
    about(request, *ids, detail="enabled" if body.enabled else "disabled")
    return answer(_count(await state_of(request).keys.enable_ids(ids, is_enabled=body.enabled)))


async def revoke_keys(request: Request) -> Response:
    """Revoke several keys."""
    await admit_admin(request)
    ids = _read_ids((await read_json(request, _REVOKE)).ids)
    about(request, *ids)
    return answer(_count(await state_of(request).keys.revoke_ids(ids)))


async def _create(request: Request, body: KeyBody, names: Sequence[str]) -> list[NewKeyView]:
    state = state_of(request)
    about(request, detail=f"{len(names)} keys")
    try:
        made = await state.keys.create_all(names, read_changes(body))
    except InvalidRequestError as error:
        raise name_field(error) from None
    about(request, *(key.id for key, _ in made), detail=f"{len(names)} keys")
    # Nothing is asked of the store any more: who does not get this answer never sees the keys.
    now_s = state.clock.now_s()
    return [
        show_new_key(show_key(key, KeyUse(), is_configured=False, now_s=now_s), plain)
        for key, plain in made
    ]


async def _show(state: AppState, keys: Sequence[ClientKey]) -> list[KeyView]:
    use, now_s = await state.admissions.usage([key.id for key in keys]), state.clock.now_s()
    configured = {key.id for key in state.keys.configured}
    return [
        show_key(key, use[key.id], is_configured=key.id in configured, now_s=now_s) for key in keys
    ]


def _count(done: dict[ClientKeyId, bool]) -> Done:
    missing = [key_id for key_id, is_there in done.items() if not is_there]
    return Done(len(done) - len(missing), missing)


def _place(key: ClientKey) -> tuple[int, str]:
    return round(key.created_at_s * 1000), key.id


def _read_place(cursor: str) -> tuple[int, str]:
    at_ms, _, key_id = cursor.partition(":")
    return int(at_ms), key_id


def _id_of(request: Request) -> ClientKeyId:
    given: str = request.path_params["id"]
    if not _ID.fullmatch(given):
        raise _not_found()
    return ClientKeyId(given)


def _read_ids(given: Sequence[str]) -> list[ClientKeyId]:
    """Return ids; what is none is not quoted, for it may be a key."""
    for at, text in enumerate(given):
        if not _ID.fullmatch(text):
            raise InvalidRequestError(
                "This is no id of a client key.", param=f"ids[{at}]", code="invalid_value"
            )
    return [ClientKeyId(text) for text in given]


def _not_found() -> NotFoundError:
    return NotFoundError("There is no such client key.", param="id", code="key_not_found")
