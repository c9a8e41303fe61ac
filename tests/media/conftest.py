"""Kept media in a folder and in a bucket of a real S3 service, and the leader's upkeep of it."""

import secrets
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

import httpx2
import msgspec
import pytest

from grok2api.clock import SystemClock
from grok2api.config.media import LocalCacheSettings, MediaSettings
from grok2api.domain.ids import MediaId
from grok2api.domain.media import MediaKind, MediaUsage, StoredMedia, build_place
from grok2api.media.objects import ObjectStore, open_object_store
from grok2api.services.cleanup import Cleanup
from grok2api.services.media import MediaLibrary
from grok2api.services.media_upkeep import MediaUpkeep
from grok2api.store.connection import RedisClient
from grok2api.store.leader import Elected, LeaderStore
from grok2api.store.media import MediaIndex
from grok2api.store.media_upkeep import MediaUpkeepIndex
from tests.media.service import S3_SECRET, run_s3

IMAGE, VIDEO, INPUT = MediaKind.IMAGE, MediaKind.VIDEO, MediaKind.INPUT
MB = 1024 * 1024


@pytest.fixture(scope="session")
def s3_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an S3 service."""
    with run_s3(tmp_path_factory.mktemp("s3")) as url:
        yield url


def bucket_settings(s3_url: str, bucket: str) -> MediaSettings:
    return MediaSettings(
        url=f"s3://{bucket}/a/folder",
        s3_endpoint=s3_url,
        s3_access_key="key-of-s3",
        s3_secret_key=S3_SECRET,
    )


@pytest.fixture(params=["folder", "bucket"])
def media_settings(request: pytest.FixtureRequest) -> MediaSettings:
    """Settings of an empty store of each kind."""
    if request.param == "folder":
        return MediaSettings()
    s3_url: str = request.getfixturevalue("s3_url")
    bucket = f"media-{secrets.token_hex(4)}"
    httpx2.put(f"{s3_url}/{bucket}").raise_for_status()
    return bucket_settings(s3_url, bucket)


@dataclass
class MediaBench:
    """A library, its parts, and the leader's upkeep of it."""

    data_dir: Path
    objects: ObjectStore
    index: MediaIndex
    leader_index: MediaUpkeepIndex
    library: MediaLibrary
    upkeep: MediaUpkeep
    leaders: LeaderStore
    epoch: int = 0

    async def elect(self, owner: str) -> None:
        reply = await self.leaders.campaign(owner, ttl_s=10)
        assert isinstance(reply, Elected)
        self.epoch = reply.epoch

    async def read(self, media: StoredMedia, start: int = 0, end: int | None = None) -> bytes:
        async with aclosing(self.library.read(media, start, end)) as pieces:
            return b"".join([piece async for piece in pieces])

    async def stored(self, kind: MediaKind = IMAGE) -> dict[str, int]:
        """Return the objects of a kind that are in the store: place and size."""
        async with aclosing(self.objects.list(kind)) as pages:
            return {one.place: one.size_bytes async for page in pages for one in page}

    async def usage(self, kind: MediaKind = IMAGE) -> MediaUsage:
        return {usage.kind: usage for usage in await self.library.usage()}[kind]

    async def listed(self, kind: MediaKind = IMAGE) -> list[StoredMedia]:
        """Return all of the index."""
        found: list[StoredMedia] = []
        cursor = "0"
        while cursor:
            page = await self.library.list_page(kind, cursor, 7)
            found += page.items
            cursor = page.next_cursor
        return found

    async def fill_index(self, count: int, size: int) -> None:
        """Have so many images of a size in the index; their bytes are lost."""
        for number in range(count):
            media_id = MediaId(f"{number:032x}")
            place = build_place(IMAGE, media_id, "image/png", "00000000")
            await self.index.reserve(
                IMAGE, media_id, place, size_bytes=size, limit_bytes=None, write_s=60
            )
            await self.index.keep(IMAGE, media_id, place, "image/png")

    async def assert_exact(self, *kinds: MediaKind) -> None:
        """Index, its numbers and the store say the same, and nothing is under way."""
        for kind in kinds or MediaKind:
            listed = {media.place: media.size_bytes for media in await self.listed(kind)}
            usage = await self.usage(kind)
            assert listed == await self.stored(kind)
            assert usage.count == len(listed)
            assert usage.size_bytes == sum(listed.values())
            assert usage.reserved_bytes == 0

    @property
    def folder(self) -> Path:
        return self.data_dir / "media"

    def spooled(self) -> list[Path]:
        """Return what is being received."""
        return list((self.folder / "spool").iterdir())

    def age(self, seconds: float) -> None:
        """Let the leader's index think that so much time has passed."""
        self.leader_index.now_ms = round((SystemClock().now_s() + seconds) * 1000)

    async def settle(self) -> None:
        """Clean and reconcile when all that was under way must have ended."""
        self.age(7 * 86_400)
        assert await self.upkeep.clean(self.epoch)
        assert await self.upkeep.reconcile(self.epoch)


def build_bench(
    redis: RedisClient,
    data_dir: Path,
    settings: MediaSettings,
    limits: LocalCacheSettings,
    cleanup: Cleanup,
) -> MediaBench:
    objects = open_object_store(settings, data_dir)
    index, leader_index = MediaIndex(redis), MediaUpkeepIndex(redis)
    return MediaBench(
        data_dir=data_dir,
        objects=objects,
        index=index,
        leader_index=leader_index,
        library=MediaLibrary(objects, index, limits, cleanup),
        upkeep=MediaUpkeep(objects, index, leader_index, limits),
        leaders=LeaderStore(redis),
    )


@pytest.fixture
def limits() -> LocalCacheSettings:
    """A megabyte of images, and no limit of videos."""
    return LocalCacheSettings(image_max_mb=1)


@pytest.fixture
async def bench(
    redis: RedisClient,
    tmp_path: Path,
    media_settings: MediaSettings,
    limits: LocalCacheSettings,
) -> AsyncIterator[MediaBench]:
    async with Cleanup() as cleanup:
        built = build_bench(redis, tmp_path, media_settings, limits, cleanup)
        await built.elect("me")
        yield built


@pytest.fixture
async def folder_bench(
    redis: RedisClient, tmp_path: Path, limits: LocalCacheSettings
) -> AsyncIterator[MediaBench]:
    """A library on a folder, for what only a folder has."""
    async with Cleanup() as cleanup:
        built = build_bench(redis, tmp_path, MediaSettings(), limits, cleanup)
        await built.elect("me")
        yield built


@pytest.fixture
async def broken(
    redis: RedisClient,
    tmp_path: Path,
    media_settings: MediaSettings,
    limits: LocalCacheSettings,
) -> AsyncIterator[MediaBench]:
    """A library whose folder has been replaced by a file, or whose bucket is not there."""
    if media_settings.url:
        media_settings = msgspec.structs.replace(media_settings, url="s3://no-such-bucket")
    async with Cleanup() as cleanup:
        built = build_bench(redis, tmp_path, media_settings, limits, cleanup)
        for kind in MediaKind:
            (tmp_path / "media" / kind.value).write_bytes(b"")
        yield built


async def chunks_of(content: bytes, size: int) -> AsyncIterator[bytes]:
    for at in range(0, len(content), size):
        yield content[at : at + size]


def contents(count: int, size: int) -> Sequence[bytes]:
    """Return different contents of a size."""
    return [bytes([number]) * size for number in range(count)]
