import pytest

from grok2api.domain.ids import VideoJobId
from grok2api.store import keys
from grok2api.store.videos import TOKEN_S, VideoLimits
from tests.lua.video.conftest import MINE, ONE, THEIRS, THREE, TWO, VideoMaker, ending, new

FOUR = VideoJobId("video_4")


async def test_a_new_job_is_accepted_and_shows_what_was_asked(videos):
    assert await videos.create(ONE) == ["Created"]

    job = await videos.look()
    assert (job.state.value, job.percent, job.fence) == ("accepted", 0, 0)
    assert (job.request.prompt, job.shown) == ("a boat", {"size": "720x1280"})
    assert (job.started_at_s, job.completed_at_s, job.expires_at_s) == (0, 0, 0)


async def test_prompts_do_not_lie_in_clear(videos, redis):
    await videos.create(ONE)
    job = await videos.claim()
    await videos.bring(job, "storing")

    stored = await redis.execute_command("HVALS", keys.video_jobs())

    assert len(stored) == 3
    assert b"boat" not in b"".join(stored)
    assert b"assets.test" not in b"".join(stored)


async def test_the_same_token_and_question_give_the_same_job(videos):
    await videos.create(ONE, token="t", fingerprint="f")

    again = await videos.store.create(new(TWO, token="t", fingerprint="f"), VideoLimits(max_open=1))

    assert again.job_id == ONE
    assert await videos.listed() == [ONE]


async def test_a_token_with_another_question_is_refused(videos):
    await videos.create(ONE, token="t", fingerprint="f")

    assert await videos.create(TWO, token="t", fingerprint="g") == ["Reused"]
    assert await videos.listed() == [ONE]


async def test_a_token_means_nothing_to_another_owner(videos):
    await videos.create(ONE, token="t")

    assert await videos.create(TWO, token="t", owner=THEIRS) == ["Created"]


async def test_jobs_without_a_token_are_all_made(videos):
    assert await videos.create(ONE, TWO) == ["Created", "Created"]


async def test_a_token_is_forgotten_after_a_day(videos):
    await videos.create(ONE, token="t")
    videos.wait(TOKEN_S - 0.01)
    assert await videos.create(TWO, token="t") == ["Existing"]

    videos.wait(0.02)

    assert await videos.create(TWO, token="t") == ["Created"]


@pytest.mark.parametrize("state", ["accepted", "polling"])
async def test_a_token_is_forgotten_with_its_job(videos, view, state):
    await videos.create(ONE, token="t")
    job = await videos.bring(await videos.claim(), state)
    await videos.delete(ONE)
    assert await videos.create(TWO, token="t") == ["Created"]

    await videos.finish(job, ending(state=job.state.CANCELLED))

    assert await videos.create(THREE, token="t") == ["Existing"]


async def test_the_same_id_is_created_once(videos, view):
    await videos.create(ONE)

    assert await videos.create(ONE) == ["Created"]
    assert await view.hash(keys.video_open()) == {MINE: "1"}


async def test_an_owner_has_a_number_of_unfinished_jobs(videos):
    assert await videos.create(ONE, TWO, THREE, FOUR) == ["Created"] * 3 + ["Busy"]
    assert await videos.create(FOUR, owner=THEIRS) == ["Created"]

    await videos.cancel(TWO)

    assert await videos.create(VideoJobId("video_5")) == ["Created"]


async def test_the_oldest_that_has_ended_gives_way(videos):
    limits = VideoLimits(max_open=9, max_kept=3, keep_s=60.0)
    await videos.create(ONE, TWO, THREE, limits=limits)
    await videos.cancel(TWO)
    await videos.cancel(THREE)

    assert await videos.create(FOUR, limits=limits) == ["Created"]

    assert await videos.listed() == [FOUR, THREE, ONE]


async def test_unfinished_jobs_give_way_to_nobody(videos):
    limits = VideoLimits(max_open=9, max_kept=2)
    await videos.create(ONE, TWO, limits=limits)

    assert await videos.create(THREE, limits=limits) == ["Busy"]


async def test_ended_jobs_are_forgotten_in_time(videos, redis, view):
    await videos.create(ONE, token="t")
    await videos.cancel(ONE)
    videos.wait(59.9)
    await videos.create(TWO)
    assert await videos.listed() == [TWO, ONE]

    videos.wait(0.2)
    await videos.create(THREE)

    assert await videos.listed() == [THREE, TWO]
    assert await view.hash(keys.video_tokens()) == {}
    assert await view.members(keys.video_ends()) == []
    assert await redis.execute_command("HLEN", keys.video_jobs()) == 4


async def test_lists_page_by_age_in_both_directions(videos: VideoMaker):
    await videos.create(ONE, TWO, THREE)
    await videos.create(VideoJobId("video_0"), owner=THEIRS)

    first = await videos.store.list(MINE, limit=2)
    assert first is not None
    assert ([job.id for job in first.jobs], first.has_more) == ([THREE, TWO], True)
    assert await videos.listed(after=TWO) == [ONE]
    assert await videos.listed(after=ONE) == []
    assert await videos.listed(is_ascending=True, limit=2) == [ONE, TWO]
    assert await videos.listed(is_ascending=True, after=TWO) == [THREE]
    assert await videos.store.list(MINE, after=FOUR) is None
    assert await videos.store.list(THEIRS, after=ONE) is None


async def test_a_job_is_shown_to_its_owner_only(videos):
    await videos.create(ONE)

    assert await videos.store.find(THEIRS, ONE) is None
    assert await videos.store.find(MINE, TWO) is None
