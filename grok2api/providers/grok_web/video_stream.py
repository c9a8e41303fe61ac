"""The stream in which one part of a video is made: batches."""

from typing import Self

from grok2api.domain.video import VideoEvent
from grok2api.errors import UpstreamError
from grok2api.providers.grok_web.codec.video_decoder import VideoDecoder
from grok2api.providers.grok_web.deadline import Deadline
from grok2api.upstream.transport import UpstreamStream


class VideoBatches:
    """What the site reports; bytes that arrive together are one batch."""

    __slots__ = ("_deadline", "_decoder", "_stream")

    def __init__(self, stream: UpstreamStream, decoder: VideoDecoder, deadline: Deadline) -> None:
        self._stream = stream
        self._decoder = decoder
        self._deadline = deadline

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> list[VideoEvent]:
        decoder = self._decoder
        try:
            while not decoder.is_over:
                if events := await self._read():
                    return events
            if decoder.error is not None:
                raise decoder.error
        except UpstreamError as error:
            error.was_sent = True
            if error is not decoder.error:  # it was taken on, and its answer is lost
                error.may_be_running = True
            raise
        raise StopAsyncIteration

    async def _read(self) -> list[VideoEvent]:
        decoder = self._decoder
        data = b"" if decoder.is_ended else await self._stream.read()
        if not data:
            return decoder.close()
        events = decoder.feed(data)
        if not decoder.is_over:  # a video that is there is never too late
            self._deadline.check()
        return events
