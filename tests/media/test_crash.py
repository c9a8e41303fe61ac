"""Processes that race for the same contents are killed anywhere; nothing is lost or left."""

import asyncio
import hashlib
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import msgspec

from grok2api.clock import SystemClock
from grok2api.config.media import LocalCacheSettings, MediaSettings
from grok2api.domain.media import MEDIA_ID_CHARS
from grok2api.services.cleanup import Cleanup
from grok2api.store.connection import RedisClient
from tests.media.conftest import IMAGE, build_bench
from tests.media.writer import CONTENTS, content_of

ROUNDS = 5
WRITERS = 2


def start_writer(
    redis_url: str, data_dir: Path, settings: MediaSettings, log: Path
) -> "subprocess.Popen[bytes]":
    with log.open("wb") as output:
        writer = subprocess.Popen(
            [sys.executable, "-m", "tests.media.writer", redis_url, str(data_dir)],
            stdin=subprocess.PIPE,
            stdout=output,
            cwd=Path(__file__).parents[2],
        )
    assert writer.stdin is not None
    with writer.stdin as given:
        given.write(msgspec.json.encode(settings))
    return writer


def wait_for_work(writer: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 60
    while log.read_bytes().count(b"\n") < 3:
        assert writer.poll() is None, "a writer must not end by itself"
        assert time.monotonic() < deadline
        time.sleep(0.01)


async def test_killed_writers_leave_an_exact_index(
    redis: RedisClient, redis_url: str, tmp_path: Path, media_settings: MediaSettings
) -> None:
    data_dir = tmp_path / "data"
    for number in range(ROUNDS):
        logs = [tmp_path / f"{number}-{n}.log" for n in range(WRITERS)]
        writers = [start_writer(redis_url, data_dir, media_settings, log) for log in logs]
        for writer, log in zip(writers, logs, strict=True):
            wait_for_work(writer, log)
            await asyncio.sleep(random.uniform(0, 0.05))  # noqa: S311 -- no secret
            writer.kill()
        for writer in writers:
            writer.wait()
    async with Cleanup() as cleanup:
        bench = build_bench(redis, data_dir, media_settings, LocalCacheSettings(), cleanup)
        await bench.elect("me")
        for media in await bench.listed():  # before the leader comes, all that is named is there
            content = await bench.read(media)
            assert hashlib.sha256(content).hexdigest()[:MEDIA_ID_CHARS] == media.id
        for path in bench.spooled():
            then = SystemClock().now_s() - 2 * 86_400
            os.utime(path, (then, then))

        await bench.settle()
        await bench.settle()

        await bench.assert_exact()
        assert bench.spooled() == []
        for number in range(CONTENTS):
            media = await bench.library.put(IMAGE, content_of(number), "image/png")
            assert await bench.read(media) == content_of(number)
        await bench.assert_exact()
