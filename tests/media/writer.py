"""A process that keeps what it can until it is killed; it prints the id of each object."""

import asyncio
import random
import sys
from pathlib import Path

import msgspec

from grok2api.config.media import LocalCacheSettings, MediaSettings
from grok2api.domain.media import MediaKind
from grok2api.media.objects import open_object_store
from grok2api.services.cleanup import Cleanup
from grok2api.services.media import MediaLibrary
from grok2api.store.connection import open_redis
from grok2api.store.media import MediaIndex
from tests.media.conftest import chunks_of

CONTENTS = 12


def content_of(number: int) -> bytes:
    """Return one of the contents that all writers race for."""
    return random.Random(number).randbytes(number * 50_000 + 1)  # noqa: S311 -- no secret


async def work(url: str, data_dir: Path, settings: bytes) -> None:
    """Put and delete the same few contents for ever."""
    objects = open_object_store(msgspec.json.decode(settings, type=MediaSettings), data_dir)
    async with open_redis(url, pool_size=4) as redis, Cleanup() as cleanup:
        library = MediaLibrary(objects, MediaIndex(redis), LocalCacheSettings(), cleanup)
        while True:
            number = random.randrange(CONTENTS)  # noqa: S311 -- no secret
            content = content_of(number)
            if number % 2:
                media = await library.put(MediaKind.IMAGE, content, "image/png")
            else:
                media = await library.put_stream(
                    MediaKind.IMAGE, chunks_of(content, 65_536), "image/png", limit_bytes=10**7
                )
            sys.stdout.write(f"{media.id}\n")
            sys.stdout.flush()
            if number % 3 == 0:
                await library.delete(MediaKind.IMAGE, media.id)


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1], Path(sys.argv[2]), sys.stdin.buffer.read()))
