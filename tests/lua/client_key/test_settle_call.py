"""client_key/settle_call: what was reserved becomes what it took, once."""

from grok2api.domain.admission import Used
from grok2api.domain.client_key import Budget, KeyLimits
from grok2api.store import keys
from tests.lua.client_key.conftest import CallMaker
from tests.lua.conftest import KeyView

LIMITS = KeyLimits(tokens_per_minute=100, day=Budget(tokens=1000))


async def test_real_numbers_take_the_place_of_the_reserved_ones(calls: CallMaker) -> None:
    call = await calls.admit(LIMITS, tokens=90, units=4)

    assert await calls.end(call, tokens=25, units=1)

    use = await calls.use()
    assert (use.open_calls, use.minute, use.day) == (0, Used(1, 25), Used(1, 25, 1))
    assert use.week == use.month == use.day
    await calls.admit(LIMITS, tokens=75)


async def test_call_ends_once(calls: CallMaker, view: KeyView) -> None:
    call = await calls.admit(LIMITS, tokens=10)
    await calls.end(call, tokens=20)

    assert not await calls.end(call, tokens=99)

    assert (await calls.use()).day == Used(1, 20)
    assert await view.members(keys.client_key_call_ends()) == []
    assert await view.hash(keys.client_key_calls()) == {}


async def test_call_given_back_leaves_no_trace_of_itself(calls: CallMaker) -> None:
    await calls.end(await calls.admit(LIMITS, tokens=5), tokens=5)
    before = await calls.use()
    call = await calls.admit(LIMITS, tokens=90, units=2)
    calls.wait(10)

    await calls.store.settle(call, Used())

    assert await calls.use() == before


async def test_what_a_call_takes_counts_when_it_was_admitted(calls: CallMaker) -> None:
    call = await calls.admit(LIMITS, tokens=10)
    calls.wait(40)
    await calls.end(call, tokens=100)

    calls.wait(20.999)
    await calls.refuse(LIMITS, tokens=1)
    calls.wait(0.001)

    await calls.admit(LIMITS, tokens=100)


async def test_call_longer_than_a_minute_does_not_escape_the_limit(calls: CallMaker) -> None:
    call = await calls.admit(LIMITS, tokens=10)
    calls.wait(25)
    await calls.store.renew([call], ttl_s=300)
    calls.wait(100)

    await calls.end(call, tokens=60)

    assert (await calls.refuse(LIMITS, tokens=51)).retry_after_s == 61.0
    assert (await calls.use()).minute == Used(0, 50)


async def test_call_counts_in_the_day_of_its_admission(calls: CallMaker) -> None:
    calls.wait(16 * 3600 - 5)
    call = await calls.admit(LIMITS, tokens=10)
    calls.wait(10)

    await calls.end(call, tokens=30)

    use = await calls.use()
    assert (use.day, use.week) == (Used(), Used(1, 30))
