import pytest

from grok2api.domain.ids import AccountId, BatchId
from grok2api.errors import SettingsError
from grok2api.store import keys
from grok2api.store.batch_results import FIRST
from tests.lua.batch.conftest import KEEP_S, ONE

TWO = BatchId("bat_2")


async def length(redis, batch_id=ONE):
    return await redis.execute_command("HLEN", keys.batch_results(batch_id))


async def test_result_of_a_claimed_item_is_kept_and_sealed(batches, redis):
    await batches.start(ONE, "a")
    await batches.take()

    assert await batches.keep("a", b"planted text")

    assert await batches.kept() == {"a": b"planted text"}
    raw = await redis.execute_command("HGET", keys.batch_results(ONE), "a")
    assert b"planted" not in raw


async def test_same_item_twice_counts_once_and_the_last_result_stays(batches, redis):
    await batches.start(ONE, "a")
    await batches.take()

    assert await batches.keep("a", b"first")
    assert await batches.keep("a", b"second")

    assert await length(redis) == 1
    assert await batches.kept() == {"a": b"second"}


@pytest.mark.parametrize("item", ["pending", "unknown"])
async def test_item_that_nobody_works_on_keeps_nothing(batches, redis, item):
    await batches.start(ONE, "pending")

    assert not await batches.keep(item)

    assert await length(redis) == 0


async def test_result_that_comes_after_the_report_changes_nothing(batches):
    await batches.start(ONE, "a", "b")
    await batches.take()
    await batches.keep("a", b"first")
    await batches.finish("a")

    assert not await batches.keep("a", b"late")

    assert await batches.kept() == {"a": b"first"}


async def test_leader_that_has_been_replaced_keeps_nothing(batches, redis):
    await batches.start(ONE, "a")
    await batches.take()
    old = batches.epoch
    await batches.elect("second")

    assert not await batches.results.keep(ONE, AccountId("a"), b"old", epoch=old)

    assert await length(redis) == 0


async def test_item_that_failed_after_all_leaves_no_result(batches):
    await batches.start(ONE, "a", "b")
    await batches.take()
    await batches.keep("a")
    await batches.keep("b")

    await batches.finish("a", why="timeout")
    await batches.finish("b")

    assert list(await batches.kept()) == ["b"]


async def test_item_that_is_skipped_leaves_no_result(batches):
    await batches.start(ONE, "a", "b")
    await batches.take()
    await batches.keep("a")
    await batches.keep("b")
    await batches.finish("a")
    await batches.store.cancel(ONE)

    await batches.store.take(ONE, "another", limit=9, ttl_s=60, epoch=batches.epoch)

    assert await batches.numbers() == ("cancelled", 2, 1, 0, 1)
    assert list(await batches.kept()) == ["a"]


@pytest.mark.parametrize("is_cancelled", [True, False])
async def test_results_expire_with_their_batch(batches, redis, is_cancelled):
    await batches.start(ONE, "a", "b")
    await batches.take(limit=1)
    (item,) = [item for item in "ab" if await batches.keep(item)]
    assert await redis.execute_command("PTTL", keys.batch_results(ONE)) == -1
    await batches.finish(item)

    if is_cancelled:
        await batches.store.cancel(ONE)
    else:
        await batches.finish(*await batches.take())

    life_ms = await redis.execute_command("PTTL", keys.batch_results(ONE))
    assert 0 < life_ms <= KEEP_S * 1000


async def test_result_opens_in_no_other_place(batches, redis):
    for batch_id in (ONE, TWO):
        await batches.start(batch_id, "a", "b")
        await batches.take(batch_id)
    await batches.keep("a")
    sealed = await redis.execute_command("HGET", keys.batch_results(ONE), "a")

    await redis.execute_command("HSET", keys.batch_results(TWO), "a", sealed)
    with pytest.raises(SettingsError):
        await batches.kept(TWO)

    await redis.execute_command("HSET", keys.batch_results(ONE), "b", sealed)
    with pytest.raises(SettingsError):
        await batches.kept(ONE)


async def test_many_results_come_page_by_page(batches):
    names = [f"a{number}" for number in range(1000)]
    await batches.start(ONE, *names)
    await batches.take(limit=1000)
    for name in names:
        await batches.keep(name, name.encode())

    cursor, sizes = FIRST, list[int]()
    found: dict[AccountId, bytes] = {}
    while cursor:
        page = await batches.results.page(ONE, cursor, limit=100)
        sizes.append(len(page.results))
        found |= page.results
        cursor = page.next_cursor

    assert found == {name: name.encode() for name in names}
    assert max(sizes) < 200
