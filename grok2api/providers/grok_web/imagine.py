"""Pictures over grok.com's Imagine socket."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, Self

from grok2api.clock import Clock
from grok2api.domain.images import ImageBatch, ImageMade, ImageRequest
from grok2api.errors import UpstreamError, UpstreamTimeoutError
from grok2api.providers.grok_web.assets import GrokWebAssets
from grok2api.providers.grok_web.caller import Caller
from grok2api.providers.grok_web.codec.imagine import (
    MAX_MESSAGE_BYTES,
    ImagineDecoder,
    ImagineLimits,
)
from grok2api.providers.grok_web.codec.imagine_requests import request_message, reset_message
from grok2api.providers.grok_web.codec.status import classify_status
from grok2api.providers.grok_web.options import GrokWebOptions
from grok2api.providers.session import UpstreamSession
from grok2api.upstream.transport import (
    HandshakeRefusedError,
    Timeouts,
    Transport,
    UpstreamSocket,
)

HANDSHAKE_TIMEOUT_S: Final = 30.0
_INLINE_BYTES: Final = 64 * 1024
_MS_PER_S: Final = 1000


class GrokWebImagine:
    """Makes pictures over a socket of their own. Keeps nothing between requests."""

    __slots__ = ("_assets", "_caller", "_clock", "_options", "_transport")

    def __init__(
        self, transport: Transport, options: GrokWebOptions, clock: Clock, assets: GrokWebAssets
    ) -> None:
        self._transport = transport
        self._options = options
        self._clock = clock
        self._assets = assets
        self._caller = Caller(options)

    @asynccontextmanager
    async def open(
        self, request: ImageRequest, session: UpstreamSession
    ) -> AsyncIterator["ImagineBatches"]:
        """Ask for the pictures; see `ImageBackend.make_images`."""
        options = self._options
        limits = ImagineLimits(
            previews=request.previews,
            max_bytes=options.image_max_bytes,
            final_min_chars=options.image_final_chars,
        )
        timeouts = Timeouts(
            options.image_timeouts.connect_s, HANDSHAKE_TIMEOUT_S, options.image_timeouts.idle_s
        )
        is_sent = False
        try:
            async with self._transport.connect(
                self._caller.imagine_handshake(session),
                self._caller.exit,
                timeouts,
                limit_bytes=MAX_MESSAGE_BYTES,
            ) as socket:
                at_ms = int(self._clock.now_s() * _MS_PER_S)
                await socket.send(reset_message(at_ms))
                is_sent = True
                await socket.send(request_message(request, f"img_{uuid.uuid4().hex}", at_ms + 1))
                decoder = ImagineDecoder(request.n, limits)
                yield ImagineBatches(socket, decoder, _Waits(options), self._assets, session)
        except HandshakeRefusedError as refused:
            raise classify_status(refused.answer, now_s=self._clock.now_s()) from None
        except UpstreamError as error:
            error.was_sent &= is_sent
            raise


class _Waits:
    """How long what is waited for; times are those of the running loop."""

    __slots__ = ("_first_at_s", "_hints", "_limit_s", "_patience_s", "_patient_until_s", "_until_s")

    def __init__(self, options: GrokWebOptions) -> None:
        now_s = asyncio.get_running_loop().time()
        self._limit_s = options.image_timeout_s
        self._until_s = now_s + options.image_timeout_s
        self._first_at_s: float | None = now_s + options.image_timeouts.header_s
        self._patience_s = options.image_final_timeout_s
        self._patient_until_s: float | None = None
        self._hints = (0, 0)

    def note(self, hints: tuple[int, int] | None) -> None:
        """Take note of what has come: see `ImagineDecoder.hints`."""
        self._first_at_s = None
        if hints is None or not hints[0]:
            self._patient_until_s = None
        elif hints != self._hints:
            self._hints = hints
            self._patient_until_s = asyncio.get_running_loop().time() + self._patience_s

    @property
    def until_s(self) -> float:
        """When waiting for the next message ends."""
        ends = (self._until_s, self._first_at_s, self._patient_until_s)
        return min(end for end in ends if end is not None)

    def end(self) -> None:
        """Raise UpstreamTimeoutError, unless it was only patience that ended."""
        now_s = asyncio.get_running_loop().time()
        if now_s >= self._until_s:
            raise UpstreamTimeoutError(
                f"The upstream's pictures took longer than {self._limit_s:g} seconds.",
                code="upstream_total_timeout",
            )
        if self._first_at_s is not None:
            raise UpstreamTimeoutError(
                "The upstream did not begin with the pictures in time.",
                code="upstream_stream_idle_timeout",
            )


class ImagineBatches:
    """The answer on an open socket; messages that arrive together are one batch."""

    __slots__ = ("_assets", "_decoder", "_failure", "_session", "_socket", "_waits")

    def __init__(
        self,
        socket: UpstreamSocket,
        decoder: ImagineDecoder,
        waits: _Waits,
        assets: GrokWebAssets,
        session: UpstreamSession,
    ) -> None:
        self._socket = socket
        self._decoder = decoder
        self._waits = waits
        self._assets = assets
        self._session = session
        self._failure: UpstreamError | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ImageBatch:
        decoder = self._decoder
        while not decoder.is_over and self._failure is None:
            batch = await self._complete(await self._next())
            if batch:
                return batch
        failure = self._failure or decoder.error
        if failure is not None:
            raise failure
        raise StopAsyncIteration

    async def _next(self) -> ImageBatch:
        decoder, waits = self._decoder, self._waits
        try:
            async with asyncio.timeout_at(waits.until_s):
                messages = await self._socket.receive()
        except TimeoutError:
            waits.end()
            return decoder.close()
        except UpstreamError as error:
            error.is_final = error.is_final or bool(decoder.made)
            raise
        if not messages:
            return decoder.close()
        is_small = sum(map(len, messages)) < _INLINE_BYTES
        batch = self._feed(messages) if is_small else await asyncio.to_thread(self._feed, messages)
        waits.note(decoder.hints)
        return batch

    def _feed(self, messages: list[bytes]) -> ImageBatch:
        return [event for message in messages for event in self._decoder.feed(message)]

    async def _complete(self, batch: ImageBatch) -> ImageBatch:
        """Fetch the pictures of which only the address came; what follows a failure is dropped."""
        done: ImageBatch = []
        for event in batch:
            if isinstance(event, ImageMade) and not event.content:
                try:
                    content = await self._assets.fetch_image(event.url, self._session)
                except UpstreamError as error:
                    self._failure = error
                    break
                done.append(ImageMade(event.slot, content, event.url))
            else:
                done.append(event)
        return done
