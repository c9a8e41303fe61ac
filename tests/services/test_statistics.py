"""Whatever finishes when: all sums over it agree."""

import asyncio
from collections.abc import Iterable

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from grok2api.domain.ids import AccountId, ClientKeyId
from grok2api.domain.statistics import Dimension, count_request, member_of, sum_usage
from grok2api.domain.usage import FinishedRequest, UsageCount
from grok2api.services.statistics import Statistics
from grok2api.services.usage import UsageRecorder
from grok2api.store.connection import RedisClient, open_redis
from grok2api.store.usage import UsageLimits, UsageStore

pytestmark = pytest.mark.timeout(120)
HOUR_MS = 3_600_000
START_MS = 1_800_000_000_000
LIMITS = UsageLimits(hourly_retention_h=24 * 40, daily_retention_d=40)

NUMBERS = st.integers(0, 10_000_000)
REQUESTS = st.builds(
    FinishedRequest,
    id=st.sampled_from(["a", "b", "c"]),
    at_s=st.just(1.0),
    route=st.just("/v1/messages"),
    key_id=st.sampled_from([ClientKeyId(name) for name in ("", "key_a", "key_b")]),
    model=st.sampled_from(["", "grok-3", "grok-4"]),
    account=st.sampled_from([AccountId(name) for name in ("", "acc_a", "acc_b")]),
    status=st.sampled_from([200, 400, 429, 499, 503]),
    error=st.sampled_from(["", "internal"]),
    input_tokens=NUMBERS,
    output_tokens=NUMBERS,
    units=st.integers(0, 9),
    duration_ms=NUMBERS,
    first_output_ms=st.none() | NUMBERS,
)
STEPS = st.lists(
    st.tuples(
        st.sampled_from([0, 1, HOUR_MS - 1, HOUR_MS, 5 * HOUR_MS, 24 * HOUR_MS]),
        st.lists(REQUESTS, min_size=1, max_size=40),
    ),
    max_size=5,
)


def plain_sums(finished: Iterable[FinishedRequest], dimension: Dimension) -> dict[str, UsageCount]:
    members: dict[str, list[UsageCount]] = {}
    for one in finished:
        members.setdefault(member_of(one, dimension), []).append(count_request(one))
    return {member: sum_usage(counts) for member, counts in members.items()}


@given(steps=STEPS)
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_hours_days_and_dimensions_have_the_plain_sums(
    redis_url: str, steps: list[tuple[int, list[FinishedRequest]]]
) -> None:
    asyncio.run(check(redis_url, steps))


async def check(redis_url: str, steps: list[tuple[int, list[FinishedRequest]]]) -> None:
    async with open_redis(redis_url) as redis:
        await redis.execute_command("FLUSHALL")
        store = UsageStore(redis, LIMITS, now_ms=START_MS)
        at_hour: list[tuple[int, FinishedRequest]] = []
        for waited_ms, finished in steps:
            store.now_ms += waited_ms
            at_hour += [(store.now_ms // HOUR_MS, one) for one in finished]
            async with UsageRecorder(store) as one, UsageRecorder(store) as two:
                for number, request in enumerate(finished):
                    (one if number % 2 else two).record(request)
        statistics = Statistics(store, kept_hours=24 * 40, kept_days=40)
        requests = [request for _, request in at_hour]
        expected = sum_usage(map(count_request, requests))

        hours, days = await statistics.hours(24 * 6), await statistics.days(6)

        assert sum_usage(usage.count for usage in hours) == expected
        assert sum_usage(usage.count for usage in days) == expected
        for usage in hours:
            inside = [request for hour, request in at_hour if hour * 3600 == usage.at_s]
            assert usage.count == sum_usage(map(count_request, inside))
        for dimension in Dimension:
            plain = plain_sums(requests, dimension)
            assert await statistics.by_hours(dimension, 24 * 6) == plain
            assert await statistics.by_days(dimension, 6) == plain


async def test_hours_without_requests_are_there_and_the_oldest_is_first(
    redis: RedisClient,
) -> None:
    store = UsageStore(redis, LIMITS, now_ms=START_MS)
    finished = FinishedRequest(id="a", at_s=1.0, route="/", status=200)
    await store.settle([finished], recorder="w", batch=1)
    store.now_ms += 2 * HOUR_MS

    hours = await Statistics(store, kept_hours=48, kept_days=9).hours(4)

    assert [usage.count.requests for usage in hours] == [0, 1, 0, 0]
    assert hours[-1].at_s == store.now_ms // HOUR_MS * 3600


async def test_more_than_is_kept_is_not_looked_at(redis: RedisClient) -> None:
    statistics = Statistics(UsageStore(redis, LIMITS), kept_hours=3, kept_days=2)

    assert len(await statistics.hours(10**12)) == 3
    assert len(await statistics.days(10**12)) == 2


async def test_members_with_most_requests_come_first(redis: RedisClient) -> None:
    store = UsageStore(redis, LIMITS, now_ms=START_MS)
    finished = FinishedRequest(id="a", at_s=1.0, route="/", status=200)
    models = ["b", "a", "c", "c"]
    sent = [msgspec.structs.replace(finished, model=model) for model in models]
    await store.settle(sent, recorder="w", batch=1)

    found = await Statistics(store, kept_hours=3, kept_days=2).by_days(Dimension.MODEL, 1)

    assert list(found) == ["c", "a", "b"]
