from grok2api.domain.ids import AccountId, BatchId
from grok2api.store import keys
from grok2api.store.batch_replies import Finished, Over, StaleEpoch
from tests.lua.batch.conftest import KEEP_S, ONE


async def test_last_item_ends_the_batch(batches, redis):
    await batches.start(ONE, "a", "b")
    await batches.take()

    assert await batches.finish("a") == Finished(1)
    assert await batches.numbers() == ("running", 2, 1, 0, 0)
    batches.store.now_ms += 1000
    assert await batches.finish("b") == Finished(1)

    assert await batches.numbers() == ("done", 2, 2, 0, 0)
    batch = await batches.store.find(ONE)
    assert batch.ended_at_s == batches.store.now_ms / 1000
    assert await batches.store.working() == ()
    assert await redis.execute_command("EXISTS", keys.batch_pending(ONE)) == 0


async def test_failures_are_listed_with_their_reason(batches):
    await batches.start(ONE, "a", "b", "c")
    await batches.take()

    await batches.store.finish(
        ONE, {AccountId("a"): "not_found: no such account", AccountId("b"): ""}, epoch=batches.epoch
    )
    await batches.finish("c", why="timeout")

    assert await batches.numbers() == ("done", 3, 1, 2, 0)
    page = await batches.store.failures(ONE, limit=1)
    rest = await batches.store.failures(ONE, first=int(page.next_cursor), limit=1)
    listed = [(f.account_id, f.reason) for f in (*page.failures, *rest.failures)]
    assert listed == [("a", "not_found: no such account"), ("c", "timeout")]
    assert rest.next_cursor == ""


async def test_failures_beyond_the_most_are_only_counted(batches):
    await batches.start(ONE, "a", "b", "c")
    items = await batches.take()

    results = dict.fromkeys(items, "no")
    await batches.store.finish(ONE, results, epoch=batches.epoch, max_failures=2)

    batch = await batches.store.find(ONE)
    assert (batch.fail, batch.more_failures) == (3, 1)
    assert len((await batches.store.failures(ONE)).failures) == 2


async def test_item_counts_once_whoever_reports_it(batches):
    await batches.start(ONE, "a", "b")
    await batches.take(limit=2)
    assert await batches.finish("a", "a") == Finished(1)

    assert await batches.finish("a", why="no") == Finished(0)
    assert await batches.finish("unknown") == Finished(0)

    assert await batches.numbers() == ("running", 2, 1, 0, 0)


async def test_report_after_the_claim_ran_out_still_counts_once(batches):
    await batches.start(ONE, "a", "b")
    await batches.take(limit=2)
    batches.store.now_ms += 60_000
    await batches.take(limit=2)

    assert await batches.finish("a") == Finished(1)
    assert await batches.finish("a") == Finished(0)


async def test_item_that_nobody_took_is_not_counted(batches):
    await batches.start(ONE, "a")

    assert await batches.finish("a") == Finished(0)

    assert await batches.take() == ["a"]


async def test_leader_that_has_been_replaced_counts_nothing(batches):
    await batches.start(ONE, "a")
    await batches.take()
    old = batches.epoch
    await batches.elect("second")

    assert await batches.store.finish(ONE, {AccountId("a"): ""}, epoch=old) == StaleEpoch()

    assert await batches.numbers() == ("running", 1, 0, 0, 0)
    assert await batches.take(claimer="second") == ["a"]


async def test_report_on_a_batch_that_is_over_changes_nothing(batches):
    await batches.start(ONE, "a")
    await batches.take()
    await batches.finish("a")

    assert await batches.finish("a", why="no") == Over()
    assert await batches.finish("a", batch_id=BatchId("bat_9")) == Over()
    assert await batches.numbers() == ("done", 1, 1, 0, 0)


async def test_every_key_of_a_batch_that_ended_expires(batches, redis):
    await batches.start(ONE, "a", "b")
    await batches.take()
    await batches.finish("a", why="no")
    await batches.finish("b")

    left = await redis.execute_command("KEYS", "*:batch:bat_1:*")
    lives = [await redis.execute_command("PTTL", key) for key in left]
    assert sorted(left) == sorted(
        key.encode() for key in (keys.batch_facts(ONE), keys.batch_failures(ONE))
    )
    assert all(0 < life <= KEEP_S * 1000 for life in lives)
