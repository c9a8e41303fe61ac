"""Finished requests reach their file, and a disk that fails stops nothing."""

import asyncio
from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs

from grok2api.clock import SystemClock
from grok2api.domain.usage import FinishedRequest
from grok2api.services.request_file import RequestFile
from grok2api.services.usage import UsageRecorder
from grok2api.store.connection import RedisClient
from grok2api.store.usage import UsageLimits, UsageStore
from grok2api.telemetry.rotating_file import RotatingFile

pytestmark = pytest.mark.timeout(60)


def request(name: str) -> FinishedRequest:
    return FinishedRequest(id=name, at_s=1.0, route="/v1/messages", status=200)


def file_at(path: Path) -> RequestFile:
    rotating = RotatingFile(path, max_bytes=10**6, period_s=86_400, backups=1)
    return RequestFile(rotating, SystemClock(), every_s=0.0)


async def test_every_request_is_one_line_at_whatever_moment_the_end_comes(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    for turns in range(30):
        async with file_at(path) as file:
            file.record(request(f"a{turns}"))
            for _ in range(turns % 7):
                await asyncio.sleep(0)
            file.record(request(f"b{turns}"))

    ids = [msgspec.json.decode(line)["id"] for line in path.read_bytes().splitlines()]
    assert ids == [f"{letter}{turns}" for turns in range(30) for letter in "ab"]


async def test_recorder_writes_to_the_file_too(redis: RedisClient, tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    async with (
        file_at(path) as file,
        UsageRecorder(UsageStore(redis, UsageLimits()), [file]) as one,
    ):
        one.record(request("a"))

    assert msgspec.json.decode(path.read_bytes())["id"] == "a"


async def test_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")

    with capture_logs() as logs:
        async with file_at(tmp_path / "taken" / "r.jsonl") as file:
            file.record(request("a"))

    assert [(line["event"], line["requests"]) for line in logs] == [("request_file_not_written", 1)]
