from grok2api.store import keys
from tests.lua.response.conftest import LEASE_S, MINE, ONE, events


async def test_end_of_a_response_is_its_last_event(responses, redis):
    await responses.start()
    await responses.append(events(0, 1))

    assert await responses.finish(events(2, 3))

    assert await responses.told() == [events(0, 1), events(2, 3, is_end=True)]
    found = await responses.find()
    assert (found.state, found.body, found.is_background) == ("completed", b"whole", True)
    ends = await redis.execute_command("PEXPIRETIME", keys.response_events(MINE, ONE))
    assert ends == responses.store.now_ms + 10_000


async def test_it_ends_once(responses):
    await responses.start()
    await responses.finish(events(0, 1))

    assert not await responses.finish(events(2, 3))

    assert len(await responses.told()) == 1


async def test_what_was_cancelled_or_lost_stays_so(responses):
    await responses.start()
    await responses.store.cancel(MINE, ONE)
    assert not await responses.finish(events(0, 1))
    assert await responses.states() == {ONE: "cancelled"}

    await responses.start()
    responses.wait(LEASE_S)
    assert not await responses.finish(events(0, 1))
    assert await responses.states() == {ONE: "lost"}


async def test_its_size_counts(responses, redis):
    await responses.start()
    before = int(await redis.execute_command("HGET", keys.response_facts(MINE), "bytes"))

    await responses.finish(events(0, 1))

    after = int(await redis.execute_command("HGET", keys.response_facts(MINE), "bytes"))
    assert after - before == len(b"whole") - len(b"body")
