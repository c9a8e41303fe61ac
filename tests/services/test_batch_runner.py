"""What the leader does with batches: all of them, fairly, each item to its end."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from grok2api.clock import SystemClock
from grok2api.config.schema import Settings
from grok2api.domain.batch import Batch, BatchKind, BatchState
from grok2api.domain.ids import AccountId
from grok2api.errors import NotFoundError
from grok2api.services.batch_runner import BatchItem, BatchRunner
from grok2api.services.batches import Batches
from grok2api.services.operator import build_operator
from grok2api.store.accounts import AccountStore
from grok2api.store.batches import BatchStore
from grok2api.store.cipher import SecretCipher
from grok2api.store.connection import RedisClient
from grok2api.store.leader import Elected, LeaderStore
from tests.conftest import AccountMaker

pytestmark = pytest.mark.timeout(60)

Do = Callable[[AccountId], Awaitable[None]]


async def do_nothing(account_id: AccountId) -> None:
    pass


@dataclass
class Bench:
    """Batches, and runners on the same store whose handler is the test's."""

    redis: RedisClient
    batches: Batches
    done: list[AccountId] = field(default_factory=list)
    now_ms: int = 1_800_000_000_000

    async def elect(self, owner: str) -> int:
        reply = await LeaderStore(self.redis, now_ms=self.now_ms).campaign(owner, ttl_s=10)
        self.now_ms += 10_000
        assert isinstance(reply, Elected)
        return reply.epoch

    def runner(self, do: Do = do_nothing, *, concurrency: int = 4) -> BatchRunner:
        async def handle(item: BatchItem) -> None:
            await do(item.account_id)
            self.done.append(item.account_id)

        handlers = {BatchKind.DELETE: handle}
        return BatchRunner(BatchStore(self.redis), handlers, concurrency=concurrency)

    async def create(self, count: int, prefix: str = "a", kind: str = "delete") -> Batch:
        ids = [AccountId(f"{prefix}{number}") for number in range(count)]
        return await self.batches.create(kind, {}, ids, created_by="test")

    async def numbers(self, batch: Batch) -> tuple[BatchState, int, int, int]:
        now = await self.batches.get(batch.id)
        return now.state, now.ok, now.fail, now.skipped


@pytest.fixture
def bench(redis: RedisClient) -> Bench:
    return Bench(redis, Batches(BatchStore(redis), list(BatchKind), keep_s=60))


@asynccontextmanager
async def running(work: Awaitable[bool]) -> AsyncIterator["asyncio.Future[bool]"]:
    """Run a shift beside the test; it is cancelled at the end of the block."""
    task = asyncio.ensure_future(work)  # noqa: TID251 -- ended below
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait((task,))


async def test_every_item_is_done_once_and_counted(bench: Bench) -> None:
    batch = await bench.create(1234)

    assert await bench.runner(concurrency=50).run(await bench.elect("a"))

    assert set(Counter(bench.done).values()) == {1}
    assert await bench.numbers(batch) == (BatchState.DONE, 1234, 0, 0)


async def test_failures_are_listed_in_words_that_may_be_shown(bench: Bench) -> None:
    batch = await bench.create(6)

    async def do(account_id: AccountId) -> None:
        match account_id:
            case "a1":
                raise NotFoundError("There is no\nsuch account.")
            case "a2":
                raise RuntimeError("cookie: secret")
            case "a3":
                raise asyncio.CancelledError
            case "a4":
                raise TimeoutError
            case _:
                pass

    assert await bench.runner(do).run(await bench.elect("a"))

    assert await bench.numbers(batch) == (BatchState.DONE, 2, 4, 0)
    failures = (await bench.batches.failures(batch.id)).failures
    assert {failure.account_id: failure.reason for failure in failures} == {
        "a1": "not_found: There is no such account.",
        "a2": "internal: internal error",
        "a3": "internal: it was cancelled",
        "a4": "timeout: it took too long",
    }


async def test_kind_that_this_version_does_not_know_fails_in_words(bench: Bench) -> None:
    batch = await bench.create(3, kind="refresh")

    assert await bench.runner().run(await bench.elect("a"))

    assert await bench.numbers(batch) == (BatchState.DONE, 0, 3, 0)


async def test_no_more_than_the_setting_are_done_side_by_side(bench: Bench) -> None:
    await bench.create(40)
    await bench.create(40, prefix="b")
    inside, most = 0, 0

    async def do(account_id: AccountId) -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0.001)
        inside -= 1

    await bench.runner(do, concurrency=7).run(await bench.elect("a"))

    assert len(bench.done) == 80
    assert 6 <= most <= 7


async def test_small_batch_does_not_wait_for_a_large_one(bench: Bench) -> None:
    large = await bench.create(500)

    async def do(account_id: AccountId) -> None:
        await asyncio.sleep(0.001)
        if len(bench.done) == 20:
            await bench.create(10, prefix="small")

    await bench.runner(do, concurrency=10).run(await bench.elect("a"))

    last = max(place for place, name in enumerate(bench.done) if name.startswith("small"))
    assert len(bench.done) >= 510
    assert last < 250
    assert (await bench.numbers(large))[0] is BatchState.DONE


async def test_batch_that_starts_while_others_hang_is_begun(bench: Bench) -> None:
    await bench.create(2)
    is_begun = asyncio.Event()

    async def do(account_id: AccountId) -> None:
        if account_id.startswith("late"):
            is_begun.set()
        else:
            await asyncio.Event().wait()

    async with running(bench.runner(do).run(await bench.elect("a"))):
        await bench.create(1, prefix="late")
        await is_begun.wait()


async def test_cancelled_batch_ends_what_it_began_and_begins_nothing_more(bench: Bench) -> None:
    batch = await bench.create(100)
    began, go_on = Counter[AccountId](), asyncio.Event()
    four = asyncio.Event()

    async def do(account_id: AccountId) -> None:
        began[account_id] += 1
        if len(began) == 4:
            four.set()
        await go_on.wait()

    async with running(bench.runner(do).run(await bench.elect("a"))) as shift:
        await four.wait()
        assert (await bench.batches.cancel(batch.id)).state is BatchState.CANCELLING
        go_on.set()
        assert await shift

    assert await bench.numbers(batch) == (BatchState.CANCELLED, 4, 0, 96)
    assert len(began) == 4


async def test_run_that_is_stopped_leaves_its_items_to_the_next_at_once(bench: Bench) -> None:
    batch = await bench.create(100)
    ten, epoch = asyncio.Event(), await bench.elect("a")

    async def do(account_id: AccountId) -> None:
        if len(bench.done) >= 10:
            ten.set()
            await asyncio.Event().wait()

    async with running(bench.runner(do).run(epoch)):
        await ten.wait()
    assert await bench.runner().run(epoch)

    assert await bench.numbers(batch) == (BatchState.DONE, 100, 0, 0)
    assert set(bench.done) == {f"a{number}" for number in range(100)}


async def test_leader_that_was_replaced_stops_and_counts_nothing(bench: Bench) -> None:
    batch = await bench.create(10)
    is_begun, go_on = asyncio.Event(), asyncio.Event()

    async def do(account_id: AccountId) -> None:
        is_begun.set()
        await go_on.wait()

    async with running(bench.runner(do).run(await bench.elect("a"))) as shift:
        await is_begun.wait()
        second = await bench.elect("b")
        go_on.set()
        assert not await shift

    assert await bench.numbers(batch) == (BatchState.RUNNING, 0, 0, 0)
    assert await bench.runner().run(second)
    assert await bench.numbers(batch) == (BatchState.DONE, 10, 0, 0)


async def test_cancelled_batch_of_a_dead_process_is_ended_by_the_next(bench: Bench) -> None:
    batch = await bench.create(10)
    store = BatchStore(bench.redis)
    await store.take(batch.id, "dead", limit=3, ttl_s=240, epoch=await bench.elect("a"))
    await bench.batches.cancel(batch.id)

    assert await bench.runner().run(await bench.elect("b"))

    assert await bench.numbers(batch) == (BatchState.CANCELLED, 0, 0, 10)


async def test_accounts_are_disabled_restored_and_deleted(
    bench: Bench, account_store: AccountStore, accounts: AccountMaker, cipher: SecretCipher
) -> None:
    await accounts.save("a0", "a1", "b")
    runner = build_operator(bench.redis, cipher, {}, Settings(), SystemClock()).batch_runner
    epoch = await bench.elect("a")
    seen = []

    made = []
    for kind in ("disable", "restore", "delete", "disable"):
        made.append(await bench.create(2, kind=kind))
        await runner.run(epoch)
        page = await account_store.list()
        seen.append({account.id: account.status.value for account in page.accounts})

    assert seen[0] == {"a0": "disabled", "a1": "disabled", "b": "active"}
    assert seen[1] == {"a0": "active", "a1": "active", "b": "active"}
    assert seen[2] == seen[3] == {"a0": "deleted", "a1": "deleted", "b": "active"}
    assert await bench.numbers(made[-1]) == (BatchState.DONE, 0, 2, 0)
