"""A process on a disk that is full, or one that tells how much memory a large file takes."""

import asyncio
import resource
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import msgspec

from grok2api.config.media import LocalCacheSettings, MediaSettings
from grok2api.domain.media import MediaKind
from grok2api.errors import MediaStoreError
from grok2api.media.objects import open_object_store
from grok2api.services.cleanup import Cleanup
from grok2api.services.media import MediaLibrary
from grok2api.store.connection import open_redis
from grok2api.store.media import MediaIndex

MB = 1024 * 1024
LARGE_MB = 200


class Told(msgspec.Struct):
    """What the process has to say."""

    refused: list[str] = []
    grown_mb: list[float] = []
    read_bytes: int = 0


async def large_chunks() -> AsyncIterator[bytes]:
    """Yield chunks as a connection brings them, each one a new object."""
    for number in range(LARGE_MB * 16):
        yield bytes([number % 256]) * (MB // 16)


def peak_mb() -> float:
    """Return the most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def fill_disk(library: MediaLibrary) -> Told:
    """No file may have more than a megabyte: that is how a full disk looks to a writer."""
    told = Told()
    await library.put(MediaKind.IMAGE, b"before", "image/png")
    resource.setrlimit(resource.RLIMIT_FSIZE, (MB, MB))
    for put in (
        library.put(MediaKind.IMAGE, bytes(2 * MB), "image/png"),
        library.put_stream(MediaKind.VIDEO, large_chunks(), "video/mp4", limit_bytes=10**9),
    ):
        try:
            await put
        except MediaStoreError as error:
            told.refused += [error.message, error.detail]
    await library.put(MediaKind.IMAGE, b"after", "image/png")
    return told


async def keep_large_file(library: MediaLibrary) -> Told:
    """Put a large file and read it."""
    told = Told()
    small = await library.put(MediaKind.VIDEO, bytes(MB), "video/mp4")
    async with aclosing(library.read(small)) as pieces:
        _ = [len(piece) async for piece in pieces]
    before = peak_mb()
    media = await library.put_stream(
        MediaKind.VIDEO, large_chunks(), "video/mp4", limit_bytes=10**9
    )
    told.grown_mb.append(peak_mb() - before)
    async with aclosing(library.read(media)) as pieces:
        async for piece in pieces:
            told.read_bytes += len(piece)
    told.grown_mb.append(peak_mb() - before)
    return told


async def work(task: str, url: str, data_dir: Path, settings: bytes) -> None:
    """Do one of the two, and print what it told."""
    objects = open_object_store(msgspec.json.decode(settings, type=MediaSettings), data_dir)
    async with open_redis(url, pool_size=4) as redis, Cleanup() as cleanup:
        library = MediaLibrary(objects, MediaIndex(redis), LocalCacheSettings(), cleanup)
        told = await (fill_disk if task == "fill_disk" else keep_large_file)(library)
    sys.stdout.buffer.write(msgspec.json.encode(told))


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1], sys.argv[2], Path(sys.argv[3]), sys.stdin.buffer.read()))
