"""Many clients and processes at once, some killed: nothing is lent twice, all comes back."""

import asyncio
import multiprocessing
import random
import secrets
import signal
from collections import Counter
from collections.abc import Iterator
from multiprocessing.context import SpawnProcess

import pytest

from grok2api.domain.account import Lease, Mode, Outcome, Status
from grok2api.domain.ids import LeaseId
from grok2api.domain.quota import DAY_S, Source, Window
from grok2api.domain.selection import SelectionPolicy, Wish
from grok2api.services.cleanup import end_if_cancelled
from grok2api.store import keys
from grok2api.store.account_timers import AccountTimers
from grok2api.store.accounts import AccountStore, Release
from grok2api.store.cipher import SecretCipher
from grok2api.store.connection import open_redis
from tests.conftest import BASIC, AccountMaker
from tests.lua.conftest import KeyView

CIPHER_KEYS = [b"k" * 32]
LIMIT = 3
BUCKET = 60
SPAWN = multiprocessing.get_context("spawn")
POLICY = SelectionPolicy(max_concurrency=8, lease_ttl_s=1.0, wait_s=0.2)


def acquire_many(url: str, tries: int, got: "multiprocessing.Queue[list[str]]") -> None:
    """Acquire in a process of its own; tell the accounts of the leases that it got."""

    async def main() -> list[str]:
        async with open_redis(url, pool_size=tries) as redis:
            accounts = AccountMaker(AccountStore(redis, SecretCipher(CIPHER_KEYS)))
            asked = (accounts.ask(secrets.token_hex(8), limit=LIMIT) for _ in range(tries))
            replies = await asyncio.gather(*asked)
        return [reply.account_id for reply in replies if isinstance(reply, Lease)]

    got.put(asyncio.run(main()))


def hammer(url: str, seed: int) -> None:
    """Lease and release for ever, as clients that succeed, fail, leave and vanish would."""
    chance = random.Random(seed)  # noqa: S311 - no secret

    async def one(store: AccountStore) -> None:
        while True:
            wish = Wish(
                pools=(BASIC,),
                modes=(Mode.FAST,),
                units=chance.choice((1, 4)),
                key=chance.choice("xyz"),
            )
            lease_id = LeaseId(secrets.token_hex(8))
            reply = await store.acquire(wish, POLICY, lease_id)
            await asyncio.sleep(chance.random() * 0.01)
            if not isinstance(reply, Lease):
                reply = await store.acquire(wish, POLICY, lease_id)
            if not isinstance(reply, Lease):
                await store.leave_line(lease_id)
            elif chance.random() < 0.95:  # else it leaves without a word
                outcome = chance.choice((Outcome.OK, *[Outcome.FAILED] * 18, Outcome.CANCELLED))
                await store.release(reply, Release(outcome=outcome, is_used=outcome is Outcome.OK))

    async def main() -> None:
        async with open_redis(url, pool_size=8) as redis:
            store = AccountStore(redis, SecretCipher(CIPHER_KEYS))
            await asyncio.gather(*(one(store) for _ in range(6)))

    asyncio.run(main())


async def check_for_ever(view: KeyView, checks: list[int]) -> None:
    """Assert at every instant that can be seen that the bucket is never overdrawn."""
    while True:
        window = (await view.record("a"))["windows"]["fast"]
        assert window["left"] >= 0
        assert window["left"] + window.get("held", 0) <= BUCKET
        settled = (await view.counts()).get("settled", 0)
        assert settled <= BUCKET
        checks.append(settled)
        await asyncio.sleep(random.random() * 0.005)  # noqa: S311 - no secret
        end_if_cancelled()


class Workers:
    """Processes that hammer until they are killed."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._running: list[SpawnProcess] = []

    def start(self, seed: int) -> None:
        self._running.append(SPAWN.Process(target=hammer, args=(self._url, seed), daemon=True))
        self._running[-1].start()

    def kill_first(self) -> None:
        victim = self._running.pop(0)
        victim.kill()
        victim.join()
        assert victim.exitcode == -signal.SIGKILL  # it did not end by itself

    def kill_all(self) -> None:
        while self._running:
            self.kill_first()


@pytest.fixture
def workers(redis_url: str) -> Iterator[Workers]:
    workers = Workers(redis_url)
    yield workers
    workers.kill_all()


async def test_fifty_clients_of_one_process_share_out_every_slot_once(
    accounts: AccountMaker, redis_url: str
) -> None:
    await accounts.save("a", "b", "c", "d", "e")

    async with open_redis(redis_url, pool_size=50) as redis:
        asking = AccountMaker(AccountStore(redis, SecretCipher(CIPHER_KEYS)))
        replies = await asyncio.gather(*(asking.ask(f"l{n}", limit=LIMIT) for n in range(50)))

    got = Counter(reply.account_id for reply in replies if isinstance(reply, Lease))
    assert got == dict.fromkeys("abcde", LIMIT)


async def test_three_processes_share_out_every_slot_once(
    accounts: AccountMaker, redis_url: str
) -> None:
    names = [f"a{n}" for n in range(20)]
    await accounts.save(*names)
    queue: multiprocessing.Queue[list[str]] = SPAWN.Queue()
    processes = [SPAWN.Process(target=acquire_many, args=(redis_url, 40, queue)) for _ in range(3)]

    for process in processes:
        process.start()
    got = [await asyncio.to_thread(queue.get, timeout=60) for _ in processes]
    for process in processes:
        await asyncio.to_thread(process.join)

    assert Counter(name for part in got for name in part) == dict.fromkeys(names, LIMIT)


@pytest.mark.timeout(120)
async def test_one_bucket_is_never_overdrawn_though_workers_are_killed(
    accounts: AccountMaker, workers: Workers, view: KeyView
) -> None:
    bucket = {Mode.FAST: Window(BUCKET, BUCKET, DAY_S, Source.REAL)}
    await accounts.save("a", windows=bucket)
    checks: list[int] = []

    async with asyncio.TaskGroup() as tasks:
        checker = tasks.create_task(check_for_ever(view, checks))
        for seed in range(3):
            workers.start(seed)
        for seed in range(3, 9):
            await until_counted(view, "granted", 60 * (seed - 2))
            await asyncio.to_thread(workers.kill_first)
            workers.start(seed)
        await until_counted(view, "settled", BUCKET)
        await asyncio.to_thread(workers.kill_all)
        await until_all_is_over(accounts, view)
        checker.cancel()

    counts = await view.counts()
    assert counts["granted"] == counts["settled"] + counts["refunded"]
    assert counts["granted"] > 6 * BUCKET
    assert counts["settled"] == BUCKET
    account = await accounts.look("a")
    window = account.windows[Mode.FAST]
    assert (window.remaining, window.held, account.open_leases) == (0, 0, 0)
    assert account.status is Status.EXHAUSTED
    assert len(set(checks)) > 5


async def until_counted(view: KeyView, word: str, units: int) -> None:
    """Wait for the workers to have got so far, or for the bucket to be empty."""
    counts: dict[str, int] = {}
    while counts.get(word, 0) < units and counts.get("settled", 0) < BUCKET:
        await asyncio.sleep(0.01)
        counts = await view.counts()


async def until_all_is_over(accounts: AccountMaker, view: KeyView) -> None:
    """Let the sweeper end what the dead have left behind."""
    timers = AccountTimers(accounts.store._redis)
    while await view.hash(keys.leases()) or await view.hash(keys.waiters()):
        await timers.reap()
        await asyncio.sleep(0.02)
    assert await view.members(keys.waiting()) == []
    assert set(await view.hash(keys.queues())) <= {""}
    assert [m for m in await view.members(keys.timers()) if not m.startswith("window")] == []
