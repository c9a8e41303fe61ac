"""Answers that are an export: streamed as JSON, and with sessions only when that is confirmed."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from typing import Final

import structlog
from starlette.requests import Request
from starlette.responses import Response

from grok2api.errors import GatewayError, InvalidRequestError
from grok2api.web.admin.answers import JSON, NO_STORE
from grok2api.web.facts import facts_of
from grok2api.web.state import state_of
from grok2api.web.streaming import EventStreamResponse, StreamContext, StreamPace, Write

log = structlog.get_logger(__name__)

CONFIRMATION: Final = "export-secrets"
_PACE: Final = StreamPace(commit_after_s=10.0, keep_alive_s=10.0, keep_alive=b" ")


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
    state = state_of(request)
    return EventStreamResponse(
        partial(_produce, parts, {"with_secrets": with_secrets, "batch": batch}),
        _cut_off,
        pace=_PACE,
        context=StreamContext(facts_of(request), state.drain, state.clock),
        headers={
            **NO_STORE,
            "content-type": JSON,
            "content-disposition": 'attachment; filename="accounts.json"',
        },
    )


async def _produce(
    parts: AsyncGenerator[bytes, None], noted: dict[str, object], write: Write
) -> bytes:
    # At the beginning: who leaves before the end has read some of them too.
    log.info("accounts_exported", **noted)
    last = b""
    async with aclosing(parts):
        async for part in parts:
            await write(last)
            last = part
    return last


def _cut_off(_: GatewayError) -> bytes:
    """End what cannot be whole without its end: no import takes JSON that is cut off."""
    return b""
