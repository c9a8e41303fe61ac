"""Works on video jobs: claims what nobody works on, beats while it does, tells how it ended.

A crash loses nothing: a job whose process is silent for ten seconds is claimed by another one,
which goes on where that is possible without asking the upstream again.
"""

import asyncio
import random
from types import TracebackType
from typing import Final

import structlog

from grok2api.domain.video import VideoState
from grok2api.domain.video_job import VideoEnding, VideoJob
from grok2api.errors import StoreUnavailableError
from grok2api.services.cleanup import end_if_cancelled
from grok2api.services.endless import Endless
from grok2api.services.video_claim import ClaimLostError, VideoClaim
from grok2api.services.video_ending import end_as, ending_of
from grok2api.services.video_fetch import VideoFetcher
from grok2api.services.video_maker import VideoMaker
from grok2api.services.video_parts import VideoParts
from grok2api.store.video_replies import Finished, Lost, Unwanted
from grok2api.store.videos import DeadClaim

log = structlog.get_logger(__name__)

BEAT_S: Final = 1.0
"""How often progress is told, and how soon a cancellation is seen."""
CLAIM_S: Final = 10.0
"""A process that was silent for so long is taken for dead."""
LOOK_S: Final = 1.0
STOP_S: Final = 5.0
_FINISH_TRIES: Final = 10


class VideoRunner(Endless):
    """The video jobs that one process works on; use it as an async context manager."""

    __slots__ = (
        "_beat_s",
        "_claim_s",
        "_fetcher",
        "_is_draining",
        "_is_over",
        "_maker",
        "_nudge",
        "_parts",
        "_running",
    )

    def __init__(
        self,
        parts: VideoParts,
        fetcher: VideoFetcher | None = None,
        *,
        beat_s: float = BEAT_S,
        claim_s: float = CLAIM_S,
    ) -> None:
        super().__init__()
        self._parts = parts
        self._fetcher = fetcher or VideoFetcher(parts)
        self._maker = VideoMaker(parts, self._fetcher)
        self._beat_s = beat_s
        self._claim_s = claim_s
        self._running: set[asyncio.Task[None]] = set()
        self._nudge = asyncio.Event()
        self._is_draining = False
        self._is_over = False

    @property
    def running(self) -> int:
        """How many jobs are worked on now."""
        return len(self._running)

    @property
    def is_draining(self) -> bool:
        """Whether nothing more is taken on."""
        return self._is_draining

    def nudge(self) -> None:
        """Look for work at once."""
        self._nudge.set()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close(0.0)
        await super().__aexit__(kind, error, trace)

    def begin_draining(self) -> None:
        """Take on nothing more; give back what has not begun."""
        self._is_draining = True

    async def wait_idle(self) -> None:
        """Return when nothing runs any more."""
        while self._running:
            await asyncio.wait(self._running)

    async def close(self, grace_s: float) -> None:
        """Take on nothing more, give back what has not begun, let the rest come to its end.

        What has not after `grace_s` seconds is left to another process.
        """
        self.begin_draining()
        if self._running and grace_s > 0:
            await asyncio.wait(self._running, timeout=grace_s)
        self._is_over = True
        await self.wait_idle()

    async def _run_for_ever(self) -> None:
        while True:
            self._nudge.clear()
            try:
                await self._take_on()
            except StoreUnavailableError as error:
                log.warning("videos_not_claimed", detail=error.detail)
                await self._wait_for_store()
            end_if_cancelled()
            try:
                async with asyncio.timeout(LOOK_S * random.uniform(0.75, 1.25)):  # noqa: S311
                    await self._nudge.wait()
            except TimeoutError:
                continue

    async def _wait_for_store(self) -> None:
        """Return when a store that was away has been back for the lifetime of a claim.

        Those that ended meanwhile do not say that anybody is dead: who lives renews them first.
        """
        while True:
            await asyncio.sleep(self._beat_s)
            end_if_cancelled()
            try:
                await self._parts.store.count_unfinished()
            except StoreUnavailableError:
                continue
            await asyncio.sleep(self._claim_s)
            return

    async def _take_on(self) -> None:
        """Claim jobs until there are none, or enough."""
        while (
            not self._is_draining and self._parts.workers.count < self._parts.settings.concurrency
        ):
            found = await self._parts.store.claim(ttl_s=self._claim_s)
            if found is None:
                return
            if isinstance(found, DeadClaim):
                log.warning("video_given_up", video=found.id)
                if found.question is not None:
                    await self._parts.references.remove(found.question.references)
                continue
            task = asyncio.get_running_loop().create_task(self._serve(found))
            self._running.add(task)
            self._parts.workers.count += 1
            task.add_done_callback(self._forget)

    def _forget(self, task: "asyncio.Task[None]") -> None:
        self._running.discard(task)
        self._parts.workers.count -= 1
        self.nudge()  # its place is free

    async def _serve(self, job: VideoJob) -> None:
        claim = VideoClaim(self._parts.store, job)
        log.info("video_claimed", video=job.id, state=job.state.value, fence=job.fence)
        work = asyncio.get_running_loop().create_task(self._work(claim))
        ending: VideoEnding | None = None
        try:
            ending = await self._watch(claim, work)
        except ClaimLostError:
            log.info("video_claim_lost", video=job.id)
            return
        finally:
            await _stop(work)
        if ending is None:
            await self._give_back(claim)
        else:
            await self._finish(claim, ending)

    async def _work(self, claim: VideoClaim) -> VideoEnding:
        """Bring a job to its end, from wherever it stands."""
        state = claim.job.state
        if state is VideoState.ACCEPTED:
            session = await self._maker.make(claim)
        else:
            session = await self._fetcher.open_session(claim.job)
            if state is not VideoState.STORING:
                await self._fetcher.recover(claim, session)
        media = await self._fetcher.fetch(claim, session)
        return VideoEnding(state=VideoState.DONE, work=claim.job.work, media=media)

    async def _watch(
        self, claim: VideoClaim, work: "asyncio.Task[VideoEnding]"
    ) -> VideoEnding | None:
        """Beat until the work is done; None when it is left to another process.

        Raises:
            ClaimLostError: the job is not ours any more.
        """
        while True:
            await asyncio.wait((work,), timeout=self._beat_s)
            if work.done():
                return ending_of(work, claim)
            if self._is_over or (self._is_draining and not claim.has_begun):
                return None
            try:
                reply = await self._parts.store.beat(claim.job, claim.percent, ttl_s=self._claim_s)
            except StoreUnavailableError as error:
                log.warning("video_beat_missed", video=claim.job.id, detail=error.detail)
                continue
            if isinstance(reply, Lost):
                raise ClaimLostError
            if isinstance(reply, Unwanted):
                return end_as(claim, VideoState.CANCELLED)

    async def _give_back(self, claim: VideoClaim) -> None:
        try:
            await self._parts.store.release(claim.job)
        except StoreUnavailableError as error:
            log.warning("video_not_given_back", video=claim.job.id, detail=error.detail)
        else:
            log.info("video_given_back", video=claim.job.id, state=claim.job.state.value)

    async def _finish(self, claim: VideoClaim, ending: VideoEnding) -> None:
        for _ in range(_FINISH_TRIES):
            try:
                reply = await self._parts.store.finish(claim.job, ending)
            except StoreUnavailableError as error:
                log.warning("video_not_finished", video=claim.job.id, detail=error.detail)
                await asyncio.sleep(self._beat_s)
                continue
            if isinstance(reply, Finished):
                log.info("video_ended", video=claim.job.id, state=ending.state.value)
                await self._parts.references.remove(claim.job.question.references)
            else:
                log.warning("video_end_refused", video=claim.job.id, state=ending.state.value)
            return


async def _stop(work: "asyncio.Task[VideoEnding]") -> None:
    """End a task; its last steps are waited for."""
    while not work.done():
        work.cancel()  # more than once, for one can get lost on its way: see `end_if_cancelled`
        await asyncio.wait((work,), timeout=STOP_S)
    if not work.cancelled():
        work.exception()  # seen, so that nobody warns about it
