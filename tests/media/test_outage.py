"""A bucket that goes away in the middle: who reads is told, and nothing is forgotten."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from grok2api.config.media import LocalCacheSettings
from grok2api.errors import MediaStoreError
from grok2api.services.cleanup import Cleanup
from grok2api.store.connection import RedisClient
from tests.media.conftest import IMAGE, MB, VIDEO, MediaBench, bucket_settings, build_bench

CONTENT = bytes(range(256)) * (4 * MB // 256)


class Line:
    """The way to the S3 service, which can be cut."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._open = set[asyncio.StreamWriter]()
        self.is_cut = False

    def cut(self) -> None:
        self.is_cut = True
        for writer in self._open:
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_cut:
            writer.transport.abort()
            return
        there, back = await asyncio.open_connection("127.0.0.1", self._port)
        self._open |= {writer, back}
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass(reader, back))
                group.create_task(self._pass(there, writer))
        finally:
            self._open -= {writer, back}

    async def _pass(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(MB // 16):
                target.write(data)
                await target.drain()
        except OSError:
            pass
        target.transport.abort()


@asynccontextmanager
async def open_line(s3_url: str) -> AsyncIterator[tuple[Line, str]]:
    line = Line(urlsplit(s3_url).port or 0)
    server = await asyncio.start_server(line.serve, "127.0.0.1", 0)
    async with server:
        yield line, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        line.cut()


@pytest.fixture
async def wired(
    s3_url: str, redis: RedisClient, tmp_path: Path, limits: LocalCacheSettings
) -> AsyncIterator[tuple[Line, MediaBench]]:
    """A library on a bucket, and the way between them."""
    bucket = f"media-{secrets.token_hex(4)}"
    httpx2.put(f"{s3_url}/{bucket}").raise_for_status()
    async with open_line(s3_url) as (line, url), Cleanup() as cleanup:
        bench = build_bench(redis, tmp_path, bucket_settings(url, bucket), limits, cleanup)
        await bench.elect("me")
        yield line, bench


async def test_reader_of_a_bucket_that_goes_away_is_told(wired: tuple[Line, MediaBench]) -> None:
    line, bench = wired
    media = await bench.library.put(VIDEO, CONTENT, "video/mp4")

    async with aclosing(bench.library.read(media)) as pieces:
        await anext(pieces)
        line.cut()
        with pytest.raises(MediaStoreError, match="does not answer"):
            _ = [piece async for piece in pieces]
    with pytest.raises(MediaStoreError):
        await bench.read(media)
    line.is_cut = False

    assert await bench.read(media, MB) == CONTENT[MB:]
    await bench.assert_exact()


async def test_what_lies_in_a_bucket_that_is_away_is_not_forgotten(
    wired: tuple[Line, MediaBench],
) -> None:
    line, bench = wired
    media = await bench.library.put(IMAGE, b"picture", "image/png")
    line.cut()

    bench.age(86_400)
    with pytest.raises(MediaStoreError):
        await bench.upkeep.reconcile(bench.epoch)
    with pytest.raises(MediaStoreError):
        await bench.library.put(IMAGE, b"picture", "image/png")
    assert await bench.upkeep.clean(bench.epoch)
    line.is_cut = False

    assert await bench.library.find(IMAGE, media.id) == media
    assert await bench.read(media) == b"picture"
    await bench.assert_exact()
