"""Calls to grok.com whose answer is small: sent, checked, and read to the end."""

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar

from msgspec import Struct

from grok2api.clock import Clock
from grok2api.domain.upstream import UpstreamRequest, UpstreamStatus
from grok2api.errors import Scope, UpstreamError, UpstreamProtocolError, UpstreamTimeoutError
from grok2api.providers.grok_web.codec import refusal
from grok2api.providers.grok_web.codec.status import (
    MAX_BODY_BYTES,
    classify_body,
    classify_status,
)
from grok2api.upstream.transport import Exit, Timeouts, Transport, UpstreamStream

MAX_ANSWER_BYTES: Final = 64 * 1024
_FORBIDDEN: Final = 403
Meaning = TypeVar("Meaning")


class CallAnswer(Struct, frozen=True):
    """A success, whole. `headers` have lower-case names."""

    headers: dict[str, str]
    body: bytes


class Calls:
    """Sends small calls over one exit.

    `timeout_s` is for one attempt as a whole; no answer may be larger than `limit_bytes`.
    """

    __slots__ = ("_clock", "_exit", "_limit_bytes", "_timeout_s", "_timeouts", "_transport")

    def __init__(
        self,
        transport: Transport,
        exit_: Exit,
        clock: Clock,
        *,
        connect_s: float,
        timeout_s: float,
        limit_bytes: int = MAX_ANSWER_BYTES,
    ) -> None:
        self._transport = transport
        self._exit = exit_
        self._clock = clock
        self._timeout_s = timeout_s
        self._limit_bytes = limit_bytes
        self._timeouts = Timeouts(min(connect_s, timeout_s), timeout_s, timeout_s)

    async def ask(
        self, build: Callable[[], UpstreamRequest], understand: Callable[[CallAnswer], Meaning]
    ) -> Meaning:
        """Send what `build` makes and return what `understand` finds in the answer.

        A refusal that speaks of the way out, or of nothing, gets a second attempt: `build` is
        called again, so that nothing of the first one is used twice.

        Raises:
            UpstreamError: the upstream refused, failed or was silent for too long.
        """
        try:
            return understand(await self._send(build()))
        except UpstreamError as error:
            if not _is_worth_repeating(error):
                raise
        return understand(await self._send(build()))

    async def _send(self, request: UpstreamRequest) -> CallAnswer:
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._transport.open(request, self._exit, self._timeouts) as stream,
            ):
                await check_answer(stream, now_s=self._clock.now_s())
                return CallAnswer(stream.headers, await _read_all(stream, self._limit_bytes))
        except TimeoutError:
            raise UpstreamTimeoutError(
                "The upstream did not answer in time.",
                code="upstream_total_timeout",
                detail=f"no whole answer after {self._timeout_s:g} s",
            ) from None


async def check_answer(stream: UpstreamStream, *, now_s: float) -> None:
    """Raise what an answer means that is no success, or a page where data should be."""
    is_page = stream.headers.get("content-type", "").lower().startswith("text/html")
    is_good = 200 <= stream.status <= 299  # noqa: PLR2004 - the success statuses
    if is_good and not is_page:
        return
    answer = UpstreamStatus(stream.status, stream.headers, await _read_body(stream))
    if not is_good:
        raise classify_status(answer, now_s=now_s)
    if classify_body(answer.body) == "challenge":
        raise refusal.egress_blocked(status=answer.status, detail="challenge page as success")
    raise UpstreamProtocolError(
        "The upstream sent a page instead of an answer.",
        status=answer.status,
        code="upstream_unexpected_content",
    )


def _is_worth_repeating(error: UpstreamError) -> bool:
    is_unexplained = error.status == _FORBIDDEN and error.scope is Scope.UPSTREAM
    return error.scope is Scope.EGRESS or is_unexplained


async def _read_all(stream: UpstreamStream, limit_bytes: int) -> bytes:
    """Return the whole body. One that breaks off must not pass for a short one."""
    parts: list[bytes] = []
    size = 0
    while data := await stream.read():
        parts.append(data)
        size += len(data)
        if size > limit_bytes:
            raise UpstreamProtocolError(
                "The upstream's answer is larger than it can be.", code="upstream_protocol_error"
            )
    return b"".join(parts)


async def _read_body(stream: UpstreamStream) -> bytes:
    """Return the head of an error's body, which tells a dead session from a mere refusal.

    A 403 without its body would be taken for a blocked exit, so there a failure to read counts;
    every other status speaks for itself.
    """
    try:
        return await stream.read_head(MAX_BODY_BYTES)
    except UpstreamError:
        if stream.status == _FORBIDDEN:
            raise
        return b""
