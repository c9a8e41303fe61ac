"""Many clients and processes at once: no account over its limit, every slot comes back."""

import asyncio
import multiprocessing
import secrets
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor

import pytest

from grok2api.domain.account import Lease, Outcome
from grok2api.domain.ids import LeaseId
from grok2api.store import keys
from grok2api.store.accounts import AccountStore
from grok2api.store.cipher import SecretCipher
from grok2api.store.connection import open_redis
from tests.conftest import BASIC, AccountMaker
from tests.lua.conftest import KeyView

CIPHER_KEYS = [b"k" * 32]
LIMIT = 3


async def acquire(store: AccountStore) -> Lease | None:
    reply = await store.acquire(
        (BASIC,), LeaseId(secrets.token_hex(8)), ttl_s=60, max_concurrency=LIMIT
    )
    return reply if isinstance(reply, Lease) else None


def acquire_many(url: str, tries: int) -> list[str]:
    """Acquire in a process of its own; return the accounts of the leases that it got."""

    async def main() -> list[str]:
        async with open_redis(url, pool_size=tries) as redis:
            store = AccountStore(redis, SecretCipher(CIPHER_KEYS))
            got = await asyncio.gather(*(acquire(store) for _ in range(tries)))
        return [lease.account_id for lease in got if lease is not None]

    return asyncio.run(main())


def churn(url: str, rounds: int) -> int:
    """Acquire and release over and over in a process of its own; return how often it got one."""

    async def one(store: AccountStore) -> int:
        got = 0
        for _ in range(rounds):
            lease = await acquire(store)
            if lease is not None:
                got += 1
                await asyncio.sleep(0)
                assert await store.release(lease, Outcome.OK)
        return got

    async def main() -> int:
        async with open_redis(url, pool_size=8) as redis:
            store = AccountStore(redis, SecretCipher(CIPHER_KEYS))
            return sum(await asyncio.gather(*(one(store) for _ in range(8))))

    return asyncio.run(main())


@pytest.fixture
def processes() -> "ProcessPoolExecutor":
    return ProcessPoolExecutor(3, mp_context=multiprocessing.get_context("spawn"))


async def run_all(
    processes: ProcessPoolExecutor, calls: Sequence[tuple[object, ...]]
) -> list[object]:
    loop = asyncio.get_running_loop()
    with processes:
        return await asyncio.gather(
            *(loop.run_in_executor(processes, *call) for call in calls)  # type: ignore[arg-type]
        )


async def test_fifty_clients_of_one_process_share_out_every_slot_once(
    accounts: AccountMaker, redis_url: str
) -> None:
    await accounts.save("a", "b", "c", "d", "e")

    async with open_redis(redis_url, pool_size=60) as redis:
        store = AccountStore(redis, SecretCipher(CIPHER_KEYS))
        got = await asyncio.gather(*(acquire(store) for _ in range(60)))

    assert Counter(lease.account_id for lease in got if lease) == dict.fromkeys("abcde", LIMIT)


async def test_three_processes_share_out_every_slot_once(
    accounts: AccountMaker, redis_url: str, processes: ProcessPoolExecutor
) -> None:
    await accounts.save(*(f"a{n}" for n in range(20)))

    got = await run_all(processes, [(acquire_many, redis_url, 40)] * 3)

    taken = Counter(name for names in got for name in names)  # type: ignore[attr-defined]
    assert taken == {f"a{n}": LIMIT for n in range(20)}


async def test_after_a_churn_nothing_is_left(
    accounts: AccountMaker, redis_url: str, processes: ProcessPoolExecutor, view: KeyView
) -> None:
    await accounts.save("a", "b", "c", "d")

    got = await run_all(processes, [(churn, redis_url, 30)] * 3)

    assert sum(got) > 24  # type: ignore[arg-type]
    assert await view.hash(keys.account_leases()) == {}
    assert await view.hash(keys.account_held()) == {}
    assert await view.members(keys.timers(BASIC)) == []
    assert {score // 2**42 for score in (await view.scores(keys.ready(BASIC))).values()} == {0}
