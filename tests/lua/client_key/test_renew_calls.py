"""client_key/renew_calls: a call lives as long as its worker says so."""

from grok2api.domain.client_key import KeyLimits
from grok2api.domain.ids import CallId
from tests.lua.client_key.conftest import CallMaker

LIMITS = KeyLimits(concurrency=2000)


async def test_renewed_call_outlives_its_first_time(calls: CallMaker) -> None:
    call = await calls.admit(LIMITS)
    for _ in range(5):
        calls.wait(29)
        assert await calls.store.renew([call], ttl_s=30) == set()

    assert await calls.store.reap() == 0
    assert (await calls.use()).open_calls == 1


async def test_call_that_ran_out_is_not_revived(calls: CallMaker) -> None:
    late, ended = await calls.admit(LIMITS), await calls.admit(LIMITS)
    await calls.end(ended)
    calls.wait(30)
    fresh = await calls.admit(LIMITS)

    gone = await calls.store.renew([late, fresh, ended, CallId("never")], ttl_s=30)

    assert gone == {late, ended, CallId("never")}


async def test_any_number_is_renewed(calls: CallMaker) -> None:
    ids = [await calls.admit(LIMITS) for _ in range(1100)]
    calls.wait(29)

    assert await calls.store.renew(ids, ttl_s=30) == set()
    assert await calls.store.renew([], ttl_s=30) == set()

    calls.wait(29)
    assert await calls.store.reap() == 0
