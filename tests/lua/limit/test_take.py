"""limit/take: never more than the rate and the burst, at any number of workers; exact waits."""

import asyncio
import multiprocessing
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from grok2api.store import limit_keys
from grok2api.store.connection import RedisClient, open_redis
from grok2api.store.rate_limits import RateLimitStore, Refused, Taken
from tests.lua.conftest import NOW_MS

SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture
def limits(redis: RedisClient) -> RateLimitStore:
    return RateLimitStore(redis, now_ms=NOW_MS)


async def take_all(limits: RateLimitStore, **limit: int) -> int:
    """Take tokens until one is refused; tell how many there were."""
    count = 0
    while await limits.take("a", **limit) == Taken():
        count += 1
    return count


async def test_full_bucket_gives_its_burst_and_then_its_rate(limits: RateLimitStore) -> None:
    limit = {"per_minute": 60, "burst": 5}

    first = await take_all(limits, **limit)
    limits.now_ms += 3_000
    second = await take_all(limits, **limit)
    limits.now_ms += 3_600_000
    third = await take_all(limits, **limit)

    assert (first, second, third) == (5, 3, 5)


@pytest.mark.parametrize("per_minute", [1, 7, 59, 60, 1_000_000])
async def test_wait_that_is_told_is_enough_and_not_a_moment_too_long(
    limits: RateLimitStore, per_minute: int
) -> None:
    await take_all(limits, per_minute=per_minute, burst=3)
    reply = await limits.take("a", per_minute=per_minute, burst=3)
    assert isinstance(reply, Refused)

    limits.now_ms += reply.retry_after_ms - 1
    early = await limits.take("a", per_minute=per_minute, burst=3)
    limits.now_ms += 1
    late = await limits.take("a", per_minute=per_minute, burst=3)

    assert (early, late) == (Refused(1), Taken())


async def test_refused_call_takes_nothing(limits: RateLimitStore) -> None:
    assert await limits.take("a", per_minute=60, burst=5, cost=4) == Taken()
    assert await limits.take("a", per_minute=60, burst=5, cost=3) == Refused(2_000)
    assert await limits.take("a", per_minute=60, burst=5, cost=1) == Taken()


async def test_addresses_do_not_share(limits: RateLimitStore) -> None:
    await take_all(limits, per_minute=60, burst=2)

    assert await limits.take("b", per_minute=60, burst=2) == Taken()


async def test_bucket_is_forgotten_when_it_is_full(
    limits: RateLimitStore, redis: RedisClient
) -> None:
    await limits.take("a", per_minute=60, burst=5, cost=3)

    left_ms = await redis.execute_command("PTTL", limit_keys.address_bucket("a"))

    assert 2_000 < left_ms <= 3_000


@pytest.mark.parametrize("step_ms", [-3_600_000, 0])
async def test_nobody_waits_longer_than_for_an_empty_bucket(
    limits: RateLimitStore, step_ms: int
) -> None:
    await take_all(limits, per_minute=60, burst=50)
    limits.now_ms += step_ms

    assert await limits.take("a", per_minute=60, burst=2) == Refused(1_000)


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    per_minute=st.integers(1, 6_000),
    burst=st.integers(1, 20),
    calls=st.lists(st.tuples(st.integers(0, 5_000), st.integers(1, 20)), max_size=30),
)
def test_bucket_agrees_with_its_model(
    redis_url: str, per_minute: int, burst: int, calls: list[tuple[int, int]]
) -> None:
    async def run() -> None:
        each_us = -(-60_000_000 // per_minute)
        tokens, now_ms = Fraction(burst), NOW_MS
        async with open_redis(redis_url, pool_size=1) as redis:
            await redis.execute_command("DEL", limit_keys.address_bucket("a"))
            limits = RateLimitStore(redis, now_ms=now_ms)
            for pause_ms, wanted in calls:
                cost = min(wanted, burst)
                limits.now_ms += pause_ms
                tokens = min(Fraction(burst), tokens + Fraction(pause_ms * 1000, each_us))
                reply = await limits.take("a", per_minute=per_minute, burst=burst, cost=cost)
                if tokens >= cost:
                    assert reply == Taken()
                    tokens -= cost
                else:
                    assert isinstance(reply, Refused)
                    assert reply.retry_after_ms == -(-(cost - tokens) * each_us // 1000)
                    await redis.execute_command("PERSIST", limit_keys.address_bucket("a"))

    asyncio.run(run())


def take_many(url: str, tries: int, got: "multiprocessing.Queue[int]") -> None:
    """Take tokens in a process of its own; tell how many there were."""

    async def main() -> int:
        async with open_redis(url, pool_size=20) as redis:
            limits = RateLimitStore(redis, now_ms=NOW_MS)
            asked = (limits.take("a", per_minute=1, burst=50) for _ in range(tries))
            return sum(reply == Taken() for reply in await asyncio.gather(*asked))

    got.put(asyncio.run(main()))


async def test_racing_processes_get_no_more_than_one_would(redis_url: str) -> None:
    queue: multiprocessing.Queue[int] = SPAWN.Queue()
    processes = [SPAWN.Process(target=take_many, args=(redis_url, 40, queue)) for _ in range(3)]

    for process in processes:
        process.start()
    got = [await asyncio.to_thread(queue.get, timeout=60) for _ in processes]
    for process in processes:
        await asyncio.to_thread(process.join)

    assert sum(got) == 50
