"""What comes after the making of a video: looking for a lost one, upscaling, fetching, keeping."""

import asyncio
from typing import Final

import msgspec
import structlog

from grok2api.domain.account import Credentials, ProviderKind
from grok2api.domain.ids import AccountId, MediaId
from grok2api.domain.media import MediaKind
from grok2api.domain.video import VideoPart, VideoState
from grok2api.domain.video_job import DOWNLOAD_CODE, VideoJob
from grok2api.errors import (
    GatewayError,
    MediaStoreError,
    MediaTooLargeError,
    StoreUnavailableError,
    UpstreamError,
    UpstreamUnavailableError,
)
from grok2api.providers.media import AssetBackend
from grok2api.providers.session import UpstreamSession
from grok2api.services.cleanup import end_if_cancelled
from grok2api.services.video_claim import VideoClaim, VideoUnknownError
from grok2api.services.video_parts import VideoParts, model_of

log = structlog.get_logger(__name__)

BYTES_PER_MB: Final = 1024 * 1024
SEARCH_PAUSE_S: Final = 5.0
FETCH_LIMIT_S: Final = 300.0
"""How long a video that is finished is tried to be fetched and kept."""
LONGEST_PAUSE_S: Final = 30.0
_VIDEO: Final = "video/"
_MP4: Final = "video/mp4"


class VideoFetcher:
    """Finds, fetches and keeps videos that an account has made. `pause_s` is the first pause."""

    __slots__ = ("_limit_s", "_parts", "_pause_s")

    def __init__(
        self,
        parts: VideoParts,
        *,
        pause_s: float = 1.0,
        limit_s: float = FETCH_LIMIT_S,
    ) -> None:
        self._parts = parts
        self._pause_s = pause_s
        self._limit_s = limit_s

    def build_session(
        self, account: AccountId, credentials: Credentials, user_id: str
    ) -> UpstreamSession:
        """Return a session of an account, for as long as a job needs it."""
        accounts = self._parts.dispatch.accounts

        async def remember(found: str) -> None:
            try:
                await accounts.set_user_id(account, found)
            except StoreUnavailableError as error:  # a video must not fail because of it
                log.warning("user_id_not_stored", account=account, detail=error.detail)

        return UpstreamSession(credentials, user_id, remember)

    async def open_session(self, job: VideoJob) -> UpstreamSession:
        """Return a session of the account that made a job which another process began.

        Raises:
            VideoUnknownError: the account is gone, and what it was making.
            UpstreamUnavailableError: it is gone, and the video that it had made.
            StoreUnavailableError: the store did not answer.
        """
        account, accounts = job.account_id, self._parts.dispatch.accounts
        credentials = (await accounts.reveal([account])).get(account)
        if credentials is None and job.state is VideoState.STORING:
            raise UpstreamUnavailableError(
                "The video was made, but the account that has it is gone.", code=DOWNLOAD_CODE
            )
        if credentials is None:
            raise VideoUnknownError
        known = (await accounts.find([account])).get(account)
        return self.build_session(account, credentials, known.user_id if known else "")

    async def recover(self, claim: VideoClaim, session: UpstreamSession) -> None:
        """Find the video of a process that died while it was made; the job is `storing` then.

        Raises:
            VideoUnknownError: it cannot be found.
        """
        work, request = claim.job.work, claim.job.request
        url = ""
        if work.can_go_on(request):
            url = await self.search(claim.job, work.current, session)
        if not url:
            raise VideoUnknownError
        found = msgspec.structs.replace(work.current, url=url)
        whole = msgspec.structs.replace(work, parts=(*work.parts, found), url=url)
        await claim.advance(VideoState.STORING, whole)

    async def search(self, job: VideoJob, part: VideoPart, session: UpstreamSession) -> str:
        """Return where a lost part lies, "" when it was not there in time."""
        kind = model_of(job.request).kind
        url = self._parts.videos_of(kind).guess_url(part, session) if part != VideoPart() else ""
        if not url:
            return ""
        clock = self._parts.dispatch.clock
        until_s = clock.monotonic_s() + self._parts.settings.find_timeout_s
        pause_s = min(SEARCH_PAUSE_S, self._pause_s * SEARCH_PAUSE_S)
        while not await self._is_there(kind, url, session):
            if clock.monotonic_s() + pause_s > until_s:
                return ""
            await asyncio.sleep(pause_s)
            end_if_cancelled()
        return url

    async def _is_there(self, kind: ProviderKind, url: str, session: UpstreamSession) -> bool:
        try:
            async with self._parts.assets_of(kind).download(url, session, is_video=True):
                return True
        except UpstreamError as error:
            log.debug("video_not_found_yet", error=error.kind, status=error.status)
            return False

    async def fetch(self, claim: VideoClaim, session: UpstreamSession) -> MediaId:
        """Fetch and keep the video of a job that is `storing`.

        Raises:
            UpstreamError: it could not be fetched in time.
            MediaStoreError: it could not be kept in time, or is too large.
            StoreUnavailableError: the store was away for too long.
        """
        await self._upscale(claim, session)
        kind, url = model_of(claim.job.request).kind, claim.job.work.url
        assets, clock = self._parts.assets_of(kind), self._parts.dispatch.clock
        until_s, pause_s = clock.monotonic_s() + self._limit_s, self._pause_s
        while True:
            try:
                return await self._fetch_once(assets, url, session)
            except MediaTooLargeError as error:  # nor would it be smaller the next time
                raise UpstreamUnavailableError(
                    "The video was made, but it is larger than may be kept.", code=DOWNLOAD_CODE
                ) from error
            except (UpstreamError, MediaStoreError, StoreUnavailableError) as error:
                log.warning(
                    "video_not_fetched", video=claim.job.id, error=error.kind, detail=error.detail
                )
                if clock.monotonic_s() + pause_s > until_s:
                    raise _explain(error) from error
            await asyncio.sleep(pause_s)
            end_if_cancelled()
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _fetch_once(
        self, assets: AssetBackend, url: str, session: UpstreamSession
    ) -> MediaId:
        limit_bytes = self._parts.settings.max_mb * BYTES_PER_MB
        async with assets.download(url, session, is_video=True) as opened:
            told = opened.media_type
            media = await self._parts.library.put_stream(
                MediaKind.VIDEO,
                opened.chunks(),
                told if told.startswith(_VIDEO) else _MP4,
                limit_bytes=limit_bytes,
            )
        return media.id

    async def _upscale(self, claim: VideoClaim, session: UpstreamSession) -> None:
        """Ask once for a higher resolution, where it is wanted; without one, it stays as it is."""
        work, request = claim.job.work, claim.job.request
        if not request.upscale or work.is_upscaled:
            return
        # Noted before it is asked: whoever takes over does not ask again.
        asked = msgspec.structs.replace(work, is_upscaled=True)
        await claim.advance(VideoState.STORING, asked)
        try:
            backend = self._parts.videos_of(model_of(request).kind)
            url = await backend.upscale(work.parts[-1], session)
        except UpstreamError as error:
            log.warning("video_not_upscaled", video=claim.job.id, error=error.kind)
            return
        await claim.advance(VideoState.STORING, msgspec.structs.replace(asked, url=url))


def _explain(error: GatewayError) -> GatewayError:
    if not isinstance(error, UpstreamError):
        return error
    return UpstreamUnavailableError(
        "The video was made, but it could not be fetched.",
        status=error.status,
        code=DOWNLOAD_CODE,
        detail=error.detail,
    )
