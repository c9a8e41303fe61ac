import pytest

from tests.lua.video.conftest import ONE, THEIRS, TTL_S, TWO


async def keys_of(redis):
    return await redis.execute_command("KEYS", "*")


async def test_an_ended_job_is_gone_at_once(videos, redis):
    await videos.finish(await videos.start("storing"))

    assert await videos.delete() == "Deleted"
    assert await keys_of(redis) == []


async def test_a_job_that_nobody_works_on_is_gone_at_once(videos, redis):
    await videos.create(ONE, token="t")

    assert await videos.delete() == "Deleted"
    assert await keys_of(redis) == []


@pytest.mark.parametrize("state", ["submitting", "submitted", "polling", "storing"])
async def test_a_job_under_way_is_hidden_and_stopped(videos, state):
    job = await videos.start(state)

    assert await videos.delete() == "Deleting"

    assert await videos.states() == {}
    assert await videos.listed() == []
    assert await videos.delete() == "Unknown"
    assert await videos.cancel() == "Unknown"
    assert await videos.beat(job) == "Unwanted"


async def test_a_job_under_way_still_counts_as_unfinished(videos):
    await videos.start("polling")
    await videos.delete()

    assert await videos.create(TWO, "video_3", "video_4") == ["Created", "Created", "Busy"]


async def test_a_job_whose_claimer_died_is_gone_at_once(videos, redis):
    await videos.start("polling")
    videos.wait(TTL_S)

    assert await videos.delete() == "Deleted"
    assert await keys_of(redis) == []


async def test_only_its_owner_deletes_a_job(videos):
    await videos.create(ONE)

    assert await videos.delete(owner=THEIRS) == "Unknown"
    assert await videos.states() == {ONE: "accepted"}
