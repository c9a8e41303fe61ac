"""Video jobs in the OpenAI API."""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec
from msgspec import UNSET

from grok2api.domain.video import VideoState
from grok2api.domain.video_job import VideoJob
from grok2api.wire.openai.videos import VideoDeletedOut, VideoErrorOut, VideoListOut, VideoOut

_encode = msgspec.json.Encoder().encode
_STATUS: Final = {
    VideoState.ACCEPTED: "queued",
    VideoState.DONE: "completed",
    VideoState.FAILED: "failed",
    VideoState.CANCELLED: "failed",
    VideoState.UNKNOWN: "failed",
}
"""What the API calls a state; all others are `in_progress`."""
CANCELLED_CODE: Final = "cancelled"

LinkOf = Callable[[VideoJob], str]
"""Gives the link to a finished video, "" for none."""


def render_video(job: VideoJob, link_of: LinkOf) -> bytes:
    """Return a job as it is answered."""
    return _encode(_build(job, link_of))


def render_videos(jobs: Sequence[VideoJob], link_of: LinkOf, *, has_more: bool) -> bytes:
    """Return a page of jobs."""
    return _encode(
        VideoListOut(
            data=[_build(job, link_of) for job in jobs],
            first_id=jobs[0].id if jobs else None,
            last_id=jobs[-1].id if jobs else None,
            has_more=has_more,
        )
    )


def render_deleted_video(job_id: str) -> bytes:
    """Return what a deletion is answered with."""
    return _encode(VideoDeletedOut(id=job_id))


def status_of(job: VideoJob) -> str:
    """Return the state of a job in the words of the API."""
    return _STATUS.get(job.state, "in_progress")


def _build(job: VideoJob, link_of: LinkOf) -> VideoOut:
    request, shown = job.request, job.shown
    return VideoOut(
        id=job.id,
        created_at=int(job.created_at_s),
        status=status_of(job),
        model=shown.get("model", job.model),
        progress=job.percent,
        prompt=request.prompt,
        seconds=shown.get("seconds", str(request.seconds)),
        size=shown.get("size", ""),
        quality=shown.get("quality", "standard"),
        completed_at=int(job.completed_at_s) or None,
        expires_at=int(job.expires_at_s) or None,
        error=_error_of(job),
        url=link_of(job) or UNSET,
    )


def _error_of(job: VideoJob) -> VideoErrorOut | None:
    if job.state is VideoState.CANCELLED:
        return VideoErrorOut(CANCELLED_CODE, "The video was cancelled.")
    if not job.error_code:
        return None
    return VideoErrorOut(job.error_code, job.error_message)
