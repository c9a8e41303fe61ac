"""Server-sent events to a client: the status waits for the first event, silence is kept alive."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import structlog
from msgspec import Struct
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from grok2api.clock import Clock
from grok2api.errors import GatewayError, InternalError
from grok2api.web.drain import Drain
from grok2api.web.facts import RequestFacts
from grok2api.web.presence import ClientLeftError, client_present, companion

log = structlog.get_logger(__name__)

MAX_KEEP_ALIVE_S = 10.0
"""Clients and proxies give up on longer silence, whatever the settings say."""

WRITES_PER_TURN = 32
"""Writes that did not have to wait, after which everybody else gets a turn."""

MODE_HEADER = "x-grok2api-mode"
"""Says which mode answered: auto may be served as another one."""
EVENT_STREAM = "text/event-stream; charset=utf-8"
EVENT_STREAM_HEADERS: Mapping[str, str] = {
    "cache-control": "no-cache",
    "x-accel-buffering": "no",
}

Write = Callable[[bytes], Awaitable[None]]
Produce = Callable[[Write], Awaitable[bytes]]


class StreamPace(Struct, frozen=True):
    """When a stream commits to its status, and how long it may be silent; seconds."""

    commit_after_s: float
    keep_alive_s: float
    keep_alive: bytes


@dataclass(frozen=True, slots=True)
class StreamContext:
    """What a stream needs to know of the request and the worker it belongs to."""

    facts: RequestFacts
    drain: Drain
    clock: Clock


class EventStreamResponse(Response):
    """Sends what a producer writes, as it comes.

    `produce(write)` opens whatever it needs, awaits `write(data)` once per batch and returns the
    closing bytes. It runs in the request's own task: when the client leaves or the worker must
    stop, it is cancelled at once, and its context managers run to their end before anything else
    happens. A slow client makes `write` wait, and so slows the upstream.

    What the producer raises before the first byte is raised on, to become an ordinary error
    answer. After that, `fail(error)` gives the bytes that end the stream.

    Silence is broken by what `keep_alive()` gives, or by the constant of `pace`.
    """

    def __init__(
        self,
        produce: Produce,
        fail: Callable[[GatewayError], bytes],
        *,
        pace: StreamPace,
        context: StreamContext,
        headers: Mapping[str, str] | None = None,
        keep_alive: Callable[[], bytes] | None = None,
    ) -> None:
        self.status_code = 200
        self.background = None
        self.init_headers({**EVENT_STREAM_HEADERS, **(headers or {})})
        self._produce = produce
        self._fail = fail
        self._pace = pace
        self._keep_alive = keep_alive or (lambda: pace.keep_alive)
        self._keep_alive_s = min(pace.keep_alive_s, MAX_KEEP_ALIVE_S)
        self._drain = context.drain
        self._facts = context.facts
        self._clock = context.clock
        self._is_started = False
        self._is_writing = False
        self._aside: asyncio.Future[None] | None = None
        self._last_sent_s = 0.0
        self._writes = 0

    def init_headers(self, headers: Mapping[str, str] | None = None) -> None:
        """Build the raw headers: no length, since nobody knows it."""
        named = {"content-type": EVENT_STREAM, **(headers or {})}
        self.raw_headers = [(name.encode(), value.encode()) for name, value in named.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        loop = asyncio.get_running_loop()
        self._send = send
        self._time = loop.time
        self._last_sent_s = loop.time()
        try:
            async with client_present(receive, self._drain), companion(self._keep_company()):
                closing = await self._produce(self._write)
                await self._leave_aside()
        except GatewayError as error:
            closing = self._end_badly(error)
        except ClientLeftError:
            raise
        except Exception as error:
            if not self._is_started:
                raise
            log.exception("stream_crashed", exc_info=error)
            closing = self._end_badly(InternalError("The server made a mistake."))
        if not self._is_started:
            await self._start()
        await send({"type": "http.response.body", "body": closing, "more_body": False})

    def _end_badly(self, error: GatewayError) -> bytes:
        if not self._is_started:
            raise error
        self._facts.note_error(error)
        return self._fail(error)

    async def _start(self) -> None:
        headers = self.raw_headers
        if self._facts.mode:
            headers = [*headers, (MODE_HEADER.encode(), self._facts.mode.encode())]
        start = {"type": "http.response.start", "status": 200, "headers": headers}
        await self._send(start)
        self._is_started = True

    async def _write(self, data: bytes) -> None:
        """Send one batch; called by the producer only."""
        if not data:
            return
        if self._aside is not None:
            await self._leave_aside()
        self._is_writing = True
        if self._facts.first_output_s is None:
            self._facts.first_output_s = self._clock.monotonic_s()
            if not self._is_started:
                await self._start()
        await self._send({"type": "http.response.body", "body": data, "more_body": True})
        self._is_writing = False
        self._last_sent_s = self._time()
        self._writes += 1
        if not self._writes % WRITES_PER_TURN:
            # Neither a buffered upstream nor a socket with room makes us wait: let others run.
            await asyncio.sleep(0)

    async def _leave_aside(self) -> None:
        """Wait for what the companion is just sending."""
        if self._aside is not None:
            await asyncio.shield(self._aside)

    async def _keep_company(self) -> None:
        """Commit when the first event is late, then break every long silence with a comment."""
        await asyncio.sleep(self._pace.commit_after_s)
        if not self._is_started and not self._is_writing:
            await self._send_aside()
        while True:
            silent_s = self._time() - self._last_sent_s
            if silent_s >= self._keep_alive_s:
                # A write that waits for a slow client is no silence of ours.
                if not self._is_writing:
                    await self._send_aside()
                silent_s = 0.0
            await asyncio.sleep(self._keep_alive_s - silent_s)

    async def _send_aside(self) -> None:
        self._aside = asyncio.get_running_loop().create_future()
        try:
            if not self._is_started:
                await self._start()
            # Made just before it is sent: nothing of the producer's can come in between.
            body = self._keep_alive()
            await self._send({"type": "http.response.body", "body": body, "more_body": True})
            self._last_sent_s = self._time()
        finally:
            self._aside.set_result(None)
            self._aside = None
