"""Video jobs as they lie in the store: sealed, opened, and read for their owners."""

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct

from grok2api.domain.ids import ClientKeyId, MediaId, VideoJobId
from grok2api.domain.video import VideoState
from grok2api.domain.video_job import (
    UNKNOWN_CODE,
    UNKNOWN_MESSAGE,
    KeptQuestion,
    VideoJob,
    VideoWork,
)
from grok2api.errors import SettingsError
from grok2api.store import keys, reads
from grok2api.store.cipher import SecretCipher
from grok2api.store.connection import RedisClient
from grok2api.store.video_replies import VideoRecord

MAX_PAGE: Final = 100
_RECORD = msgspec.msgpack.Decoder(VideoRecord)
_QUESTION = msgspec.msgpack.Decoder(KeptQuestion)
_WORK = msgspec.msgpack.Decoder(VideoWork)
_encode = msgspec.msgpack.Encoder().encode


class _Token(Struct, frozen=True):
    """What is kept of a token, as far as it is read here; ms since epoch."""

    ends: int


_TOKEN = msgspec.msgpack.Decoder(_Token)


class VideoPage(Struct, frozen=True):
    """Some jobs of an owner. `has_more` says that others follow."""

    jobs: tuple[VideoJob, ...]
    has_more: bool


class VideoSeals:
    """Seals what was said of a job, each value for its own place."""

    __slots__ = ("_cipher",)

    def __init__(self, cipher: SecretCipher) -> None:
        self._cipher = cipher

    def seal_question(self, job_id: VideoJobId, question: KeptQuestion) -> bytes:
        """Return `question` as it may lie in the store."""
        return self._cipher.seal(_encode(question), _context(job_id, "question"))

    def seal_work(self, job_id: VideoJobId, work: VideoWork) -> bytes:
        """Return `work` as it may lie in the store."""
        return self._cipher.seal(_encode(work), _context(job_id, "work"))

    def open_question(self, job_id: VideoJobId, sealed: bytes) -> KeptQuestion:
        """Return what was asked for.

        Raises:
            SettingsError: no configured key opens it.
        """
        return _QUESTION.decode(self._cipher.open(sealed, _context(job_id, "question")))

    def open_job(
        self, job_id: VideoJobId, record: VideoRecord, question: bytes, work: bytes
    ) -> VideoJob:
        """Return a whole job; `work` may be b"".

        Raises:
            SettingsError: no configured key opens it.
        """
        opened = self._cipher.open(work, _context(job_id, "work")) if work else b""
        is_unknown = record.state is VideoState.UNKNOWN and not record.code
        return VideoJob(
            id=job_id,
            owner=ClientKeyId(record.owner),
            question=self.open_question(job_id, question),
            work=_WORK.decode(opened) if opened else VideoWork(),
            state=record.state,
            fence=record.fence,
            step=record.step,
            percent=record.percent,
            created_at_s=record.created / 1000,
            started_at_s=record.started / 1000,
            completed_at_s=record.ended / 1000,
            expires_at_s=(record.ended + record.keep) / 1000 if record.ended else 0.0,
            error_code=UNKNOWN_CODE if is_unknown else record.code,
            error_message=UNKNOWN_MESSAGE if is_unknown else record.message,
            media=MediaId(record.media) if record.media else None,
        )


def decode_record(packed: bytes) -> VideoRecord:
    """Return the record that the scripts keep of a job."""
    return _RECORD.decode(packed)


async def has_token(redis: RedisClient, owner: ClientKeyId, token: str, *, now_ms: int) -> bool:
    """Whether a job of `owner` was created with a token whose time is not over."""
    packed = await reads.hash_get(redis, keys.video_tokens(), f"{owner} {token}")
    if not packed:
        return False
    return _TOKEN.decode(packed).ends > (now_ms or await reads.server_time_ms(redis))


async def read_videos(
    redis: RedisClient, seals: VideoSeals, owner: ClientKeyId, ids: Sequence[VideoJobId]
) -> list[VideoJob]:
    """Return those of `ids` that `owner` has, in their order."""
    if not ids:
        return []
    fields = [f"{job_id}{part}" for job_id in ids for part in ("", " question", " work")]
    found = await reads.hash_get_many(redis, keys.video_jobs(), fields)
    jobs = []
    for at, job_id in enumerate(ids):
        packed, question, work = found[3 * at : 3 * at + 3]
        if not packed or not question:
            continue
        record = decode_record(packed)
        if record.owner != owner or record.gone:
            continue
        try:
            jobs.append(seals.open_job(job_id, record, question, work or b""))
        except SettingsError:
            continue
    return jobs


async def read_page(
    redis: RedisClient,
    seals: VideoSeals,
    owner: ClientKeyId,
    *,
    after: VideoJobId | None,
    limit: int,
    is_ascending: bool,
) -> VideoPage | None:
    """Return up to `limit` jobs behind `after`, by age; None if `owner` has no such job."""
    limit = max(1, min(limit, MAX_PAGE))
    mark = ""
    if after is not None:
        packed = await reads.hash_get(redis, keys.video_jobs(), after)
        record = decode_record(packed) if packed else None
        if record is None or record.owner != owner or record.gone:
            return None
        mark = f"{owner} {record.place} {after}"
    members = await reads.range_of_prefix(
        redis, keys.video_index(), f"{owner} ", mark, limit + 1, is_reversed=not is_ascending
    )
    ids = [VideoJobId(member.rpartition(" ")[2]) for member in members[:limit]]
    jobs = await read_videos(redis, seals, owner, ids)
    return VideoPage(tuple(jobs), has_more=len(members) > limit)


def _context(job_id: VideoJobId, part: str) -> bytes:
    return f"video:{part}:{job_id}".encode()
