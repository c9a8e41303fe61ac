"""GET and DELETE /admin/api/sessions: which conversation stays with which account."""

from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response

from grok2api.errors import InvalidRequestError
from grok2api.web.admin.answers import answer, read_cursor
from grok2api.web.admin.audit import about
from grok2api.web.admin.auth import admit_admin
from grok2api.web.body import read_json
from grok2api.web.state import state_of

MAX_CLEARED: Final = 1000
PAGE: Final = 100


class ClearBody(Struct, frozen=True):
    """Which sessions to forget: some, by their digests, or all of them."""

    sessions: Annotated[list[str], Meta(max_length=MAX_CLEARED)] = []
    all: bool = False


class ClearedBody(Struct, frozen=True):
    """So many sessions were forgotten."""

    cleared: int


_DECODER = msgspec.json.Decoder(ClearBody)


async def list_sessions(request: Request) -> Response:
    """List sessions, the one that ends last first. Only digests are known."""
    await admit_admin(request)
    sessions = state_of(request).sessions
    return answer(await sessions.page(cursor=read_cursor(request), limit=PAGE))


async def clear_sessions(request: Request) -> Response:
    """Forget sessions; their conversations go on with any account."""
    await admit_admin(request)
    body = await read_json(request, _DECODER)
    if body.all == bool(body.sessions):
        raise InvalidRequestError(
            'Send {"sessions": ["…"]} or {"all": true}.', param="sessions", code="invalid_value"
        )
    about(request, detail="all sessions" if body.all else f"{len(body.sessions)} sessions")
    sessions = state_of(request).sessions
    cleared = await (sessions.clear_all() if body.all else sessions.clear(body.sessions))
    return answer(ClearedBody(cleared))
