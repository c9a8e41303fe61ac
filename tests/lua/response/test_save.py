import msgspec

from grok2api.domain.ids import ResponseId
from grok2api.store import keys
from tests.lua.response.conftest import LIMITS, MINE, ONE, THREE, TWO, kept


async def test_response_is_found_as_it_was_saved(responses):
    whole = kept(items=(b"a", b"b"), previous="resp_0", affinity="digest")

    assert await responses.store.save(whole, LIMITS)

    assert await responses.find() == whole


async def test_what_was_said_stands_nowhere_in_the_store(responses, redis):
    await responses.store.save(kept(body=b"secret answer", items=(b"secret question",)), LIMITS)

    stored = await redis.execute_command("HGETALL", keys.response_contents(MINE))

    assert len(stored) == 2
    assert b"secret" not in b"".join(stored) + b"".join(stored.values())


async def test_the_oldest_goes_where_there_are_too_many(responses):
    await responses.save(ONE, TWO, THREE, ResponseId("resp_4"))

    assert await responses.states() == {TWO: "completed", THREE: "completed"}


async def test_the_oldest_go_where_they_are_too_large(responses, redis):
    await responses.save(ONE, TWO)

    assert await responses.store.save(kept(THREE, body=b"x" * 3880), LIMITS)

    assert await responses.states() == {THREE: "completed"}
    assert int(await redis.execute_command("HGET", keys.response_facts(MINE), "bytes")) < 4000


async def test_what_is_larger_than_all_that_may_be_kept_is_refused(responses):
    await responses.save(ONE)

    assert not await responses.store.save(kept(TWO, body=b"x" * 5000), LIMITS)

    assert await responses.states() == {ONE: "completed"}


async def test_same_id_again_counts_once(responses, redis):
    await responses.save(ONE)
    first = await redis.execute_command("HGET", keys.response_facts(MINE), "bytes")

    await responses.save(ONE)

    assert await redis.execute_command("HGET", keys.response_facts(MINE), "bytes") == first


async def test_what_has_ended_makes_room_first(responses, redis):
    await responses.save(ONE, limits=msgspec.structs.replace(LIMITS, keep_s=1.0))
    responses.wait(2)
    await responses.save(TWO)

    assert await redis.execute_command("HLEN", keys.response_contents(MINE)) == 2


async def test_everything_of_a_key_expires(responses, redis):
    await responses.save(ONE)

    for key in (keys.response_facts, keys.response_contents, keys.response_ends):
        assert await redis.execute_command("PEXPIRETIME", key(MINE)) == (
            responses.store.now_ms - 1 + 60_000
        )
