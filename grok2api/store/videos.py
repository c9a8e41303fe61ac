"""Video jobs. Every method that writes is one script; what people said is sealed."""

from typing import Final

from msgspec import Struct

from grok2api.domain.ids import CallId, ClientKeyId, VideoJobId
from grok2api.domain.video import VideoState
from grok2api.domain.video_job import FAILED_CODE, KeptQuestion, VideoEnding, VideoJob, VideoWork
from grok2api.errors import SettingsError
from grok2api.store import keys, reads
from grok2api.store.cipher import SecretCipher
from grok2api.store.connection import RedisClient
from grok2api.store.script import Script
from grok2api.store.video_records import (
    VideoPage,
    VideoSeals,
    decode_record,
    has_token,
    read_page,
    read_videos,
)
from grok2api.store.video_replies import (
    Advanced,
    Busy,
    Cancelled,
    Cancelling,
    Claimed,
    ClaimEnded,
    Created,
    Deleted,
    Deleting,
    Ended,
    Existing,
    Finished,
    Going,
    Illegal,
    Lost,
    NoneDue,
    Released,
    Reused,
    Unknown,
    Unwanted,
)

TOKEN_S: Final = 86_400.0
"""How long an Idempotency-Key is remembered, unless its job is forgotten before."""


class NewVideo(Struct, frozen=True, kw_only=True):
    """A job to create. `token` is a digest of the client's Idempotency-Key, "" for none.

    `call_id` is the call whose units it stands for; "": it is of a key without limits, or is open
    until the job has ended.
    """

    id: VideoJobId
    owner: ClientKeyId
    question: KeptQuestion
    token: str
    fingerprint: str
    call_id: CallId = CallId("")


class VideoLimits(Struct, frozen=True, kw_only=True):
    """How many jobs one owner may have, unfinished and at all, and how long they are kept."""

    max_open: int
    max_kept: int = 1000
    keep_s: float = 604_800.0


class DeadClaim(Struct, frozen=True):
    """A job whose process died and that nobody can go on with: it has ended."""

    id: VideoJobId
    question: KeptQuestion | None


class VideoStore:
    """Video jobs. `now_ms` is for tests: ms since epoch, 0 for the server's own clock.

    Every method raises StoreUnavailableError when Redis does not answer. A job that was sealed
    with a key that is not configured any more is unknown, and cannot be worked on.
    """

    def __init__(self, redis: RedisClient, cipher: SecretCipher, *, now_ms: int = 0) -> None:
        self._redis = redis
        self._seals = VideoSeals(cipher)
        self._state = keys.video_state()
        self.now_ms = now_ms
        self._create: Script[Created | Existing | Reused | Busy] = Script(
            redis, "video/create", Created | Existing | Reused | Busy
        )
        self._claim: Script[Claimed | ClaimEnded | NoneDue] = Script(
            redis, "video/claim", Claimed | ClaimEnded | NoneDue
        )
        self._beat: Script[Going | Unwanted | Lost] = Script(
            redis, "video/beat", Going | Unwanted | Lost
        )
        self._advance: Script[Advanced | Unwanted | Illegal | Lost] = Script(
            redis, "video/advance", Advanced | Unwanted | Illegal | Lost
        )
        self._finish: Script[Finished | Illegal | Lost] = Script(
            redis, "video/finish", Finished | Illegal | Lost
        )
        self._cancel: Script[Cancelled | Cancelling | Ended | Unknown] = Script(
            redis, "video/cancel", Cancelled | Cancelling | Ended | Unknown
        )
        self._delete: Script[Deleted | Deleting | Unknown] = Script(
            redis, "video/delete", Deleted | Deleting | Unknown
        )
        self._release: Script[Released | Lost] = Script(redis, "video/release", Released | Lost)

    async def create(
        self, video: NewVideo, limits: VideoLimits
    ) -> Created | Existing | Reused | Busy:
        """Keep a new job; another process may work on it from now on."""
        return await self._create(
            keys=self._state,
            args={
                "job_id": video.id,
                "owner": video.owner,
                "token": video.token,
                "fingerprint": video.fingerprint,
                "question": self._seals.seal_question(video.id, video.question),
                "keep_ms": _to_ms(limits.keep_s),
                "token_ms": _to_ms(TOKEN_S),
                "call_id": video.call_id,
                "max_open": limits.max_open,
                "max_kept": limits.max_kept,
                "now_ms": self.now_ms,
            },
        )

    async def claim(self, *, ttl_s: float) -> VideoJob | DeadClaim | None:
        """Return a job to work on for `ttl_s` seconds, and longer with every beat."""
        reply = await self._claim(
            keys=self._state, args={"ttl_ms": _to_ms(ttl_s), "now_ms": self.now_ms}
        )
        if isinstance(reply, NoneDue):
            return None
        job_id = VideoJobId(reply.job_id)
        if isinstance(reply, ClaimEnded):
            try:
                return DeadClaim(job_id, self._seals.open_question(job_id, reply.question))
            except SettingsError:
                return DeadClaim(job_id, None)
        record = decode_record(reply.record)
        try:
            return self._seals.open_job(job_id, record, reply.question, reply.work)
        except SettingsError:
            # No configured key opens it, so nobody will ever work on it.
            ending = VideoEnding(state=VideoState.FAILED, work=VideoWork(), error_code=FAILED_CODE)
            await self._end(job_id, record.fence, ending, b"")
            return DeadClaim(job_id, None)

    async def beat(self, job: VideoJob, percent: int, *, ttl_s: float) -> Going | Unwanted | Lost:
        """Renew the claim on a job."""
        return await self._beat(
            keys=self._state,
            args={
                "job_id": job.id,
                "fence": job.fence,
                "percent": percent,
                "ttl_ms": _to_ms(ttl_s),
                "now_ms": self.now_ms,
            },
        )

    async def advance(
        self, job: VideoJob, state: VideoState, work: VideoWork
    ) -> Advanced | Unwanted | Illegal | Lost:
        """Move a job by its next step; the same step may be told again."""
        return await self._advance(
            keys=self._state,
            args={
                "job_id": job.id,
                "fence": job.fence,
                "step": job.step + 1,
                "state": state.value,
                "part": len(work.parts),
                "found": int(work.can_go_on(job.request)),
                "work": self._seals.seal_work(job.id, work),
            },
        )

    async def finish(self, job: VideoJob, ending: VideoEnding) -> Finished | Illegal | Lost:
        """End a job that the caller works on."""
        return await self._end(
            job.id, job.fence, ending, self._seals.seal_work(job.id, ending.work)
        )

    async def _end(
        self, job_id: VideoJobId, fence: int, ending: VideoEnding, work: bytes
    ) -> Finished | Illegal | Lost:
        return await self._finish(
            keys=self._state,
            args={
                "job_id": job_id,
                "fence": fence,
                "state": ending.state.value,
                "work": work,
                "media": ending.media or "",
                "code": ending.error_code,
                "message": ending.error_message,
                "now_ms": self.now_ms,
            },
        )

    async def release(self, job: VideoJob) -> Released | Lost:
        """Let another process go on with a job."""
        return await self._release(
            keys=self._state, args={"job_id": job.id, "fence": job.fence, "now_ms": self.now_ms}
        )

    async def cancel(
        self, owner: ClientKeyId, job_id: VideoJobId
    ) -> Cancelled | Cancelling | Ended | Unknown:
        """Cancel a job of `owner`."""
        return await self._cancel(
            keys=self._state, args={"job_id": job_id, "owner": owner, "now_ms": self.now_ms}
        )

    async def delete(self, owner: ClientKeyId, job_id: VideoJobId) -> Deleted | Deleting | Unknown:
        """Forget a job of `owner`; it is cancelled if need be."""
        return await self._delete(
            keys=self._state, args={"job_id": job_id, "owner": owner, "now_ms": self.now_ms}
        )

    async def has_token(self, owner: ClientKeyId, token: str) -> bool:
        """Whether a job of `owner` was created with a token that is still remembered."""
        return await has_token(self._redis, owner, token, now_ms=self.now_ms)

    async def count_unfinished(self) -> int:
        """Return how many jobs of all owners have not ended."""
        return await reads.sorted_length(self._redis, keys.video_due())

    async def find(self, owner: ClientKeyId, job_id: VideoJobId) -> VideoJob | None:
        """Return a job of `owner`."""
        found = await read_videos(self._redis, self._seals, owner, [job_id])
        return found[0] if found else None

    async def list(
        self,
        owner: ClientKeyId,
        *,
        after: VideoJobId | None = None,
        limit: int = 20,
        is_ascending: bool = False,
    ) -> VideoPage | None:
        """Return up to `limit` jobs behind `after`, by age; None if there is no such job."""
        return await read_page(
            self._redis, self._seals, owner, after=after, limit=limit, is_ascending=is_ascending
        )


def _to_ms(seconds: float) -> int:
    return round(seconds * 1000)
