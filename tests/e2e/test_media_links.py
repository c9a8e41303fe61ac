"""Links on a whole installation: any worker opens them, and slow readers cost no memory."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import httpx2
import msgspec
import psutil
import pytest

from grok2api.clock import SystemClock
from grok2api.config.media import MediaSettings
from grok2api.config.schema import Settings
from grok2api.config.secret_key import read_keys
from grok2api.domain.media import MediaKind
from grok2api.services.cleanup import Cleanup
from grok2api.services.media import MediaLibrary, build_media_library
from grok2api.services.media_links import MediaLinks
from grok2api.store.connection import open_redis
from grok2api.store.embedded import EmbeddedServer
from tests.e2e.installation import Installation

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

Install = Callable[..., Installation]
MB = 1024 * 1024
FILM_BYTES = 200 * MB
CLIENTS = 50
TAKEN_BYTES = 3 * MB
GROWTH_BYTES = 60 * MB
PNG = b"\x89PNG\r\n\x1a\n"


@asynccontextmanager
async def open_library(here: Installation) -> AsyncIterator[MediaLibrary]:
    """Open the library of an installation from outside, as another process of it does."""
    async with open_redis(EmbeddedServer(here.data).url) as redis, Cleanup() as cleanup:
        yield build_media_library(redis, here.data, Settings(), cleanup)


def links_of(here: Installation) -> MediaLinks:
    return MediaLinks(read_keys(here.data), MediaSettings(), SystemClock())


async def make_film() -> AsyncIterator[bytes]:
    piece = os.urandom(MB)
    for number in range(FILM_BYTES // MB):
        yield number.to_bytes(8, "big") + piece[8:]


def resident_bytes(workers: list[psutil.Process]) -> int:
    return sum(worker.memory_info().rss for worker in workers)


class SlowClient:
    """Takes a little of a file and then nothing, with the connection open."""

    def __init__(self, port: int, link: str) -> None:
        self._port = port
        self._link = link
        self.taken = 0

    async def connect(self, stack: AsyncExitStack) -> None:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        stack.callback(self._writer.transport.abort)
        self._writer.write(f"GET {self._link} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
        assert (await self._reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")

    async def take(self, size: int) -> None:
        self.taken += len(await self._reader.readexactly(size))


async def test_fifty_slow_readers_of_a_large_file_cost_no_memory(install: Install) -> None:
    here = install(accounts=0)
    async with open_library(here) as library:
        film = await library.put_stream(
            MediaKind.VIDEO, make_film(), "video/mp4", limit_bytes=2 * FILM_BYTES
        )
    link = links_of(here).link(film)
    workers = here.worker_processes()
    # Whatever a first file costs once.
    async with httpx2.AsyncClient(base_url=here.url) as client:
        for _ in range(8):
            part = await client.get(link, headers={"range": "bytes=0-1048575"})
            assert len(part.content) == MB
    before = resident_bytes(workers)
    most = before

    async with AsyncExitStack() as stack:
        clients = [SlowClient(here.port, link) for _ in range(CLIENTS)]
        for slow in clients:
            await slow.connect(stack)
        while clients[0].taken < TAKEN_BYTES:
            await asyncio.gather(*(slow.take(MB // 2) for slow in clients))
            most = max(most, resident_bytes(workers))
        connected = sum(len(worker.net_connections()) for worker in workers)

    assert connected >= CLIENTS
    assert (most - before) // MB < GROWTH_BYTES // MB


async def test_link_of_one_process_opens_on_every_other(install: Install) -> None:
    here = install(accounts=0)
    made = links_of(here)
    async with open_library(here) as library:
        media = await library.put(MediaKind.IMAGE, PNG, "image/png")

    served = [httpx2.get(here.url + made.link(media)) for _ in range(20)]

    assert {(answer.status_code, answer.content) for answer in served} == {(200, PNG)}


async def test_links_outlive_a_new_secret_key_as_long_as_the_old_one_is_kept(
    install: Install,
) -> None:
    here = install(accounts=0)
    async with open_library(here) as library:
        media = await library.put(MediaKind.IMAGE, PNG, "image/png")
    link = links_of(here).link(media)
    key_file = here.data / "secret.key"
    old = key_file.read_text()

    here.stop()
    key_file.write_text("7" * 64 + "\n" + old)
    here.start()
    by_both = httpx2.get(here.url + link)
    here.stop()
    key_file.write_text("7" * 64 + "\n")
    here.start()
    by_new = httpx2.get(here.url + link)

    assert by_both.content == PNG
    assert msgspec.json.decode(by_new.content)["error"]["code"] == "invalid_link"
