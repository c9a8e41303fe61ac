"""One turn over the gateway socket: handshake, heartbeat, batches."""

import asyncio
from types import TracebackType
from typing import Final, Self

from grok2api.clock import Clock
from grok2api.domain.chat import EventBatch
from grok2api.errors import GatewayError, UpstreamTimeoutError, UpstreamUnavailableError
from grok2api.providers.grok_web.codec.gateway_decoder import GatewayDecoder
from grok2api.providers.grok_web.codec.handshake import Handshake
from grok2api.providers.grok_web.codec.requests import TurnOptions, heartbeat, open_session
from grok2api.providers.grok_web.deadline import Deadline
from grok2api.upstream.transport import UpstreamSocket

HANDSHAKE_TIMEOUT_S: Final = 20.0
_MS_PER_S: Final = 1000


class Heartbeat:
    """Pings the gateway while its context is open; costs nothing per message."""

    __slots__ = ("_clock", "_interval_s", "_socket", "_task")

    def __init__(self, socket: UpstreamSocket, clock: Clock, interval_s: float) -> None:
        self._socket = socket
        self._clock = clock
        self._interval_s = interval_s
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        # Not a TaskGroup: that would cancel the turn, which may be read by another task by then.
        self._task = asyncio.get_running_loop().create_task(self._beat())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            # Unlike `await task`, this tells our own cancellation from the task's.
            await asyncio.wait((self._task,))

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._interval_s)
            try:
                await self._socket.send(heartbeat(int(self._clock.now_s() * _MS_PER_S)))
            except GatewayError:
                return  # the reader of the socket will meet it too, and say so


async def open_conversation(
    socket: UpstreamSocket, decoder: GatewayDecoder, mode: str, options: TurnOptions, event_id: str
) -> tuple[str, EventBatch]:
    """Open a new conversation; return its id and the events that came with the confirmations.

    Raises:
        UpstreamError: the gateway refused, closed, or confirmed something else.
    """
    handshake = Handshake(event_id)
    try:
        async with asyncio.timeout(HANDSHAKE_TIMEOUT_S):
            await socket.send(open_session(mode, options, event_id))
            while True:
                messages = await socket.receive()
                if not messages:
                    raise UpstreamUnavailableError(
                        "The upstream closed its session before it had begun.",
                        code="upstream_session_ended",
                    )
                for index, message in enumerate(messages, start=1):
                    handshake.feed(message)
                    if handshake.error is not None:
                        raise handshake.error
                    if handshake.is_ready:
                        events = decoder.open_conversation(handshake.conversation_id)
                        for early in messages[index:]:
                            decoder.feed_into(early, events)
                        return handshake.conversation_id, events
    except TimeoutError:
        raise UpstreamTimeoutError(
            "The upstream did not open its session in time.", code="upstream_handshake_timeout"
        ) from None


class GatewayBatches:
    """The answer on an open socket; messages that arrive together are one batch."""

    __slots__ = ("_deadline", "_decoder", "_first", "_socket")

    def __init__(
        self,
        socket: UpstreamSocket,
        decoder: GatewayDecoder,
        first: EventBatch,
        deadline: Deadline,
    ) -> None:
        self._socket = socket
        self._decoder = decoder
        self._first = first
        self._deadline = deadline

    @property
    def has_withheld(self) -> bool:
        """Whether the content rules have kept back a picture so far."""
        return self._decoder.has_withheld

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> EventBatch:
        if self._first:
            first, self._first = self._first, []
            return first
        decoder = self._decoder
        while not decoder.is_over:
            messages = await self._socket.receive()
            self._deadline.check()
            events: EventBatch = [] if messages else decoder.close()
            for message in messages:
                decoder.feed_into(message, events)
            if events:
                return events
        if decoder.error is not None:
            raise decoder.error
        raise StopAsyncIteration
