"""Answers that are a file: exports, with sessions only when that is confirmed, and results."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from functools import partial
from typing import Final

import msgspec
import structlog
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from grok2api.domain.action import ActionName
from grok2api.errors import GatewayError, InvalidRequestError
from grok2api.web.admin.answers import JSON, NO_STORE
from grok2api.web.admin.audit import Note, write_note
from grok2api.web.facts import facts_of
from grok2api.web.state import state_of
from grok2api.web.streaming import EventStreamResponse, StreamContext, StreamPace, Write

log = structlog.get_logger(__name__)

JSON_LINES: Final = "application/x-ndjson"
CSV: Final = "text/csv; charset=utf-8"
CONFIRMATION: Final = "export-secrets"


class _File(Struct, frozen=True):
    """What a browser makes of an answer. `keep_alive` does no harm anywhere between its parts."""

    name: str
    media_type: str
    keep_alive: bytes = b" "


def check_confirmation(request: Request, *, param: str | None = None) -> None:
    """Make sure that whoever asks for sessions means it.

    Raises:
        InvalidRequestError: the header that says so is not there; `param` asked for sessions.
    """
    if request.headers.get("x-confirm") != CONFIRMATION:
        raise InvalidRequestError(
            f"Whoever reads the sessions has the accounts: send the header x-confirm: "
            f"{CONFIRMATION} as well.",
            param=param,
            code="confirmation_required",
        )


def stream_export(
    request: Request, parts: AsyncGenerator[bytes, None], *, with_secrets: bool, batch: str = ""
) -> Response:
    """Return an answer that is `parts`; one that breaks off is no valid JSON. The log notes it."""

    async def note() -> None:
        log.info("accounts_exported", with_secrets=with_secrets, batch=batch)
        if with_secrets:
            found = Note(
                ActionName.EXPORT_SESSIONS, target=batch, detail="all accounts" * (not batch)
            )
            await write_note(request, found)

    return _stream(request, partial(_produce, parts, note), _cut_off, _File("accounts.json", JSON))


def stream_lines(request: Request, parts: AsyncGenerator[bytes, None], *, name: str) -> Response:
    """Return an answer that is `parts`, JSON objects a line each; one that breaks off says so."""
    return _stream(request, partial(_produce, parts, None), _say_why, _File(name, JSON_LINES))


def stream_table(request: Request, parts: AsyncGenerator[bytes, None], *, name: str) -> Response:
    """Return an answer that is `parts`, a table as CSV; one that breaks off has a row of why."""
    return _stream(request, partial(_produce, parts, None), _add_why, _File(name, CSV, b""))


def _stream(
    request: Request,
    produce: Callable[[Write], Awaitable[bytes]],
    fail: Callable[[GatewayError], bytes],
    file: _File,
) -> Response:
    state = state_of(request)
    return EventStreamResponse(
        produce,
        fail,
        pace=StreamPace(commit_after_s=10.0, keep_alive_s=10.0, keep_alive=file.keep_alive),
        context=StreamContext(facts_of(request), state.drain, state.clock),
        headers={
            **NO_STORE,
            "content-type": file.media_type,
            "content-disposition": f'attachment; filename="{file.name}"',
        },
    )


async def _produce(
    parts: AsyncGenerator[bytes, None], note: Callable[[], Awaitable[None]] | None, write: Write
) -> bytes:
    # At the beginning: who leaves before the end has read some of them too.
    if note is not None:
        await note()
    last = b""
    async with aclosing(parts):
        async for part in parts:
            await write(last)
            last = part
    return last


def _cut_off(_: GatewayError) -> bytes:
    """End what cannot be whole without its end: no import takes JSON that is cut off."""
    return b""


def _say_why(error: GatewayError) -> bytes:
    """End lines that are not all with one that cannot be taken for any of them."""
    return msgspec.json.encode({"error": error.message}) + b"\n"


def _add_why(error: GatewayError) -> bytes:
    """End a table that is not whole with a row that cannot be taken for one of it."""
    words = error.message.replace('"', "'")
    return f'"This table is not whole: {words}"\r\n'.encode()
