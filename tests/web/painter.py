"""An upstream that makes pictures as a test says, and real small pictures for it."""

import asyncio
import struct
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from grok2api.domain.images import (
    ImageBatch,
    ImageMade,
    ImagePreview,
    ImageRequest,
    ImagesDone,
    ImageStep,
)
from grok2api.providers.session import UpstreamSession


def png(width: int = 4, height: int = 3, shade: int = 0, extra: bytes = b"") -> bytes:
    """Return a picture of one colour; `extra` follows its end."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        whole = kind + data
        return struct.pack(">I", len(data)) + whole + struct.pack(">I", zlib.crc32(whole))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress((b"\0" + bytes([shade]) * width) * height)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts + extra


async def paint_all(request: ImageRequest) -> AsyncIterator[ImageBatch]:
    """Make every picture, slot 0 the darkest, with as many previews as are wanted."""
    yield [ImageStep(slot, 10) for slot in range(request.n)]
    for slot in range(request.n):
        for number in range(request.previews):
            yield [ImagePreview(slot, 20 + number, png(2, 2, number))]
        yield [ImageMade(slot, png(shade=slot))]
    yield [ImagesDone()]


@dataclass
class Painter:
    """Plays `play`; tells what it was asked for, and whether somebody is connected."""

    play: Callable[[ImageRequest], AsyncIterator[ImageBatch]] = paint_all
    requests: list[ImageRequest] = field(default_factory=list)
    references: list[int] = field(default_factory=list)
    """How many pictures came with each request."""
    opened: asyncio.Event = field(default_factory=asyncio.Event)
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def make_images(
        self, request: ImageRequest, session: UpstreamSession
    ) -> AsyncIterator[AsyncIterator[ImageBatch]]:
        self.requests.append(request)
        self.references.append(len(session.attachments))
        self.opened.set()
        try:
            yield self.play(request)
        finally:
            self.closed.set()
