from grok2api.domain.response import ResponseState
from grok2api.store.cipher import SecretCipher
from grok2api.store.responses import ResponseStore
from tests.lua.conftest import NOW_MS
from tests.lua.response.conftest import LEASE_S, MINE, ONE, THEIRS, TWO


async def test_nobody_but_its_owner_finds_a_response(responses):
    await responses.save(ONE)

    assert await responses.store.find(THEIRS, ONE) is None
    assert await responses.store.find(MINE, TWO) is None


async def test_response_ends_by_itself(responses):
    await responses.save(ONE)
    responses.wait(60)

    assert await responses.find() is None


async def test_one_that_is_continued_is_kept_for_longer(responses):
    await responses.save(ONE, TWO)
    responses.wait(50)
    await responses.store.find(MINE, ONE, keep_s=60.0)
    responses.wait(50)

    assert await responses.states() == {ONE: "completed"}


async def test_one_whose_worker_is_silent_is_lost_for_good(responses):
    await responses.start()
    responses.wait(LEASE_S - 0.001)
    before = await responses.states()
    responses.wait(0.001)

    assert before == {ONE: "in_progress"}
    assert await responses.states() == {ONE: "lost"}
    assert not await responses.append(None)
    responses.store.now_ms = NOW_MS
    assert (await responses.find()).state is ResponseState.LOST


async def test_one_that_was_sealed_with_a_forgotten_key_is_gone(responses, redis):
    await responses.save(ONE)
    other = ResponseStore(redis, SecretCipher([b"o" * 32]), now_ms=NOW_MS)

    assert await other.find(MINE, ONE) is None
