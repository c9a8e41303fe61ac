"""One attempt at a video with one account: from the granted lease to its release."""

import msgspec
import structlog

from grok2api.domain.model import OPERATIONS, Capability
from grok2api.domain.video import VideoMade, VideoPart, VideoPlan, VideoState
from grok2api.domain.video_job import VideoWork
from grok2api.error_kinds import ErrorKind
from grok2api.errors import (
    GatewayError,
    InternalError,
    Scope,
    UpstreamError,
)
from grok2api.providers.session import UpstreamSession
from grok2api.services.attempt import AttemptRecord, count_attempt, release_lease
from grok2api.services.leases import HeldLease
from grok2api.services.uploads import Uploads
from grok2api.services.verdict import Verdict, judge
from grok2api.services.video_claim import VideoClaim, VideoUnknownError
from grok2api.services.video_fetch import VideoFetcher
from grok2api.services.video_parts import VideoParts
from grok2api.store.accounts import Release

log = structlog.get_logger(__name__)

_NOBODY_SAID_NO = frozenset({Scope.UPSTREAM, Scope.EGRESS})


class VideoAttempt:
    """Makes all parts of a video with one account, and ends its lease with the right outcome."""

    __slots__ = (
        "_claim",
        "_fetcher",
        "_fingerprint",
        "_held",
        "_is_used",
        "_parts",
        "_record",
        "_session",
        "_started_s",
        "_uploads",
        "_verdict",
        "_videos",
    )

    def __init__(
        self,
        parts: VideoParts,
        fetcher: VideoFetcher,
        claim: VideoClaim,
        held: HeldLease,
        fingerprint: str,
    ) -> None:
        lease, provider = held.lease, parts.dispatch.providers[held.lease.pool.kind]
        self._parts = parts
        self._fetcher = fetcher
        self._claim = claim
        self._held = held
        self._fingerprint = fingerprint
        self._is_used = False
        self._record = AttemptRecord(lease.account_id)
        self._started_s = parts.dispatch.clock.monotonic_s()
        self._verdict = Verdict.cancelled()
        self._videos = parts.videos_of(lease.pool.kind)
        self._session = fetcher.build_session(lease.account_id, lease.credentials, lease.user_id)
        self._uploads = Uploads(provider.files, parts.dispatch.cleanup, parts.dispatch.files)

    async def make(self) -> UpstreamSession:
        """Make the video; the job is `storing` then. Return the session that it lies with.

        Raises:
            UpstreamError: this account's try failed; the job is `accepted` if another may try.
            VideoUnknownError: it may be under way, and cannot be found.
        """
        request = self._claim.job.request
        try:
            async with self._parts.references.loaded(self._claim.job) as files:
                uploaded = await self._uploads.put(files, self._session, for_media=True)
            self._session = msgspec.structs.replace(self._session, attachments=uploaded)
            plan = await self._videos.prepare(request, self._session)
            done: tuple[VideoPart, ...] = ()
            while len(done) < len(request.segments):
                done = (*done, await self._make_part(plan, done))
        except UpstreamError as error:
            self._record.error_kind = error.kind
            self._verdict = judge(error)
            raise
        except GatewayError as error:
            self._fail_elsewhere(error.kind)
            raise
        except VideoUnknownError:
            self._fail_elsewhere(ErrorKind.UPSTREAM_PROTOCOL)
            raise
        self._verdict = Verdict.ok()
        account = self._held.lease.account_id
        whole = VideoWork(account=account, plan=plan, parts=done, url=done[-1].url)
        await self._claim.advance(VideoState.STORING, whole)
        return self._session

    def _fail_elsewhere(self, kind: ErrorKind) -> None:
        self._record.error_kind = kind
        self._verdict = Verdict.not_at_fault()

    async def close(self) -> None:
        """Free the slot, also when the job was cancelled; its units are settled if it was used."""
        dispatch, verdict = self._parts.dispatch, self._verdict
        self._record.outcome = verdict.outcome
        self._record.duration_s = dispatch.clock.monotonic_s() - self._started_s
        count_attempt(dispatch, OPERATIONS[Capability.VIDEO], self._record)
        dispatch.keeper.drop(self._held)
        self._uploads.discard()
        how = Release(
            outcome=verdict.outcome,
            is_used=self._is_used,
            cooldown_s=verdict.cooldown_s,
            first_rest_s=dispatch.account.cooldown_s,
            longest_rest_s=dispatch.account.max_cooldown_s,
            reason=verdict.reason,
            fingerprint=self._fingerprint if verdict.is_suspicious else "",
        )
        await dispatch.cleanup.run(release_lease(dispatch.accounts, self._held.lease, how))

    async def _make_part(self, plan: VideoPlan, done: tuple[VideoPart, ...]) -> VideoPart:
        """Ask for the part behind `done`, once."""
        work = VideoWork(account=self._held.lease.account_id, plan=plan, parts=done)
        await self._claim.advance(VideoState.SUBMITTING, work)
        # From here on it may have been counted, whatever becomes of this process' question.
        was_used, self._is_used = self._is_used, True
        is_taken = False
        try:
            asked = self._videos.render(self._claim.job.request, plan, done, self._session)
            async with asked as batches:
                is_taken = True
                await self._claim.advance(VideoState.SUBMITTED, work)
                async for batch in batches:
                    for event in batch:
                        if isinstance(event, VideoMade):
                            return event.part
                        await self._note(work, event.part, event.percent)
        except UpstreamError as error:
            if error.may_be_running:
                return await self._find(error)
            if not is_taken:
                self._is_used = was_used or _may_have_counted(error)
                if not done:
                    await self._claim.advance(VideoState.ACCEPTED, VideoWork())
            raise
        raise InternalError("The server made a mistake.", detail="no part and no error")

    async def _note(self, work: VideoWork, part: VideoPart, percent: int) -> None:
        self._claim.note_progress(percent)
        if part != self._claim.job.work.current:
            known = msgspec.structs.replace(work, current=part)
            await self._claim.advance(VideoState.POLLING, known)

    async def _find(self, error: UpstreamError) -> VideoPart:
        """Look for a part whose answer was lost; it is never asked for again.

        Raises:
            VideoUnknownError: it cannot be found.
        """
        log.warning(
            "video_answer_lost", video=self._claim.job.id, error=error.kind, detail=error.detail
        )
        part = self._claim.job.work.current
        url = await self._fetcher.search(self._claim.job, part, self._session)
        if not url:
            raise VideoUnknownError
        return msgspec.structs.replace(part, url=url)


def _may_have_counted(error: UpstreamError) -> bool:
    """Whether a failed call may have cost a query: nobody said that it was refused."""
    return error.was_sent and error.status is None and error.scope in _NOBODY_SAID_NO
