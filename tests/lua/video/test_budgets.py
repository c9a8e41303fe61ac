"""What a job that the upstream was never asked for gives back to the budgets of its client key."""

from collections.abc import Awaitable, Callable

import pytest

from grok2api.domain.admission import Edited, Used
from grok2api.domain.client_key import Budget, ClientKey, KeyLimits
from grok2api.domain.ids import CallId
from grok2api.domain.video import VideoState
from grok2api.domain.video_job import VideoJob
from grok2api.store import keys
from grok2api.store.admissions import AdmissionStore
from grok2api.store.client_keys import ClientKeyStore, encode_client_key
from grok2api.store.connection import RedisClient
from tests.lua.conftest import NOW_MS
from tests.lua.video.conftest import ASKED, MINE, NOTHING, ONE, TTL_S, VideoMaker, ending

CALL = CallId("call_1")
UNITS = 2
KEY = ClientKey(MINE, "laptop", 5.0, limits=KeyLimits(day=Budget(units=9)))
DAY_S = 86_400


class Till:
    """The budgets of one client key, whose call asks for a video."""

    def __init__(self, videos: VideoMaker, redis: RedisClient) -> None:
        self.videos = videos
        self.calls = AdmissionStore(redis, now_ms=NOW_MS)

    def wait(self, seconds: float) -> None:
        self.videos.wait(seconds)
        self.calls.now_ms = self.videos.store.now_ms

    async def admit(self, call_id: CallId, units: int) -> None:
        checked = Edited(KEY, encode_client_key(KEY))
        await self.calls.admit(call_id, checked, tokens=0, units=units, ttl_s=TTL_S)

    async def ask(self, *, dies: bool = False) -> None:
        """Create a job; its call is settled, or its worker dies before that."""
        await self.admit(CALL, UNITS)
        await self.videos.create(ONE, call_id=CALL)
        if dies:
            self.wait(TTL_S)
            await self.calls.reap()
        else:
            await self.calls.settle(CALL, Used(1, 0, UNITS))

    async def used(self) -> tuple[int, int]:
        """Return the units of this day and of this month."""
        use = (await self.calls.usage([MINE]))[MINE]
        return use.day.units, use.month.units


@pytest.fixture
async def till(videos: VideoMaker, redis: RedisClient) -> Till:
    await ClientKeyStore(redis).save(KEY, "d1")
    return Till(videos, redis)


async def fails(videos: VideoMaker) -> None:
    await videos.finish(await videos.claim(), ending(VideoState.FAILED, NOTHING))


async def is_refused(videos: VideoMaker) -> None:
    job = await videos.bring(await videos.claim(), "submitting")
    job = await videos.advance(job, VideoState.ACCEPTED, NOTHING)
    await videos.finish(job, ending(VideoState.FAILED, NOTHING))


async def is_cancelled(videos: VideoMaker) -> None:
    await videos.cancel()


async def is_deleted(videos: VideoMaker) -> None:
    await videos.delete()


async def is_asked_for(videos: VideoMaker, state: str = "submitting") -> VideoJob:
    return await videos.bring(await videos.claim(), state)


async def is_made(videos: VideoMaker) -> None:
    await videos.finish(await is_asked_for(videos, "storing"))


async def fails_when_asked(videos: VideoMaker) -> None:
    await videos.finish(await is_asked_for(videos), ending(VideoState.FAILED, ASKED))


async def dies_when_asked(videos: VideoMaker) -> None:
    await is_asked_for(videos)
    videos.wait(TTL_S)
    await videos.claim_dead()


End = Callable[[VideoMaker], Awaitable[None]]


@pytest.mark.parametrize("end", [fails, is_refused, is_cancelled, is_deleted])
async def test_who_was_never_asked_for_gives_all_back_once(till: Till, end: End) -> None:
    await till.ask()
    assert await till.used() == (UNITS, UNITS)

    await end(till.videos)

    assert await till.used() == (0, 0)
    await till.videos.delete()
    assert await till.used() == (0, 0)


@pytest.mark.parametrize("end", [is_made, fails_when_asked, dies_when_asked])
async def test_what_was_asked_for_is_paid(till: Till, end: End) -> None:
    await till.ask()

    await end(till.videos)

    assert await till.used() == (UNITS, UNITS)


async def test_it_is_given_back_to_the_periods_that_paid(till: Till) -> None:
    await till.ask()
    till.wait(DAY_S)
    await till.admit(CallId("call_2"), 3)

    await is_cancelled(till.videos)

    assert await till.used() == (3, 3)


async def test_a_call_whose_worker_died_has_given_it_back_already(till: Till) -> None:
    await till.ask(dies=True)

    await is_cancelled(till.videos)

    assert await till.used() == (0, 0)


async def test_nothing_is_kept_for_a_key_that_was_revoked(till: Till, redis: RedisClient) -> None:
    await till.ask()
    await ClientKeyStore(redis).revoke(MINE)

    await is_cancelled(till.videos)

    assert await redis.execute_command("HLEN", keys.call_state()["usage"]) == 0
