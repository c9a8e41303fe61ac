"""Many video jobs while the processes that work on them are killed and begun again."""

import asyncio
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from grok2api.domain.media import MediaKind
from grok2api.store import keys
from grok2api.store.videos import VideoLimits
from tests.services.videos.bench import MINE, VideoBench, ask, picture
from tests.services.videos.process import LEDGER

ROOT = Path(__file__).parents[3]
JOBS, PROCESSES, LIMIT_S = 200, 2, 150.0


class Processes:
    """Workers of their own; any of them may be killed at any time."""

    def __init__(self, bench: VideoBench) -> None:
        self.bench = bench
        self.alive = [self.start() for _ in range(PROCESSES)]

    def start(self) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "tests.services.videos.process", self.bench.url]
        return subprocess.Popen(
            [*command, str(self.bench.folder)], cwd=ROOT, stdout=subprocess.DEVNULL
        )

    def kill_one(self) -> None:
        at = random.randrange(PROCESSES)  # noqa: S311 - no secret
        self.alive[at].kill()
        self.alive[at].wait()
        self.alive[at] = self.start()


@contextmanager
def running(bench: VideoBench) -> Iterator[Processes]:
    processes = Processes(bench)
    try:
        yield processes
    finally:
        for process in processes.alive:
            process.kill()
            process.wait()


@pytest.mark.timeout(240)
async def test_200_jobs_all_end_and_none_is_asked_for_twice(bench: VideoBench) -> None:
    await bench.add("a", "b", "c")
    worker = bench.worker(concurrency=1)
    async with worker:
        await worker.runner.close(0.0)  # it only asks
        jobs = [
            (
                await worker.videos.create(
                    MINE,
                    ask(f"video {n}", references=(picture(),) if n % 10 == 0 else ()),
                    shown={},
                )
            ).job
            for n in range(JOBS)
        ]
        with running(bench) as processes:
            kills = 0
            async with asyncio.timeout(LIMIT_S):
                while int(await bench.redis.execute_command("ZCARD", keys.video_due())):
                    await asyncio.sleep(random.uniform(1.5, 3.0))  # noqa: S311 - no secret
                    if kills < 10:
                        processes.kill_one()
                        kills += 1

    ended = [await bench.look(job) for job in jobs]
    states = Counter([job.state.value for job in ended])
    failures = Counter([job.error_message for job in ended if job.state.value == "failed"])
    asked = Counter(await bench.redis.execute_command("LRANGE", LEDGER, "0", "-1"))
    assert kills > 1
    assert failures == {}
    assert states["done"] + states["unknown"] == JOBS
    assert states["done"] > JOBS / 2
    assert max(asked.values()) == 1
    await bench.settle()
    for name in ("a", "b", "c"):
        assert (await bench.used(name))[1] == 0
    assert await bench.media(MediaKind.INPUT) == 0
    assert VideoLimits(max_open=1).max_kept > JOBS
