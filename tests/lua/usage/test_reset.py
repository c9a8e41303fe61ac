from grok2api.domain.statistics import MAX_DAYS, Dimension
from grok2api.store.usage import UsageLimits, UsageStore
from tests.lua.usage.conftest import HOUR_MS, ONE, UsageBench, request


async def test_no_sum_is_left_and_the_log_stays(usage):
    await usage.settle(request("a"))
    usage.wait(HOUR_MS)
    await usage.settle(request("b"))

    assert await usage.store.reset() == 12

    hours = [await usage.store.of_hour(d, 500_000 - n) for d in Dimension for n in range(2)]
    assert not any(hours)
    assert [await usage.day(d) for d in Dimension] == [{}] * 4
    assert await usage.logged() == ["a", "b"]


async def test_what_ends_afterwards_counts_anew(usage):
    await usage.settle(request("a"))
    await usage.store.reset()
    await usage.settle(request("b"))

    assert await usage.hour(Dimension.MODEL) == {"grok-4": ONE}
    assert await usage.store.reset() == 8
    assert await usage.store.reset() == 0


async def test_sums_go_that_were_kept_when_more_was_kept(redis):
    bench = UsageBench(redis, UsageLimits(daily_retention_d=MAX_DAYS))
    await bench.settle(request("a"))
    later = UsageStore(redis, UsageLimits(), now_ms=bench.store.now_ms + 700 * 24 * HOUR_MS)

    assert await later.reset() == 4
