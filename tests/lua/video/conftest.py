"""Video jobs at a time that only the test moves."""

from typing import Any

import msgspec
import pytest

from grok2api.domain.ids import AccountId, ClientKeyId, MediaId, VideoJobId
from grok2api.domain.video import VideoPart, VideoRequest, VideoState
from grok2api.domain.video_job import KeptQuestion, VideoEnding, VideoJob, VideoWork
from grok2api.store.cipher import SecretCipher
from grok2api.store.connection import RedisClient
from grok2api.store.videos import DeadClaim, NewVideo, VideoLimits, VideoStore
from tests.lua.conftest import NOW_MS

MINE, THEIRS = ClientKeyId("key_mine"), ClientKeyId("key_theirs")
ONE, TWO, THREE = VideoJobId("video_1"), VideoJobId("video_2"), VideoJobId("video_3")
TTL_S = 10.0
LIMITS = VideoLimits(max_open=3, max_kept=4, keep_s=60.0)
SEEN = VideoPart(video_id="vid-1", post_id="post-1")
MADE = VideoPart(video_id="vid-1", post_id="post-1", url="https://assets.test/1.mp4")

NOTHING = VideoWork()
ASKED = VideoWork(account=AccountId("acc"))
SEARCHABLE = VideoWork(account=AccountId("acc"), current=SEEN)
WHOLE = VideoWork(account=AccountId("acc"), parts=(MADE,), url=MADE.url)

WAY_TO: dict[str, tuple[tuple[VideoState, VideoWork], ...]] = {
    "accepted": (),
    "submitting": ((VideoState.SUBMITTING, ASKED),),
    "submitted": ((VideoState.SUBMITTING, ASKED), (VideoState.SUBMITTED, ASKED)),
    "polling": (
        (VideoState.SUBMITTING, ASKED),
        (VideoState.SUBMITTED, ASKED),
        (VideoState.POLLING, SEARCHABLE),
    ),
    "storing": (
        (VideoState.SUBMITTING, ASKED),
        (VideoState.SUBMITTED, ASKED),
        (VideoState.STORING, WHOLE),
    ),
}


def question(prompt: str = "a boat", segments: tuple[int, ...] = (6,)) -> KeptQuestion:
    return KeptQuestion(
        request=VideoRequest(model="grok-imagine-video", prompt=prompt, segments=segments),
        shown={"size": "720x1280"},
    )


def new(job_id: VideoJobId = ONE, **facts: Any) -> NewVideo:
    video = NewVideo(id=job_id, owner=MINE, question=question(), token="", fingerprint="f")
    return msgspec.structs.replace(video, **facts)


def ending(
    state: VideoState = VideoState.DONE, work: VideoWork = WHOLE, **facts: Any
) -> VideoEnding:
    media = MediaId("m" * 32) if state is VideoState.DONE else None
    return VideoEnding(state=state, work=work, media=media, **facts)


class VideoMaker:
    """Shorthand for tests."""

    def __init__(self, store: VideoStore) -> None:
        self.store = store

    async def create(
        self, *ids: VideoJobId, limits: VideoLimits = LIMITS, **facts: Any
    ) -> list[str]:
        """Create jobs one ms after the other; return what each came to."""
        replies = []
        for job_id in ids:
            reply = await self.store.create(new(job_id, **facts), limits)
            replies.append(type(reply).__name__)
            self.wait(0.001)
        return replies

    async def claim(self) -> VideoJob:
        job = await self.store.claim(ttl_s=TTL_S)
        assert isinstance(job, VideoJob), job
        return job

    async def claim_dead(self) -> DeadClaim:
        dead = await self.store.claim(ttl_s=TTL_S)
        assert isinstance(dead, DeadClaim), dead
        return dead

    async def bring(self, job: VideoJob, state: str) -> VideoJob:
        """Move a claimed job to `state`."""
        for next_state, work in WAY_TO[state]:
            job = await self.advance(job, next_state, work)
        return job

    async def advance(self, job: VideoJob, state: VideoState, work: VideoWork) -> VideoJob:
        reply = await self.store.advance(job, state, work)
        assert type(reply).__name__ == "Advanced", reply
        return msgspec.structs.replace(job, state=state, work=work, step=job.step + 1)

    async def start(self, state: str = "accepted", job_id: VideoJobId = ONE) -> VideoJob:
        """Create and claim a job and bring it to `state`."""
        assert await self.create(job_id) == ["Created"]
        return await self.bring(await self.claim(), state)

    async def beat(self, job: VideoJob, percent: int = 0) -> str:
        return type(await self.store.beat(job, percent, ttl_s=TTL_S)).__name__

    async def try_advance(self, job: VideoJob, state: VideoState, work: VideoWork = ASKED) -> str:
        return type(await self.store.advance(job, state, work)).__name__

    async def finish(self, job: VideoJob, end: VideoEnding | None = None) -> str:
        return type(await self.store.finish(job, end or ending())).__name__

    async def cancel(self, job_id: VideoJobId = ONE, owner: ClientKeyId = MINE) -> str:
        return type(await self.store.cancel(owner, job_id)).__name__

    async def delete(self, job_id: VideoJobId = ONE, owner: ClientKeyId = MINE) -> str:
        return type(await self.store.delete(owner, job_id)).__name__

    async def look(self, job_id: VideoJobId = ONE) -> VideoJob:
        job = await self.store.find(MINE, job_id)
        assert job is not None
        return job

    async def states(self) -> dict[str, str]:
        found = [await self.store.find(MINE, name) for name in (ONE, TWO, THREE)]
        return {job.id: job.state.value for job in found if job}

    async def listed(self, **options: Any) -> list[str]:
        page = await self.store.list(MINE, **options)
        assert page is not None
        return [job.id for job in page.jobs]

    def wait(self, seconds: float) -> None:
        self.store.now_ms += round(seconds * 1000)


@pytest.fixture
def videos(redis: RedisClient, cipher: SecretCipher) -> VideoMaker:
    return VideoMaker(VideoStore(redis, cipher, now_ms=NOW_MS))
