import pytest

from grok2api.domain.batch import BatchKind, BatchParams
from grok2api.domain.ids import AccountId, BatchId
from grok2api.store import keys
from grok2api.store.batch_replies import Over, StaleEpoch
from grok2api.store.batches import Claimed
from tests.lua.batch.conftest import ONE
from tests.lua.conftest import NOW_MS


async def test_taken_items_are_claimed_and_not_given_again(batches, view):
    await batches.start(ONE, "a", "b", "c")

    first = await batches.take(limit=2)
    second = await batches.take(limit=2)

    assert sorted(first + second) == ["a", "b", "c"]
    assert (len(first), len(second)) == (2, 1)
    assert await batches.take() == []
    assert set((await view.scores(keys.batch_claimed(ONE))).values()) == {NOW_MS + 60_000}


async def test_claim_says_what_to_do(batches):
    params = BatchParams(tags=("x",))
    await batches.store.create(ONE, BatchKind.TAG, params, created_by="", keep_s=60)
    await batches.store.add(ONE, ["a"])
    await batches.store.start(ONE)

    reply = await batches.store.take(ONE, "me", limit=1, ttl_s=60, epoch=batches.epoch)

    assert reply == Claimed(BatchKind.TAG, params, (AccountId("a"),))


async def test_claims_that_ran_out_come_first(batches):
    await batches.start(ONE, "a", "b", "c", "d")
    lost = await batches.take(limit=2)
    batches.store.now_ms += 59_999
    kept = await batches.take(limit=1)
    batches.store.now_ms += 1

    assert await batches.take(limit=2) == lost
    assert sorted(lost + kept + await batches.take()) == ["a", "b", "c", "d"]


async def test_new_claimer_gets_what_the_last_one_had(batches):
    await batches.start(ONE, "a", "b", "c")
    await batches.take(limit=2)

    assert await batches.take(claimer="another") == ["a", "b", "c"]
    assert await batches.take(claimer="another") == []


async def test_thousand_items_are_claimed_at_most(batches):
    await batches.open(ONE)
    for start in (0, 1000):
        await batches.store.add(ONE, [f"acc_{n}" for n in range(start, start + 1000)])
    await batches.store.start(ONE)

    assert len(await batches.take(limit=700)) == 700
    assert len(await batches.take(limit=700)) == 300
    assert await batches.take(limit=700) == []
    batches.store.now_ms += 60_000
    assert len(await batches.take(limit=1000)) == 1000


async def test_batches_do_not_share_items(batches):
    two = BatchId("bat_2")
    await batches.start(ONE, "a")
    await batches.start(two, "a", "b")

    assert await batches.take() == ["a"]
    assert await batches.take(two) == ["a", "b"]


@pytest.mark.parametrize("step", ["open", "cancelled", "unknown"])
async def test_nothing_is_given_of_a_batch_that_does_not_run(batches, step):
    if step != "unknown":
        await batches.open(ONE, "a")
    if step == "cancelled":
        await batches.store.cancel(ONE)

    reply = await batches.store.take(ONE, "me", limit=1, ttl_s=60, epoch=batches.epoch)

    assert reply == Over()


async def test_leader_that_has_been_replaced_gets_nothing(batches, view):
    await batches.start(ONE, "a", "b")
    old = batches.epoch
    await batches.elect("second")

    assert await batches.store.take(ONE, "old", limit=1, ttl_s=60, epoch=old) == StaleEpoch()

    assert await view.members(keys.batch_claimed(ONE)) == []
    assert await batches.take() == ["a", "b"]


async def test_claims_of_a_cancelled_batch_that_ended_are_skipped(batches):
    await batches.start(ONE, "a", "b", "c")
    await batches.take(limit=2)
    await batches.store.cancel(ONE)
    assert await batches.take() == []
    assert await batches.numbers() == ("cancelling", 3, 0, 0, 1)

    batches.store.now_ms += 60_000
    reply = await batches.store.take(ONE, "me", limit=10, ttl_s=60, epoch=batches.epoch)

    assert reply == Over()
    assert await batches.numbers() == ("cancelled", 3, 0, 0, 3)
    assert await batches.store.working() == ()
