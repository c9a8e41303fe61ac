"""Has a video made: by one account after the other until one takes the request on."""

import asyncio
import random
from typing import Final

import msgspec
import structlog

from grok2api.domain.model import Route
from grok2api.domain.selection import Wish
from grok2api.domain.video import MODE_OF_RESOLUTION, VideoState
from grok2api.domain.video_job import VideoJob
from grok2api.errors import (
    NoAccountAvailableError,
    RateLimitExceededError,
    Scope,
    StoreUnavailableError,
    UpstreamError,
)
from grok2api.providers.session import UpstreamSession
from grok2api.services.cleanup import end_if_cancelled
from grok2api.services.leases import HeldLease
from grok2api.services.verdict import FailureTally, may_try_other
from grok2api.services.video_attempt import VideoAttempt
from grok2api.services.video_claim import VideoClaim
from grok2api.services.video_fetch import VideoFetcher
from grok2api.services.video_parts import VideoParts, model_of
from grok2api.services.video_references import fingerprint_of

log = structlog.get_logger(__name__)

LONGEST_WAIT_S: Final = 15.0
"""How long a job that no account could take waits before it asks again."""


class VideoMaker:
    """Leases accounts until one of them makes the video.

    Once the upstream may have taken the request on, it stays with that account.
    """

    __slots__ = ("_fetcher", "_parts")

    def __init__(self, parts: VideoParts, fetcher: VideoFetcher) -> None:
        self._parts = parts
        self._fetcher = fetcher

    async def make(self, claim: VideoClaim) -> UpstreamSession:
        """Make the video of an accepted job; it is `storing` then.

        Return the session of the account that it lies with.

        Raises:
            GatewayError: why it was not made; for an `UpstreamError` the last one.
            VideoUnknownError: it may be under way, and cannot be found.
        """
        wish, route = build_wish(claim.job), _route_of(claim.job)
        retry = self._parts.dispatch.retry
        tally = FailureTally(retry.max_attempts)
        failure: UpstreamError | None = None
        while True:
            held = await self._lend(wish, route, failure)
            attempt = VideoAttempt(self._parts, self._fetcher, claim, held, wish.fingerprint)
            tried = (*wish.exclude, held.lease.account_id)
            wish = msgspec.structs.replace(wish, exclude=tried)
            try:
                return await self._try(attempt)
            except UpstreamError as error:
                is_over = claim.job.state is not VideoState.ACCEPTED or not may_try_other(error)
                log.info(
                    "video_attempt_failed",
                    video=claim.job.id,
                    account=held.lease.account_id,
                    error=error.kind,
                    status=error.status,
                    detail=error.detail,
                )
                tally.note(error)
                if is_over or len(tried) >= retry.max_attempts or tally.is_hopeless:
                    raise
                failure = error
            await asyncio.sleep(self._backoff_s(failure, len(tried)))
            end_if_cancelled()

    async def _try(self, attempt: VideoAttempt) -> UpstreamSession:
        try:
            return await attempt.make()
        finally:
            await attempt.close()

    def _backoff_s(self, failure: UpstreamError, tries: int) -> float:
        if failure.scope is Scope.ACCOUNT:
            return 0.0
        retry = self._parts.dispatch.retry
        return random.uniform(0, min(retry.base_delay_s * 2**tries, retry.max_delay_s))  # noqa: S311

    async def _lend(self, wish: Wish, route: Route, failure: UpstreamError | None) -> HeldLease:
        """Return an account; while all are busy or rest, a job waits as long as one may last.

        Where it would have to wait longer than that it does not wait at all.
        """
        clock, lender = self._parts.dispatch.clock, self._parts.dispatch.lender
        longest_s = self._parts.settings.timeout_s
        until_s = clock.monotonic_s() + longest_s
        while True:
            try:
                return await lender.lend(wish, route)
            except NoAccountAvailableError as error:
                if failure is not None:
                    raise failure from None  # it says more than that nobody else is there
                wait_s = error.retry_after_s
                if wait_s is None or wait_s > longest_s or clock.monotonic_s() > until_s:
                    raise
            except (RateLimitExceededError, StoreUnavailableError) as error:
                wait_s = error.retry_after_s or 1.0
                if clock.monotonic_s() > until_s:
                    raise
            await asyncio.sleep(min(wait_s, LONGEST_WAIT_S) * random.uniform(0.5, 1.0))  # noqa: S311
            end_if_cancelled()


def build_wish(job: VideoJob) -> Wish:
    """Return what a job needs of an account: the queries of all its parts."""
    request, question, model = job.request, job.question, model_of(job.request)
    return Wish(
        pools=_route_of(job).pools,
        modes=(MODE_OF_RESOLUTION[request.resolution],),
        units=len(request.segments) * model.cost,
        key=question.key,
        weight=question.weight,
        tags=question.tags,
        fingerprint=fingerprint_of(request, [kept.ref for kept in question.references]),
    )


def _route_of(job: VideoJob) -> Route:
    mode = MODE_OF_RESOLUTION[job.request.resolution]
    return Route(requested=job.model, model=model_of(job.request), modes=(mode,))
