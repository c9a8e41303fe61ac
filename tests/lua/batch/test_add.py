import pytest

from grok2api.domain.ids import BatchId
from grok2api.store import keys
from grok2api.store.batch_replies import Added, NotOpen, TooMany, Unknown
from tests.lua.batch.conftest import ONE


async def test_item_given_twice_counts_once(batches):
    await batches.open(ONE)

    assert await batches.store.add(ONE, ["a", "b", "a"]) == Added(2)
    assert await batches.store.add(ONE, ["b", "c"]) == Added(3)

    assert await batches.numbers() == ("open", 3, 0, 0, 0)


async def test_items_beyond_the_most_are_refused_whole(batches):
    await batches.open(ONE, "a", "b")

    assert await batches.store.add(ONE, ["c", "d"], max_items=3) == TooMany()

    assert await batches.numbers() == ("open", 2, 0, 0, 0)
    assert await batches.store.add(ONE, ["c"], max_items=3) == Added(3)


async def test_thousand_items_fit_into_one_call(batches):
    await batches.open(ONE)

    assert await batches.store.add(ONE, [f"acc_{n}" for n in range(1000)]) == Added(1000)
    with pytest.raises(ValueError, match="bounds"):
        await batches.store.add(ONE, ["a"] * 1001)


async def test_batch_that_runs_or_has_ended_takes_no_more(batches):
    await batches.start(ONE, "a")

    assert await batches.store.add(ONE, ["b"]) == NotOpen()
    await batches.store.cancel(ONE)
    assert await batches.store.add(ONE, ["b"]) == NotOpen()
    assert await batches.numbers() == ("cancelled", 1, 0, 0, 1)


async def test_unknown_batch_leaves_nothing_behind(batches, redis):
    assert await batches.store.add(BatchId("bat_9"), ["a"]) == Unknown()

    assert await redis.execute_command("KEYS", "*batch*") == []


async def test_every_item_gives_an_open_batch_more_time(batches, redis, view):
    await batches.open(ONE, "a")
    before = (await view.scores(keys.batch_open()))["bat_1"]
    batches.store.now_ms += 1000

    await batches.store.add(ONE, ["b"])

    assert (await view.scores(keys.batch_open()))["bat_1"] == before + 1000
    assert 0 < await redis.execute_command("PTTL", keys.batch_pending(ONE)) <= 600_000
