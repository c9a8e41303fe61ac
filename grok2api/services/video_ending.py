"""How video jobs end: what their work came to, and what is told of it."""

import asyncio

import structlog

from grok2api.domain.video import VideoState
from grok2api.domain.video_job import (
    DOWNLOAD_CODE,
    FAILED_CODE,
    NO_ACCOUNT_CODE,
    REJECTED_CODE,
    STORE_CODE,
    UNKNOWN_CODE,
    UNKNOWN_MESSAGE,
    VideoEnding,
)
from grok2api.errors import (
    ContentRejectedError,
    GatewayError,
    MediaStoreError,
    NoAccountAvailableError,
    StoreUnavailableError,
    UpstreamError,
)
from grok2api.services.video_claim import (
    ClaimLostError,
    VideoClaim,
    VideoUnknownError,
    VideoUnwantedError,
)

log = structlog.get_logger(__name__)


def ending_of(work: "asyncio.Task[VideoEnding]", claim: VideoClaim) -> VideoEnding | None:
    """Return how a job ends whose work is done; None: another process should try.

    Raises:
        ClaimLostError: the job is not ours any more.
    """
    try:
        return work.result()
    except VideoUnwantedError:
        return end_as(claim, VideoState.CANCELLED)
    except VideoUnknownError:
        return end_as(claim, VideoState.UNKNOWN, UNKNOWN_CODE, UNKNOWN_MESSAGE)
    except StoreUnavailableError as error:
        log.warning("video_work_stopped", video=claim.job.id, detail=error.detail)
        return None
    except GatewayError as error:
        log.warning(
            "video_failed",
            video=claim.job.id,
            error=error.kind,
            detail=error.detail or error.message,
        )
        return end_as(claim, VideoState.FAILED, _code_of(error), error.message)
    except Exception as error:
        if isinstance(error, ClaimLostError):
            raise
        log.exception("video_crashed", video=claim.job.id, exc_info=error)
        return end_as(claim, VideoState.FAILED, FAILED_CODE, "The server made a mistake.")


def end_as(claim: VideoClaim, state: VideoState, code: str = "", message: str = "") -> VideoEnding:
    """Return an end without a video."""
    return VideoEnding(state=state, work=claim.job.work, error_code=code, error_message=message)


def _code_of(error: GatewayError) -> str:
    match error:
        case ContentRejectedError():
            return REJECTED_CODE
        case NoAccountAvailableError():
            return NO_ACCOUNT_CODE
        case MediaStoreError():
            return STORE_CODE
        case UpstreamError(code=code) if code == DOWNLOAD_CODE:
            return DOWNLOAD_CODE
        case _:
            return FAILED_CODE
