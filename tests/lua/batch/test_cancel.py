from grok2api.domain.batch import BatchState
from grok2api.domain.ids import BatchId
from grok2api.store import keys
from grok2api.store.batch_replies import Finished
from tests.lua.batch.conftest import KEEP_S, ONE


async def test_what_nobody_works_on_is_skipped_and_what_is_claimed_may_finish(batches):
    await batches.start(ONE, "a", "b", "c", "d")
    taken = await batches.take(limit=2)

    assert await batches.store.cancel(ONE) == BatchState.CANCELLING

    assert await batches.numbers() == ("cancelling", 4, 0, 0, 2)
    assert await batches.finish(taken[0]) == Finished(1)
    assert await batches.finish(taken[1], why="no") == Finished(1)
    assert await batches.numbers() == ("cancelled", 4, 1, 1, 2)


async def test_batch_that_nobody_works_on_ends_at_once(batches, redis):
    await batches.start(ONE, "a", "b")

    assert await batches.store.cancel(ONE) == BatchState.CANCELLED

    assert await batches.numbers() == ("cancelled", 2, 0, 0, 2)
    assert await batches.store.working() == ()
    assert 0 < await redis.execute_command("PTTL", keys.batch_facts(ONE)) <= KEEP_S * 1000


async def test_open_batch_is_cancelled_with_all_it_has(batches, view):
    await batches.open(ONE, "a")

    assert await batches.store.cancel(ONE) == BatchState.CANCELLED

    assert await batches.numbers() == ("cancelled", 1, 0, 0, 1)
    assert await view.members(keys.batch_open()) == []
    assert await view.members(keys.batch_finished()) == ["bat_1"]


async def test_second_cancel_changes_nothing(batches):
    await batches.start(ONE, "a", "b")
    await batches.take(limit=1)

    for _ in range(2):
        assert await batches.store.cancel(ONE) == BatchState.CANCELLING
    assert await batches.numbers() == ("cancelling", 2, 0, 0, 1)


async def test_batch_that_is_done_stays_done(batches):
    await batches.start(ONE, "a")
    await batches.take()
    await batches.finish("a")

    assert await batches.store.cancel(ONE) == BatchState.DONE

    assert await batches.numbers() == ("done", 1, 1, 0, 0)
    assert await batches.store.cancel(BatchId("bat_9")) is None
