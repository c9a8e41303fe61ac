from grok2api.domain.batch import Batch, BatchKind, BatchParams, BatchState
from grok2api.domain.ids import BatchId
from grok2api.store import keys
from grok2api.store.batch_replies import Busy, Created, Full
from tests.lua.batch.conftest import KEEP_S, ONE
from tests.lua.conftest import NOW_MS


async def create(batches, name, *, params=None):
    return await batches.store.create(
        BatchId(name), BatchKind.TAG, params or BatchParams(), created_by="admin", keep_s=KEEP_S
    )


async def test_open_batch_says_what_was_asked_for(batches):
    params = BatchParams(tags=("a", "b"))

    assert await create(batches, "bat_1", params=params) == Created()

    assert await batches.store.find(ONE) == Batch(
        id=ONE,
        kind=BatchKind.TAG,
        params=params,
        created_by="admin",
        state=BatchState.OPEN,
        total=0,
        ok=0,
        fail=0,
        skipped=0,
        more_failures=0,
        created_at_s=NOW_MS / 1000,
        started_at_s=0,
        ended_at_s=0,
    )


async def test_open_batch_that_nobody_fills_is_forgotten(batches, redis):
    await batches.open(ONE)

    assert 0 < await redis.execute_command("PTTL", keys.batch_facts(ONE)) <= 600_000

    batches.store.now_ms += 600_000
    await batches.open(BatchId("bat_2"))
    assert await redis.execute_command("ZRANGE", keys.batch_index(), 0, -1) == [b"bat_2"]
    assert await redis.execute_command("ZRANGE", keys.batch_open(), 0, -1) == [b"bat_2"]


async def test_same_batch_is_created_once(batches):
    await batches.open(ONE, "a")

    assert await create(batches, "bat_1") == Created()

    assert await batches.numbers() == ("open", 1, 0, 0, 0)
    assert len((await batches.store.list()).batches) == 1


async def test_newest_is_first_also_when_the_clock_goes_back(batches):
    for name in ("bat_1", "bat_2", "bat_3"):
        await create(batches, name)
        batches.store.now_ms -= 1000

    page = await batches.store.list(limit=2)
    rest = await batches.store.list(limit=2, cursor=page.next_cursor)

    assert [batch.id for batch in page.batches] == ["bat_3", "bat_2"]
    assert [batch.id for batch in rest.batches] == ["bat_1"]
    assert rest.next_cursor == ""


async def test_twenty_that_have_not_ended_are_enough(batches):
    for number in range(10):
        await batches.start(BatchId(f"bat_r{number}"), "a")
        await batches.open(BatchId(f"bat_o{number}"))

    assert await create(batches, "bat_1") == Busy()
    assert await batches.store.find(ONE) is None
    await batches.store.cancel(BatchId("bat_r1"))
    assert await create(batches, "bat_1") == Created()


async def test_hundred_are_kept_and_the_one_that_ended_first_is_named(batches):
    for number in range(100):
        await batches.start(BatchId(f"bat_{number}"), "a")
        batches.store.now_ms += 1
        await batches.store.cancel(BatchId(f"bat_{number}"))

    assert await create(batches, "bat_x") == Full("bat_0")
    assert await batches.store.forget(BatchId("bat_0"))
    assert await create(batches, "bat_x") == Created()


async def test_ended_batches_leave_the_list_when_their_time_is_over(batches, view):
    await batches.start(ONE, "a")
    await batches.store.cancel(ONE)

    batches.store.now_ms += round(KEEP_S * 1000)
    await batches.open(BatchId("bat_2"))

    assert await view.members(keys.batch_index()) == ["bat_2"]
    assert await view.members(keys.batch_finished()) == []
