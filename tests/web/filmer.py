"""An upstream that makes videos as a test says, and keeps them until they are fetched."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import msgspec

from grok2api.domain.video import (
    VideoEvent,
    VideoMade,
    VideoPart,
    VideoPlan,
    VideoRequest,
    VideoStep,
)
from grok2api.errors import UpstreamUnavailableError
from grok2api.providers.media import AssetPage
from grok2api.providers.session import UpstreamSession

SITE = "https://assets.grok.com/users/u-1/generated"
PIECE_BYTES = 700


def mp4(size_bytes: int = 2000) -> bytes:
    """Return what begins as every MP4 file does: `ftyp`, `moov`, and so much of it."""

    def box(kind: bytes, data: bytes) -> bytes:
        return (8 + len(data)).to_bytes(4, "big") + kind + data

    head = box(b"ftyp", b"isom\0\0\2\0isomiso2avc1mp41") + box(b"moov", box(b"mvhd", bytes(100)))
    rest = size_bytes - len(head) - 8
    return head + box(b"mdat", bytes(at % 251 for at in range(rest)))


Batches = AsyncIterator[list[VideoEvent]]
Play = Callable[[VideoRequest, VideoPart], Batches]


async def film_all(request: VideoRequest, part: VideoPart) -> Batches:
    """Make a part in two steps."""
    yield [VideoStep(10, part), VideoStep(60, part)]
    yield [VideoMade(msgspec.structs.replace(part, url=url_of(part)))]


def url_of(part: VideoPart) -> str:
    return f"{SITE}/{part.video_id}/generated_video.mp4"


@dataclass
class Filmer:
    """Plays `play` for every part; tells what it was asked for. `content` lies at every URL.

    Where `gate` is not set, a part stops after its steps until it is.
    """

    play: Play = film_all
    content: bytes = field(default_factory=mp4)
    requests: list[VideoRequest] = field(default_factory=list)
    references: list[int] = field(default_factory=list)
    upscaled: list[str] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    async def prepare(self, request: VideoRequest, session: UpstreamSession) -> VideoPlan:
        return VideoPlan(prompt=request.prompt)

    @asynccontextmanager
    async def render(
        self,
        request: VideoRequest,
        plan: VideoPlan,
        parts: tuple[VideoPart, ...],
        session: UpstreamSession,
    ) -> AsyncIterator[Batches]:
        self.requests.append(request)
        self.references.append(len(session.attachments))
        part = VideoPart(video_id=f"vid-{len(self.requests)}", post_id="post-1")
        try:
            yield self._play(request, part)
        finally:
            self.closed.set()

    async def _play(self, request: VideoRequest, part: VideoPart) -> Batches:
        async for batch in self.play(request, part):
            if any(isinstance(event, VideoMade) for event in batch):
                await self.gate.wait()
            yield batch

    async def upscale(self, part: VideoPart, session: UpstreamSession) -> str:
        self.upscaled.append(part.video_id)
        return f"{SITE}/{part.video_id}/generated_video_hd.mp4"

    def guess_url(self, part: VideoPart, session: UpstreamSession) -> str:
        return url_of(part) if part.video_id else ""

    async def list_page(self, session: UpstreamSession, token: str = "") -> AssetPage:
        return AssetPage(())

    @asynccontextmanager
    async def download(
        self, url: str, session: UpstreamSession, *, is_video: bool = False
    ) -> AsyncIterator["Reel"]:
        if not url.startswith(SITE) or not is_video:
            raise UpstreamUnavailableError("It is not there.", status=404)
        yield Reel(self.content)


@dataclass
class Reel:
    """A video in pieces, as a server sends it."""

    content: bytes
    media_type: str = "video/mp4"

    @property
    def size_bytes(self) -> int | None:
        return len(self.content)

    async def chunks(self) -> AsyncIterator[bytes]:
        for at in range(0, len(self.content), PIECE_BYTES):
            yield self.content[at : at + PIECE_BYTES]
