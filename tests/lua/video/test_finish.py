import pytest

from grok2api.domain.video import VideoState
from grok2api.store import keys
from tests.lua.video.conftest import ONE, TTL_S, WAY_TO, WHOLE, ending

S = VideoState
FROM = {
    S.DONE: {"storing"},
    S.UNKNOWN: {"submitting", "submitted", "polling"},
    S.FAILED: set(WAY_TO),
}


@pytest.mark.parametrize("state", FROM)
@pytest.mark.parametrize("before", WAY_TO)
async def test_a_job_ends_only_in_ways_that_its_state_allows(videos, before, state):
    job = await videos.start(before)

    reply = await videos.finish(job, ending(state, job.work))

    is_legal = before in FROM[state]
    assert reply == ("Finished" if is_legal else "Illegal")
    assert await videos.states() == {ONE: state.value if is_legal else before}


async def test_a_finished_job_shows_its_video_and_its_times(videos):
    job = await videos.start("storing")
    videos.wait(5)

    await videos.finish(job)

    ended = await videos.look()
    assert (ended.percent, ended.media, ended.work) == (100, "m" * 32, WHOLE)
    assert ended.completed_at_s == videos.store.now_ms / 1000
    assert ended.expires_at_s == ended.completed_at_s + 60


async def test_a_failed_job_says_why_and_keeps_its_progress(videos):
    job = await videos.start("polling")
    await videos.beat(job, 40)

    end = ending(S.FAILED, job.work, error_code="video_generation_failed", error_message="No.")
    await videos.finish(job, end)

    ended = await videos.look()
    assert (ended.error_code, ended.error_message) == ("video_generation_failed", "No.")
    assert (ended.percent, ended.media) == (40, None)


async def test_nobody_works_on_an_ended_job(videos, view):
    job = await videos.start("storing")
    await videos.finish(job)
    videos.wait(TTL_S)

    assert await videos.store.claim(ttl_s=TTL_S) is None
    assert await view.members(keys.video_due()) == []
    assert await view.hash(keys.video_open()) == {}


async def test_the_same_end_may_be_told_again_and_no_other(videos):
    job = await videos.start("storing")
    assert await videos.finish(job) == "Finished"

    assert await videos.finish(job) == "Finished"
    assert await videos.finish(job, ending(S.FAILED)) == "Lost"
    assert await videos.states() == {ONE: "done"}


async def test_who_was_too_slow_ends_nothing(videos):
    slow = await videos.start("storing")
    videos.wait(TTL_S)
    await videos.claim()

    assert await videos.finish(slow) == "Lost"
    assert await videos.states() == {ONE: "storing"}


async def test_a_job_is_cancelled_only_when_somebody_asked_for_it(videos):
    job = await videos.start("polling")
    assert await videos.finish(job, ending(S.CANCELLED, job.work)) == "Illegal"
    await videos.cancel()

    assert await videos.finish(job, ending(S.CANCELLED, job.work)) == "Finished"


async def test_a_deleted_job_is_forgotten_at_its_end(videos, redis):
    job = await videos.start("storing")
    await videos.delete()

    assert await videos.finish(job) == "Finished"

    assert await redis.execute_command("KEYS", "*") == []
