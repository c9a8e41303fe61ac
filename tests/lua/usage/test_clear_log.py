from grok2api.domain.statistics import Dimension
from grok2api.store.request_log import RequestLogStore
from tests.lua.usage.conftest import ONE, request


async def test_log_and_its_index_are_empty_and_the_sums_stay(usage):
    await usage.settle(request("a"))
    log = RequestLogStore(usage.redis)

    assert await log.clear() == 1

    assert (await usage.logged(), await usage.index()) == ([], {})
    assert await log.find("a") is None
    assert await usage.hour(Dimension.MODEL) == {"grok-4": ONE}
    assert await log.clear() == 0


async def test_what_ends_afterwards_is_logged(usage):
    await usage.settle(request("a"))
    await RequestLogStore(usage.redis).clear()
    await usage.settle(request("a"))

    assert await usage.logged() == ["a"]
    assert list(await usage.index()) == ["a"]
