"""Batches by maintenance processes: resumed after a kill, written by the leader only."""

import asyncio
import signal
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest

from grok2api.domain.batch import Batch, BatchKind, BatchState
from grok2api.domain.ids import AccountId
from grok2api.maintenance.jobs.batches import build_batch_job
from grok2api.maintenance.leader import LeadershipLostError
from grok2api.services.batch_exports import BatchExports
from grok2api.services.batch_runner import BatchRunner
from grok2api.services.batches import Batches
from grok2api.store.accounts import AccountStore
from grok2api.store.batch_results import BatchResults
from grok2api.store.batches import BatchStore
from grok2api.store.cipher import SecretCipher
from grok2api.store.connection import RedisClient, open_redis
from grok2api.store.leader import Elected, LeaderStore
from tests.cli.service import Service
from tests.conftest import AccountMaker

pytestmark = pytest.mark.timeout(120)

NOW_MS = 1_800_000_000_000
MISSING = 5
KEY = b"k" * 32
T = TypeVar("T")


class Process(Service):
    """One `grok2api maintenance` and what it has logged."""

    def has_logged(self, event: str) -> bool:
        lines = [msgspec.json.decode(line) for line in self.said.splitlines()]
        return any(line["msg"] == event for line in lines)


@pytest.fixture
def start(tmp_path: Path, redis_url: str) -> Iterator[Callable[[], Process]]:
    """Start maintenance processes on one store; all of them end with the test."""
    made: list[Process] = []

    def start_one() -> Process:
        folder = tmp_path / f"m{len(made)}"
        folder.mkdir()
        settings = {
            "GROK2API_REDIS_URL": redis_url,
            "GROK_MAINTENANCE_LEADER_TTL_S": "2",
            "GROK_BATCH_CONCURRENCY": "2",
            "GROK2API_SECRET_KEY": KEY.hex(),
        }
        made.append(Process(("maintenance",), folder, settings))
        return made[-1]

    yield start_one
    for process in made:
        process.process.kill()
        process.process.wait(10)


class Operator:
    """What the operator does and sees, one connection each time."""

    def __init__(self, url: str) -> None:
        self._url = url

    def save(self, count: int) -> list[AccountId]:
        async def work(redis: RedisClient) -> list[AccountId]:
            names = [f"a{number}" for number in range(count)]
            await AccountMaker(self._accounts(redis)).save(*names)
            return [AccountId(name) for name in names]

        return self._run(work)

    def disable(self, ids: list[AccountId]) -> Batch:
        return self._run(lambda r: self._batches(r).create("disable", {}, ids, created_by="test"))

    def export(self, ids: list[AccountId]) -> Batch:
        params = {"with_secrets": True}
        return self._run(
            lambda r: self._batches(r).create("export", params, ids, created_by="test")
        )

    def fetch(self, batch: Batch) -> dict[str, str]:
        """Return the session of every account of an export, each of which must be there once."""

        async def work(redis: RedisClient) -> dict[str, str]:
            results = BatchResults(redis, SecretCipher([KEY]))
            exports = BatchExports(self._batches(redis), results, self._accounts(redis))
            text = b"".join([part async for part in exports.iterate(batch)])
            accounts = msgspec.json.decode(text)["accounts"]
            found = {account["id"]: account["session"] for account in accounts}
            assert len(found) == len(accounts)
            return found

        return self._run(work)

    def cancel(self, batch: Batch) -> Batch:
        return self._run(lambda r: self._batches(r).cancel(batch.id))

    def look(self, batch: Batch) -> Batch:
        return self._run(lambda r: self._batches(r).get(batch.id))

    def failures(self, batch: Batch) -> dict[AccountId, str]:
        async def work(redis: RedisClient) -> dict[AccountId, str]:
            page = await self._batches(redis).failures(batch.id)
            return {failure.account_id: failure.reason for failure in page.failures}

        return self._run(work)

    def disabled(self) -> int:
        async def work(redis: RedisClient) -> int:
            counts = await self._accounts(redis).pool_counts()
            return sum(
                n for c in counts for status, n in c.by_status.items() if status == "disabled"
            )

        return self._run(work)

    def wait_until(self, batch: Batch, is_so: Callable[[Batch], bool], *others: Process) -> Batch:
        while not is_so(now := self.look(batch)):
            assert all(process.process.poll() is None for process in others)
            time.sleep(0.002)
        return now

    def _accounts(self, redis: RedisClient) -> AccountStore:
        return AccountStore(redis, SecretCipher([KEY]))

    def _batches(self, redis: RedisClient) -> Batches:
        return Batches(BatchStore(redis), list(BatchKind), keep_s=60)

    def _run(self, work: Callable[[RedisClient], Coroutine[Any, Any, T]]) -> T:
        async def connect() -> T:
            async with open_redis(self._url) as redis:
                return await work(redis)

        return asyncio.run(connect())


@pytest.fixture
def operator(redis_url: str) -> Operator:
    return Operator(redis_url)


def test_killed_process_loses_nothing_and_another_one_finishes(
    start: Callable[[], Process], operator: Operator
) -> None:
    ids = operator.save(3000)
    missing = [AccountId(f"missing{number}") for number in range(MISSING)]
    first = start()
    batch = operator.disable([*ids, *missing])
    operator.wait_until(batch, lambda b: b.processed > 300, first)

    first.process.send_signal(signal.SIGKILL)
    first.process.wait(10)
    at_death = operator.look(batch)
    second = start()
    end = operator.wait_until(batch, lambda b: b.is_over, second)

    assert 300 < at_death.processed < 3000
    assert (end.state, end.ok, end.fail) == (BatchState.DONE, 3000, MISSING)
    assert operator.disabled() == 3000
    assert operator.failures(batch) == dict.fromkeys(
        missing, "not_found: There is no such account."
    )


def test_export_of_a_killed_process_is_finished_by_another_with_each_account_once(
    start: Callable[[], Process], operator: Operator
) -> None:
    ids = operator.save(2000)
    first = start()
    batch = operator.export(ids)
    operator.wait_until(batch, lambda b: b.processed > 300, first)

    first.process.send_signal(signal.SIGKILL)
    first.process.wait(10)
    at_death = operator.look(batch)
    second = start()
    end = operator.wait_until(batch, lambda b: b.is_over, second)

    assert 300 < at_death.processed < 2000
    assert (end.state, end.ok, end.fail) == (BatchState.DONE, 2000, 0)
    assert operator.fetch(end) == {name: f"session-of-{name}" for name in ids}
    assert "session-of-" not in first.said + second.said


def test_batch_is_cancelled_in_the_middle(start: Callable[[], Process], operator: Operator) -> None:
    ids = operator.save(3000)
    process = start()
    batch = operator.disable(ids)
    operator.wait_until(batch, lambda b: b.processed > 100, process)

    operator.cancel(batch)
    end = operator.wait_until(batch, lambda b: b.is_over, process)

    assert end.state is BatchState.CANCELLED
    assert end.skipped > 0
    assert end.ok + end.skipped == 3000
    assert operator.disabled() == end.ok


def test_process_that_was_halted_cannot_count_what_it_did(
    start: Callable[[], Process], operator: Operator
) -> None:
    ids = operator.save(3000)
    first = start()
    batch = operator.disable(ids)
    operator.wait_until(batch, lambda b: b.processed > 100, first)

    first.process.send_signal(signal.SIGSTOP)
    second = start()
    end = operator.wait_until(batch, lambda b: b.is_over, second)
    first.process.send_signal(signal.SIGCONT)
    while not first.has_logged("leadership_lost"):
        time.sleep(0.01)

    assert (end.state, end.ok, end.fail) == (BatchState.DONE, 3000, 0)
    assert operator.look(batch) == end
    assert "Traceback" not in first.said + second.said


async def test_job_of_a_replaced_leader_says_so(redis: RedisClient) -> None:
    leaders = LeaderStore(redis, now_ms=NOW_MS)
    first = await leaders.campaign("first", ttl_s=10)
    leaders.now_ms += 10_000
    await leaders.campaign("second", ttl_s=10)
    store = BatchStore(redis)
    batches = Batches(store, list(BatchKind), keep_s=60)
    batch = await batches.create("delete", {}, [AccountId("a")], created_by="test")
    assert isinstance(first, Elected)

    with pytest.raises(LeadershipLostError):
        await build_batch_job(BatchRunner(store, {}, concurrency=1)).run(first.epoch)

    assert await batches.get(batch.id) == batch


async def test_job_without_batches_ends_at_once(redis: RedisClient) -> None:
    job = build_batch_job(BatchRunner(BatchStore(redis), {}, concurrency=1))

    await job.run(1)

    assert job.interval_s < 1
