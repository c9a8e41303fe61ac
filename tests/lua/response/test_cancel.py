from grok2api.domain.response import CancelResult
from tests.lua.response.conftest import LEASE_S, MINE, ONE, THEIRS, events


async def test_worker_of_a_cancelled_response_is_told_to_stop(responses):
    await responses.start()

    assert await responses.store.cancel(MINE, ONE) is CancelResult.CANCELLED

    assert not await responses.append(None)
    assert await responses.store.cancel(MINE, ONE) is CancelResult.CANCELLED


async def test_one_that_has_ended_stays_as_it_is(responses):
    await responses.start()
    await responses.finish(events(0, 1))

    assert await responses.store.cancel(MINE, ONE) is CancelResult.ENDED
    assert await responses.states() == {ONE: "completed"}


async def test_one_that_is_lost_is_not_cancelled(responses):
    await responses.start()
    responses.wait(LEASE_S)

    assert await responses.store.cancel(MINE, ONE) is CancelResult.ENDED


async def test_one_of_the_foreground_cannot_be_cancelled(responses):
    await responses.save(ONE)

    assert await responses.store.cancel(MINE, ONE) is CancelResult.FOREGROUND


async def test_one_of_another_key_is_unknown(responses):
    await responses.start()

    assert await responses.store.cancel(THEIRS, ONE) is CancelResult.UNKNOWN
    assert await responses.append(None)
