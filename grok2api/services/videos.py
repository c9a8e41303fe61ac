"""Video jobs as clients see them: created, found, listed, cancelled, deleted, followed."""

import asyncio
import hashlib
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, NamedTuple

import msgspec

from grok2api.config.media import VideoSettings
from grok2api.domain.client_key import ClientKey
from grok2api.domain.ids import ClientKeyId, VideoJobId
from grok2api.domain.video import VideoRequest
from grok2api.domain.video_job import KeptQuestion, VideoJob
from grok2api.errors import (
    ConflictError,
    NotFoundError,
    RateLimitExceededError,
    StoreUnavailableError,
)
from grok2api.services.attempt import DispatchParts
from grok2api.services.media import MediaLibrary
from grok2api.services.models import ModelCatalog
from grok2api.services.video_parts import VideoParts
from grok2api.services.video_references import VideoReferences, fingerprint_of
from grok2api.services.video_runner import VideoRunner
from grok2api.store.cipher import SecretCipher
from grok2api.store.connection import RedisClient
from grok2api.store.video_records import VideoPage
from grok2api.store.video_replies import Busy, Cancelled, Deleted, Existing, Reused, Unknown
from grok2api.store.videos import NewVideo, VideoLimits, VideoStore

FOLLOW_S: Final = 0.5
"""How often a job that is followed is looked at."""
RETRY_AFTER_S: Final = 10.0


class Begun(NamedTuple):
    """What came of asking for a video; `is_new` is false where the job was there already."""

    job: VideoJob
    is_new: bool


@dataclass(frozen=True, slots=True)
class Videos:
    """The video jobs of all clients; `runner` works on them in this process."""

    store: VideoStore
    references: VideoReferences
    models: ModelCatalog
    limits: VideoLimits
    runner: VideoRunner

    async def create(
        self,
        owner: ClientKeyId,
        request: VideoRequest,
        *,
        shown: Mapping[str, str],
        idempotency_key: str = "",
        caller: ClientKey | None = None,
    ) -> Begun:
        """Keep a job; it is worked on from now on, here or elsewhere.

        The same question under the same `idempotency_key` gives the job that it gave before.

        Raises:
            ModelNotFoundError: there is no such model.
            ConflictError: the key was given with another question.
            RateLimitExceededError: too many videos of this owner are not finished.
            MediaStoreError: its references cannot be kept.
            StoreUnavailableError: the store did not answer; the job may be there.
        """
        model = self.models.resolve(request.model).model
        request = msgspec.structs.replace(request, model=model.name)
        job_id = VideoJobId(f"video_{secrets.token_hex(16)}")
        references = await self.references.keep(job_id, request.references)
        question = KeptQuestion(
            request=msgspec.structs.replace(request, references=()),
            references=references,
            shown=dict(shown),
            key=caller.id if caller else "",
            weight=caller.weight if caller else 1,
            tags=caller.tags if caller else (),
        )
        video = NewVideo(
            id=job_id,
            owner=owner,
            question=question,
            token=_digest(idempotency_key) if idempotency_key else "",
            fingerprint=fingerprint_of(request, [file.ref for file in request.references]),
        )
        reply = await self.store.create(video, self.limits)
        match reply:
            case Existing():
                await self.references.remove(references)
                return Begun(await self.find(owner, reply.job_id), is_new=False)
            case Reused():
                await self.references.remove(references)
                raise ConflictError(
                    "This Idempotency-Key was used with another request.",
                    code="idempotency_key_reused",
                )
            case Busy():
                await self.references.remove(references)
                raise RateLimitExceededError(
                    "Too many videos of this key are not finished.",
                    code="too_many_videos",
                    retry_after_s=RETRY_AFTER_S,
                )
            case _:
                self.runner.nudge()
                return Begun(await self.find(owner, job_id), is_new=True)

    async def find(self, owner: ClientKeyId, job_id: str) -> VideoJob:
        """Return a job.

        Raises:
            NotFoundError: this owner has none of this id, or not any more.
            StoreUnavailableError: the store did not answer.
        """
        job = await self.store.find(owner, VideoJobId(job_id))
        if job is None:
            raise _unknown(job_id)
        return job

    async def list(
        self, owner: ClientKeyId, *, after: str = "", limit: int = 20, ascending: bool = False
    ) -> VideoPage:
        """Return up to `limit` (at most 100) jobs behind `after`, the newest first or the oldest.

        Raises:
            NotFoundError: there is no job `after`.
            StoreUnavailableError: the store did not answer.
        """
        mark = VideoJobId(after) if after else None
        page = await self.store.list(owner, after=mark, limit=limit, is_ascending=ascending)
        if page is None:
            raise _unknown(after)
        return page

    async def cancel(self, owner: ClientKeyId, job_id: str) -> VideoJob:
        """Cancel a job; one that has ended stays as it is. What is under way ends within seconds.

        Raises:
            NotFoundError: this owner has none of this id.
            StoreUnavailableError: the store did not answer.
        """
        job = await self.find(owner, job_id)
        if isinstance(await self.store.cancel(owner, job.id), Cancelled):
            await self.references.remove(job.question.references)
        return await self.find(owner, job_id)

    async def delete(self, owner: ClientKeyId, job_id: str) -> None:
        """Forget a job; one that is under way is cancelled. A kept video stays in the media store.

        Raises:
            NotFoundError: this owner has none of this id.
            StoreUnavailableError: the store did not answer.
        """
        job = await self.find(owner, job_id)
        reply = await self.store.delete(owner, job.id)
        if isinstance(reply, Unknown):
            raise _unknown(job_id)
        if isinstance(reply, Deleted):
            await self.references.remove(job.question.references)

    async def follow(self, owner: ClientKeyId, job_id: str) -> AsyncGenerator[VideoJob, None]:
        """Yield a job now and whenever its state or progress has changed, until it has ended.

        A store that is away for a moment is waited for.

        Raises:
            NotFoundError: this owner has none of this id, or it was deleted meanwhile.
            StoreUnavailableError: the store did not answer at the beginning.
        """
        job = await self.find(owner, job_id)
        yield job
        while not job.has_ended:
            await asyncio.sleep(FOLLOW_S)
            try:
                found = await self.find(owner, job_id)
            except StoreUnavailableError:
                continue
            if (found.state, found.percent) != (job.state, job.percent):
                yield found
            job = found


@asynccontextmanager
async def open_videos(
    redis: RedisClient,
    cipher: SecretCipher,
    parts: DispatchParts,
    library: MediaLibrary,
    models: ModelCatalog,
    settings: VideoSettings,
) -> AsyncIterator[Videos]:
    """Build what makes the videos of one process; leaving it gives its jobs back."""
    store, references = VideoStore(redis, cipher), VideoReferences(library, cipher)
    limits = VideoLimits(max_open=settings.max_jobs_per_key, keep_s=settings.keep_s)
    async with VideoRunner(VideoParts(parts, store, library, references, settings)) as runner:
        yield Videos(store, references, models, limits, runner)


def _digest(idempotency_key: str) -> str:
    return hashlib.sha256(idempotency_key.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _unknown(job_id: str) -> NotFoundError:
    return NotFoundError(
        f"Video with id '{job_id[:80]}' not found.", param="video_id", code="video_not_found"
    )
