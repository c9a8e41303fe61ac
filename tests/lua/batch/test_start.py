from grok2api.domain.ids import BatchId
from grok2api.store import keys
from grok2api.store.batch_replies import Empty, NotOpen, Started, Unknown
from tests.lua.batch.conftest import ONE
from tests.lua.conftest import NOW_MS


async def test_started_batch_waits_for_workers_for_ever(batches, redis, view):
    await batches.open(ONE, "a")

    assert await batches.store.start(ONE) == Started()

    assert await batches.numbers() == ("running", 1, 0, 0, 0)
    assert await batches.store.working() == (ONE,)
    assert await view.members(keys.batch_open()) == []
    for key in (keys.batch_facts(ONE), keys.batch_pending(ONE)):
        assert await redis.execute_command("PTTL", key) == -1


async def test_batch_without_items_does_not_start(batches):
    await batches.open(ONE)

    assert await batches.store.start(ONE) == Empty()

    assert await batches.numbers() == ("open", 0, 0, 0, 0)
    assert await batches.store.working() == ()


async def test_start_is_once(batches):
    await batches.start(ONE, "a")
    batches.store.now_ms += 5000

    assert await batches.store.start(ONE) == Started()

    batch = await batches.store.find(ONE)
    assert batch.started_at_s == NOW_MS / 1000


async def test_batch_that_was_cancelled_does_not_start(batches):
    await batches.open(ONE, "a")
    await batches.store.cancel(ONE)

    assert await batches.store.start(ONE) == NotOpen()
    assert await batches.store.start(BatchId("bat_9")) == Unknown()
    assert await batches.store.working() == ()
