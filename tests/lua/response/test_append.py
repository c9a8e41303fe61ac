from grok2api.store import keys
from tests.lua.response.conftest import LEASE_S, MINE, ONE, TWO, events


async def test_events_are_told_in_order(responses):
    await responses.start()

    assert await responses.append(events(0, 1))
    assert await responses.append(events(2, 7))

    assert await responses.told() == [events(0, 1), events(2, 7)]
    position, first = await responses.store.read_events(MINE, ONE, "")
    assert (await responses.store.read_events(MINE, ONE, position))[1] == []
    assert len(first) == 2


async def test_sign_of_life_alone_renews_the_lease(responses):
    await responses.start()
    for _ in range(3):
        responses.wait(LEASE_S - 0.1)
        assert await responses.append(None)

    assert await responses.states() == {ONE: "in_progress"}
    assert await responses.told() == []


async def test_one_that_is_no_longer_wanted_tells_nothing(responses):
    await responses.start()
    await responses.store.cancel(MINE, ONE)
    await responses.save(TWO)

    for name in (ONE, TWO, "resp_9"):
        assert not await responses.append(events(0, 1), name)
        assert await responses.told(name) == []


async def test_events_end_with_their_response(responses, redis):
    await responses.start()
    await responses.append(events(0, 1))

    ends = await redis.execute_command("PEXPIRETIME", keys.response_events(MINE, ONE))
    assert ends == responses.store.now_ms + 60_000


async def test_events_are_sealed(responses, redis):
    await responses.start()
    await responses.append(events(0, 1))

    stored = await redis.execute_command("XRANGE", keys.response_events(MINE, ONE), "-", "+")

    assert b"0-1" not in b"".join(stored[0][1])
