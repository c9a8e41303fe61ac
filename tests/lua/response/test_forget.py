from grok2api.store import keys
from tests.lua.response.conftest import MINE, ONE, THEIRS, TWO, events


async def test_nothing_of_a_forgotten_response_is_left(responses, redis):
    await responses.start()
    await responses.append(events(0, 1))

    assert await responses.store.forget(MINE, ONE)

    assert await responses.find() is None
    assert await responses.told() == []
    assert not await responses.append(events(2, 3))
    assert await redis.execute_command("HLEN", keys.response_contents(MINE)) == 0
    assert await redis.execute_command("HGET", keys.response_facts(MINE), "bytes") == b"0"


async def test_others_stay(responses):
    await responses.save(ONE, TWO)

    await responses.store.forget(MINE, ONE)

    assert await responses.states() == {TWO: "completed"}


async def test_what_is_not_there_cannot_be_forgotten(responses):
    await responses.save(ONE)

    assert not await responses.store.forget(THEIRS, ONE)
    assert not await responses.store.forget(MINE, TWO)
    assert await responses.states() == {ONE: "completed"}
