from grok2api.domain.ids import BatchId
from tests.lua.batch.conftest import ONE


async def batch_keys(redis):
    return await redis.execute_command("KEYS", "*batch*")


async def test_nothing_is_left_of_a_batch_that_ended(batches, redis):
    await batches.start(ONE, "a", "b")
    await batches.take()
    await batches.keep("b")
    await batches.finish("a", why="no")
    await batches.finish("b")

    assert await batches.store.forget(ONE)

    assert await batch_keys(redis) == []


async def test_nothing_is_left_of_a_batch_that_never_started(batches, redis):
    await batches.open(ONE, "a", "b")

    assert await batches.store.forget(ONE)

    assert await batch_keys(redis) == []


async def test_batch_that_there_is_work_for_is_not_forgotten(batches):
    await batches.start(ONE, "a", "b")
    assert not await batches.store.forget(ONE)
    await batches.take(limit=1)
    await batches.store.cancel(ONE)

    assert not await batches.store.forget(ONE)

    assert await batches.numbers() == ("cancelling", 2, 0, 0, 1)


async def test_others_stay(batches):
    await batches.open(ONE)
    await batches.open(BatchId("bat_2"))

    assert await batches.store.forget(ONE)
    assert await batches.store.forget(ONE)

    assert [batch.id for batch in (await batches.store.list()).batches] == ["bat_2"]
