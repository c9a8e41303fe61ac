import pytest

from grok2api.domain.video import VideoState
from grok2api.store import keys
from grok2api.store.cipher import SecretCipher
from grok2api.store.videos import DeadClaim, VideoStore
from tests.lua.video.conftest import (
    ASKED,
    LIMITS,
    MINE,
    ONE,
    THEIRS,
    THREE,
    TTL_S,
    TWO,
    new,
    question,
)


async def test_a_job_is_given_to_one_claimer(videos):
    await videos.create(ONE)

    job = await videos.claim()

    assert (job.id, job.fence, job.state.value) == (ONE, 1, "accepted")
    assert job.started_at_s == job.created_at_s + 0.001
    assert await videos.store.claim(ttl_s=TTL_S) is None


async def test_the_oldest_job_comes_first(videos):
    await videos.create(TWO, ONE)

    assert [(await videos.claim()).id, (await videos.claim()).id] == [TWO, ONE]


@pytest.mark.parametrize("state", ["accepted", "polling", "storing"])
async def test_a_job_whose_claimer_died_goes_on_where_it_stood(videos, state):
    job = await videos.start(state)
    videos.wait(TTL_S - 0.001)
    assert await videos.store.claim(ttl_s=TTL_S) is None

    videos.wait(0.001)
    again = await videos.claim()

    assert (again.fence, again.state, again.work) == (2, job.state, job.work)
    assert again.step == job.step
    assert again.started_at_s == job.started_at_s


@pytest.mark.parametrize("state", ["submitting", "submitted"])
async def test_what_may_be_running_is_unknown_and_never_given_out(videos, view, state):
    await videos.start(state)
    videos.wait(TTL_S)

    dead = await videos.claim_dead()

    assert dead.id == ONE
    assert dead.question == question()
    job = await videos.look()
    assert (job.state.value, job.error_code) == ("unknown", "video_state_unknown")
    assert job.error_message
    assert await videos.store.claim(ttl_s=TTL_S) is None
    assert await view.hash(keys.video_open()) == {}


async def test_the_first_of_two_parts_alone_is_not_worth_a_search(videos):
    await videos.store.create(new(question=question(segments=(10, 6))), LIMITS)
    job = await videos.bring(await videos.claim(), "polling")
    assert job.work.current.video_id
    videos.wait(TTL_S)

    again = await videos.claim()

    assert not again.work.can_go_on(again.request)


@pytest.mark.parametrize("state", ["submitting", "submitted", "polling", "storing"])
async def test_a_cancelled_job_whose_claimer_died_is_cancelled(videos, state):
    await videos.start(state)
    await videos.cancel()
    videos.wait(TTL_S)

    await videos.claim_dead()

    assert await videos.states() == {ONE: "cancelled"}


async def test_a_deleted_job_whose_claimer_died_is_gone(videos, redis):
    await videos.start("submitted")
    await videos.delete()
    videos.wait(TTL_S)

    await videos.claim_dead()

    assert await redis.execute_command("HLEN", keys.video_jobs()) == 0


async def test_what_the_upstream_refused_may_be_tried_again(videos):
    job = await videos.start("submitting")
    await videos.advance(job, VideoState.ACCEPTED, ASKED)
    videos.wait(TTL_S)

    assert (await videos.claim()).state is VideoState.ACCEPTED


async def test_a_job_that_no_key_opens_fails(videos, redis):
    await videos.create(ONE)
    other = VideoStore(redis, SecretCipher([b"x" * 32]), now_ms=videos.store.now_ms)

    dead = await other.claim(ttl_s=TTL_S)

    assert isinstance(dead, DeadClaim)
    assert dead.question is None
    assert (await videos.look()).error_code == "video_generation_failed"
    assert await other.find(MINE, ONE) is None


async def test_an_ended_job_is_forgotten_in_time(videos, redis):
    await videos.create(ONE)
    await videos.cancel()
    videos.wait(60)

    assert await videos.store.claim(ttl_s=TTL_S) is None

    assert await redis.execute_command("HLEN", keys.video_jobs()) == 0


async def test_jobs_whose_records_were_lost_stop_no_others(videos, redis):
    await videos.create(ONE, TWO)
    await videos.cancel(ONE)
    await redis.execute_command("DEL", keys.video_jobs())
    videos.wait(60)

    assert await videos.store.claim(ttl_s=TTL_S) is None
    await videos.create(THREE, owner=THEIRS)

    assert (await videos.claim()).id == THREE
