"""A video job that this process works on: what it knows, and how it moves."""

import asyncio
from typing import Final

import msgspec
import structlog

from grok2api.domain.video import VideoState
from grok2api.domain.video_job import VideoJob, VideoWork
from grok2api.errors import InternalError, StoreUnavailableError
from grok2api.services.cleanup import end_if_cancelled
from grok2api.store.video_replies import Advanced, Illegal, Lost, Unwanted
from grok2api.store.videos import VideoStore

log = structlog.get_logger(__name__)

RETRY_S: Final = 0.5


class ClaimLostError(Exception):
    """The job has ended, or another process works on it: leave it alone."""


class VideoUnwantedError(Exception):
    """Nobody wants the video any more."""


class VideoUnknownError(Exception):
    """The upstream may be making the video, but there is no way to find out."""


class VideoClaim:
    """A claimed job. `percent` is how much of all parts is made.

    `has_begun` says that the upstream is about to be asked, or was; until then another process can
    begin as well.
    """

    __slots__ = ("_store", "has_begun", "job", "percent")

    def __init__(self, store: VideoStore, job: VideoJob) -> None:
        self._store = store
        self.job = job
        self.percent = job.percent
        self.has_begun = job.state is not VideoState.ACCEPTED

    def note_progress(self, percent: int) -> None:
        """Note that the part under way is `percent` done; it is told with the next beat."""
        done = len(self.job.work.parts) * 100 + max(0, min(percent, 100))
        self.percent = max(self.percent, min(99, done // len(self.job.request.segments)))

    async def advance(self, state: VideoState, work: VideoWork) -> None:
        """Move the job to its next state; a store that is away is waited for.

        Raises:
            ClaimLostError: it is not ours any more.
            VideoUnwantedError: it was cancelled before the upstream was asked.
        """
        self.has_begun = True
        match await self._tell(state, work):
            case Advanced():
                step = self.job.step + 1
                self.job = msgspec.structs.replace(self.job, state=state, work=work, step=step)
                self.has_begun = state is not VideoState.ACCEPTED
            case Lost():
                raise ClaimLostError
            case Unwanted():
                raise VideoUnwantedError
            case Illegal():
                raise InternalError(
                    "The server made a mistake.", detail=f"{self.job.state} -> {state}"
                )

    async def _tell(
        self, state: VideoState, work: VideoWork
    ) -> Advanced | Unwanted | Illegal | Lost:
        while True:
            try:
                return await self._store.advance(self.job, state, work)
            except StoreUnavailableError as error:
                log.warning("video_not_moved", video=self.job.id, detail=error.detail)
                await asyncio.sleep(RETRY_S)
                end_if_cancelled()
