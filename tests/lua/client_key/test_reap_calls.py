"""client_key/reap_calls: what dead workers had taken is given back without anybody asking."""

from grok2api.domain.admission import KeyUse, Used
from grok2api.domain.client_key import Budget, KeyLimits
from grok2api.store import keys
from tests.lua.client_key.conftest import CallMaker
from tests.lua.conftest import KeyView

LIMITS = KeyLimits(requests_per_minute=100, day=Budget(requests=100, tokens=1000, units=100))


async def test_everything_of_the_dead_is_given_back(calls: CallMaker, view: KeyView) -> None:
    for _ in range(20):
        await calls.admit(LIMITS, tokens=10, units=4)
    calls.wait(1)
    alive = await calls.admit(LIMITS, tokens=7)
    calls.wait(29)

    assert await calls.store.reap(limit=15) == 15
    assert await calls.store.reap() == 5
    assert await calls.store.reap() == 0

    one = Used(1, 7, 0)
    assert await calls.use() == KeyUse(
        open_calls=1, minute=Used(1, 7), day=one, week=one, month=one
    )
    assert await view.members(keys.client_key_call_ends()) == [alive]


async def test_call_given_back_cannot_be_settled(calls: CallMaker) -> None:
    call = await calls.admit(LIMITS, tokens=10)
    calls.wait(30)
    await calls.store.reap()

    assert not await calls.end(call, tokens=10)

    assert (await calls.use()).day == Used()
