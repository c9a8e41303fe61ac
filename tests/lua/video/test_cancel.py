import pytest

from tests.lua.video.conftest import ONE, THEIRS, TTL_S, TWO


async def test_a_job_that_nobody_works_on_is_cancelled_at_once(videos):
    await videos.create(ONE)

    assert await videos.cancel() == "Cancelled"

    assert await videos.states() == {ONE: "cancelled"}
    assert await videos.store.claim(ttl_s=TTL_S) is None


async def test_a_job_is_cancelled_at_once_until_the_upstream_is_asked(videos):
    job = await videos.start()

    assert await videos.cancel() == "Cancelled"

    assert await videos.beat(job) == "Lost"
    assert await videos.try_advance(job, job.state.SUBMITTING) == "Lost"


@pytest.mark.parametrize("state", ["submitting", "submitted", "polling", "storing"])
async def test_who_works_on_a_job_is_told(videos, state):
    job = await videos.start(state)

    assert [await videos.cancel(), await videos.cancel()] == ["Cancelling", "Cancelling"]

    assert await videos.states() == {ONE: state}
    assert await videos.beat(job) == "Unwanted"


@pytest.mark.parametrize("state", ["submitted", "polling"])
async def test_a_job_whose_claimer_died_is_cancelled_at_once(videos, state):
    await videos.start(state)
    videos.wait(TTL_S)

    assert await videos.cancel() == "Cancelled"


async def test_an_ended_job_stays_as_it_is(videos):
    await videos.finish(await videos.start("storing"))

    assert await videos.cancel() == "Ended"
    assert await videos.states() == {ONE: "done"}


async def test_only_its_owner_cancels_a_job(videos):
    await videos.create(ONE)

    assert await videos.cancel(owner=THEIRS) == "Unknown"
    assert await videos.cancel(TWO) == "Unknown"
    assert await videos.states() == {ONE: "accepted"}
