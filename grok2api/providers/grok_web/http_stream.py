"""One turn over the HTTP stream: batches."""

import asyncio
from typing import Final, Self

from grok2api.domain.chat import EventBatch
from grok2api.errors import UpstreamError
from grok2api.providers.grok_web.codec.http_decoder import HttpDecoder
from grok2api.providers.grok_web.deadline import Deadline
from grok2api.upstream.transport import UpstreamStream

END_GRACE_S: Final = 3.0
"""How long the late frames of a complete answer are waited for."""


class HttpBatches:
    """The answer in a response; bytes that arrive together are one batch."""

    __slots__ = ("_deadline", "_decoder", "_grace_s", "_grace_until", "_stream")

    def __init__(
        self,
        stream: UpstreamStream,
        decoder: HttpDecoder,
        deadline: Deadline,
        *,
        grace_s: float = END_GRACE_S,
    ) -> None:
        self._stream = stream
        self._decoder = decoder
        self._deadline = deadline
        self._grace_s = grace_s
        self._grace_until: float | None = None

    @property
    def has_withheld(self) -> bool:
        """Whether the content rules have kept back a picture so far."""
        return self._decoder.has_withheld

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> EventBatch:
        decoder = self._decoder
        while not decoder.is_over:
            data = await (self._read_late() if decoder.is_ending else self._stream.read())
            self._deadline.check()
            events = decoder.feed(data) if data else decoder.close()
            if events:
                return events
        if decoder.error is not None:
            raise decoder.error
        raise StopAsyncIteration

    async def _read_late(self) -> bytes:
        """Read what follows a complete answer; trouble there is its end, and no harm."""
        if self._grace_until is None:
            self._grace_until = asyncio.get_running_loop().time() + self._grace_s
        try:
            async with asyncio.timeout_at(self._grace_until):
                return await self._stream.read()
        except (TimeoutError, UpstreamError):
            return b""
