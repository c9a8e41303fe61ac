"""login/begin: few guesses from an address and from all of them, however many come at once."""

import asyncio
import multiprocessing

import pytest

from grok2api.store import keys, limit_keys
from grok2api.store.connection import RedisClient, open_redis
from grok2api.store.logins import Allowed, Locked, LoginStore
from tests.lua.conftest import NOW_MS, KeyView

SPAWN = multiprocessing.get_context("spawn")
MINUTE_MS, DAY_MS = 60_000, 86_400_000


@pytest.fixture
async def logins(redis: RedisClient) -> LoginStore:
    await redis.execute_command("HSET", keys.setup_claims(), "admin_password", "hash")
    return LoginStore(redis, now_ms=NOW_MS)


async def fail(logins: LoginStore, address: str = "a") -> int:
    """Guess until the address is locked; tell how often that was possible."""
    count = 0
    while isinstance(await logins.begin(address), Allowed):
        count += 1
    return count


async def test_check_is_against_the_stored_hash(logins: LoginStore) -> None:
    assert await logins.begin("a") == Allowed(b"hash", 0)


async def test_before_the_first_start_there_is_no_hash(redis: RedisClient) -> None:
    assert await LoginStore(redis).begin("a") == Allowed(b"", 0)


async def test_fifth_failure_locks_and_every_further_one_twice_as_long(logins: LoginStore) -> None:
    replies = [await logins.begin("a") for _ in range(5)]
    locks = [reply.lock_ms for reply in replies if isinstance(reply, Allowed)]
    for _ in range(8):
        logins.now_ms += locks[-1] - 1
        assert await logins.begin("a") == Locked(1)
        logins.now_ms += 1
        reply = await logins.begin("a")
        assert isinstance(reply, Allowed)
        locks.append(reply.lock_ms)

    minutes = [lock // MINUTE_MS for lock in locks]
    assert minutes == [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60]


async def test_locked_address_learns_how_long_and_loses_nothing_by_asking(
    logins: LoginStore, view: KeyView
) -> None:
    await fail(logins)
    before = await view.hash(limit_keys.login_address("a"))
    logins.now_ms += 20_000

    assert await logins.begin("a") == Locked(40_000)
    assert await logins.begin("a", is_check=False) == Locked(40_000)
    assert await view.hash(limit_keys.login_address("a")) == before


async def test_looking_at_the_lock_counts_nothing(logins: LoginStore) -> None:
    for _ in range(40):
        assert await logins.begin("a", is_check=False) == Allowed(b"hash", 0)

    assert await fail(logins) == 5


async def test_another_address_is_not_locked(logins: LoginStore) -> None:
    await fail(logins)

    assert await logins.begin("b") == Allowed(b"hash", 0)


async def test_right_password_forgets_failures_and_lock(logins: LoginStore) -> None:
    await fail(logins)

    await logins.succeed("a")

    assert await logins.begin("a") == Allowed(b"hash", 0)


async def test_known_address_may_fail_more_often_for_a_day(logins: LoginStore) -> None:
    await logins.succeed("a")
    logins.now_ms += DAY_MS - 1
    known = await fail(logins)
    await logins.succeed("b")
    logins.now_ms += DAY_MS

    assert (known, await fail(logins, "b")) == (20, 5)


async def test_strangers_share_one_bucket_and_known_addresses_need_none(
    logins: LoginStore,
) -> None:
    await logins.succeed("known")
    replies = [await logins.begin(f"a{n}") for n in range(30)]

    assert {type(reply) for reply in replies} == {Allowed}
    assert await logins.begin("stranger") == Locked(6_000)
    assert await logins.begin("known") == Allowed(b"hash", 0)
    logins.now_ms += 6_000
    assert await logins.begin("stranger") == Allowed(b"hash", 0)
    assert await logins.begin("another") == Locked(6_000)


async def test_refused_strangers_leave_nothing_in_the_store(
    logins: LoginStore, redis: RedisClient
) -> None:
    for number in range(100):
        await logins.begin(f"a{number}")

    kept = await redis.execute_command("KEYS", limit_keys.login_address("*"))
    assert len(kept) == 30


async def test_address_is_forgotten_after_a_day(logins: LoginStore, redis: RedisClient) -> None:
    await logins.begin("a")

    assert (
        DAY_MS - 60_000
        < await redis.execute_command("PTTL", limit_keys.login_address("a"))
        <= DAY_MS
    )


def guess_many(url: str, tries: int, got: "multiprocessing.Queue[int]") -> None:
    """Guess in a process of its own; tell how many guesses were allowed."""

    async def main() -> int:
        async with open_redis(url, pool_size=20) as redis:
            logins = LoginStore(redis, now_ms=NOW_MS)
            asked = (logins.begin("a") for _ in range(tries))
            return sum(isinstance(reply, Allowed) for reply in await asyncio.gather(*asked))

    got.put(asyncio.run(main()))


async def test_racing_processes_get_no_more_guesses_than_one_would(redis_url: str) -> None:
    queue: multiprocessing.Queue[int] = SPAWN.Queue()
    processes = [SPAWN.Process(target=guess_many, args=(redis_url, 40, queue)) for _ in range(3)]

    for process in processes:
        process.start()
    got = [await asyncio.to_thread(queue.get, timeout=60) for _ in processes]
    for process in processes:
        await asyncio.to_thread(process.join)

    assert sum(got) == 5
