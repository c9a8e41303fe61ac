"""Jobs run while their process leads, and no longer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from grok2api.maintenance.leader import Leader, LeadershipLostError
from grok2api.maintenance.runner import Job, Runner
from grok2api.store import keys
from grok2api.store.connection import RedisClient, open_redis
from grok2api.store.leader import Elected, LeaderStore
from tests.conftest import find_server, run_server

pytestmark = pytest.mark.timeout(60)

LONG_S = 300.0
SHORT_S = 0.3
HOUR_MS = 3_600_000


@dataclass
class WaitingJob:
    """Works until it is cancelled, and notes that."""

    epochs: list[int] = field(default_factory=list)
    started: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, epoch: int) -> None:
        self.epochs.append(epoch)
        self.started.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled.set()

    @property
    def job(self) -> Job:
        return Job("waiting", 0.01, self.run)


@asynccontextmanager
async def running(redis: RedisClient, *jobs: Job, ttl_s: float = LONG_S) -> AsyncIterator[None]:
    """Run jobs in a candidate of their own; the end is an orderly one."""
    runner = Runner(Leader(LeaderStore(redis), ttl_s=ttl_s), jobs)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(runner.run())
        try:
            yield
        finally:
            task.cancel()


async def overthrow(redis: RedisClient) -> int:
    """Make another process lead, whose clock the lease has long ended by; return its epoch."""
    seconds, _ = await redis.execute_command("TIME")
    late = LeaderStore(redis, now_ms=int(seconds) * 1000 + HOUR_MS)
    reply = await late.campaign("other", ttl_s=LONG_S)
    assert isinstance(reply, Elected)
    return reply.epoch


async def test_job_that_raises_runs_again_and_the_others_go_on(redis: RedisClient) -> None:
    runs: list[int] = []
    is_third = asyncio.Event()
    other = WaitingJob()

    async def fail(epoch: int) -> None:
        runs.append(epoch)
        if len(runs) == 3:
            is_third.set()
        raise RuntimeError("no luck")

    async with running(redis, Job("failing", 0.01, fail), other.job):
        await is_third.wait()
        is_left_alone = other.started.is_set() and not other.cancelled.is_set()

    assert is_left_alone
    assert len(set(runs)) == 1


async def test_refused_renewal_cancels_all_jobs(redis: RedisClient) -> None:
    one, two = WaitingJob(), WaitingJob()

    async with running(redis, one.job, two.job, ttl_s=SHORT_S):
        await asyncio.gather(one.started.wait(), two.started.wait())
        await overthrow(redis)
        await asyncio.gather(one.cancelled.wait(), two.cancelled.wait())

    assert len(one.epochs) == len(two.epochs) == 1


async def test_job_that_finds_its_epoch_stale_ends_the_term(redis: RedisClient) -> None:
    other = WaitingJob()
    epochs: list[int] = []
    is_second = asyncio.Event()

    async def find_out(epoch: int) -> None:
        epochs.append(epoch)
        if len(epochs) == 2:
            is_second.set()
            return
        await other.started.wait()
        raise LeadershipLostError("another has taken the lead")

    async with running(redis, Job("finding out", LONG_S, find_out), other.job):
        await other.cancelled.wait()
        await is_second.wait()

    assert epochs[1] > epochs[0]


async def test_orderly_end_cancels_jobs_and_lets_another_lead_at_once(redis: RedisClient) -> None:
    first, second = WaitingJob(), WaitingJob()

    async with running(redis, first.job):
        await first.started.wait()
    async with running(redis, second.job):
        await second.started.wait()

    assert first.cancelled.is_set()
    assert second.epochs[0] > first.epochs[0]


async def test_follower_takes_over_from_a_leader_that_resigned(redis: RedisClient) -> None:
    first, second = WaitingJob(), WaitingJob()
    leading = running(redis, first.job, ttl_s=SHORT_S)
    await leading.__aenter__()
    await first.started.wait()

    async with running(redis, second.job, ttl_s=SHORT_S):
        assert not second.started.is_set()
        await leading.__aexit__(None, None, None)
        await second.started.wait()

    assert second.epochs[0] > first.epochs[0]


async def test_end_comes_at_whatever_moment_it_is_asked_for(redis: RedisClient) -> None:
    """Just after the loss of the lead there are calls in flight that may drop a cancellation."""
    for turns in range(20):
        await redis.execute_command("DEL", keys.leader())
        job = WaitingJob()
        async with running(redis, job.job, ttl_s=0.03):
            await job.started.wait()
            await overthrow(redis)
            await job.cancelled.wait()
            for _ in range(turns):
                await asyncio.sleep(0)


async def test_candidate_that_is_cancelled_while_it_follows_changes_nothing(
    redis: RedisClient,
) -> None:
    job = WaitingJob()
    epoch = await overthrow(redis)

    async with running(redis, job.job):
        pass

    assert not job.started.is_set()
    assert await overthrow(redis) == epoch


async def test_store_that_goes_away_ends_the_term_and_one_that_returns_begins_a_new_one(
    tmp_path: Path,
) -> None:
    job = WaitingJob()
    options = ("--port", "0", "--unixsocket", str(tmp_path / "s"))
    server = find_server("valkey")

    async with (
        open_redis(f"unix://{tmp_path / 's'}", pool_size=2) as redis,
        running(redis, job.job, ttl_s=SHORT_S),
    ):
        with run_server(server, tmp_path / "one", *options):
            await job.started.wait()
        await job.cancelled.wait()
        job.started.clear()
        with run_server(server, tmp_path / "two", *options):
            await job.started.wait()

    first, second = job.epochs
    assert second > first, "the new store knows nothing of the old epoch"
