import pytest

from tests.lua.video.conftest import ONE, TTL_S


@pytest.mark.parametrize("state", ["accepted", "polling", "storing"])
async def test_a_job_that_is_given_back_goes_on_at_once(videos, state):
    job = await videos.start(state)

    assert type(await videos.store.release(job)).__name__ == "Released"

    again = await videos.claim()
    assert (again.state, again.work, again.fence) == (job.state, job.work, 2)


async def test_what_may_be_running_is_not_asked_for_again(videos):
    await videos.store.release(await videos.start("submitted"))

    await videos.claim_dead()

    assert await videos.states() == {ONE: "unknown"}


async def test_who_was_too_slow_gives_nothing_back(videos):
    slow = await videos.start()
    videos.wait(TTL_S)
    await videos.claim()

    assert type(await videos.store.release(slow)).__name__ == "Lost"
    assert await videos.store.claim(ttl_s=TTL_S) is None


async def test_an_ended_job_is_not_given_back(videos):
    job = await videos.start("storing")
    await videos.finish(job)

    assert type(await videos.store.release(job)).__name__ == "Lost"
    assert await videos.store.claim(ttl_s=TTL_S) is None
