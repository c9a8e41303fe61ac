"""Video jobs as clients see them: words for every state, errors, links and pages."""

from typing import Any

import msgspec
import openai.types
import pytest

from grok2api.dialects.openai_videos import (
    render_deleted_video,
    render_video,
    render_videos,
    status_of,
)
from grok2api.domain.ids import ClientKeyId, MediaId, VideoJobId
from grok2api.domain.video import VideoRequest, VideoState
from grok2api.domain.video_job import KeptQuestion, VideoJob

STATUSES = {
    VideoState.ACCEPTED: "queued",
    VideoState.SUBMITTING: "in_progress",
    VideoState.SUBMITTED: "in_progress",
    VideoState.POLLING: "in_progress",
    VideoState.STORING: "in_progress",
    VideoState.DONE: "completed",
    VideoState.FAILED: "failed",
    VideoState.CANCELLED: "failed",
    VideoState.UNKNOWN: "failed",
}


def job(name: str = "video_1", shown: dict[str, str] | None = None, **changes: Any) -> VideoJob:
    request = VideoRequest(model="grok-imagine-video", prompt="dunes", segments=(10, 6))
    plain = VideoJob(
        id=VideoJobId(name),
        owner=ClientKeyId("key_1"),
        question=KeptQuestion(request=request, shown=shown or {}),
        created_at_s=1_700_000_000.9,
    )
    return msgspec.structs.replace(plain, **changes)


def no_link(job: VideoJob) -> str:
    return ""


def render(job: VideoJob) -> dict[str, Any]:
    answer: dict[str, Any] = msgspec.json.decode(render_video(job, no_link))
    return answer


@pytest.mark.parametrize("state", VideoState)
def test_every_state_has_a_word_of_openai(state: VideoState) -> None:
    assert status_of(job(state=state)) == STATUSES[state]
    assert render(job(state=state))["status"] == STATUSES[state]


@pytest.mark.parametrize("state", VideoState)
def test_every_answer_is_what_openais_library_expects(state: VideoState) -> None:
    shown = {"size": "720x1280", "seconds": "16", "quality": "hd", "model": "sora-2"}
    answer = render_video(job(state=state, shown=shown, error_code="x", error_message="y"), no_link)

    video = openai.types.Video.model_validate_json(answer, strict=False)
    assert (video.object, video.size, video.seconds) == ("video", "720x1280", "16")
    assert video.model == "sora-2"


def test_times_are_whole_seconds_or_nothing() -> None:
    early = render(job())
    late = render(job(completed_at_s=1_700_000_060.2, expires_at_s=1_700_604_860.7))

    assert early["created_at"] == 1_700_000_000
    assert (early["completed_at"], early["expires_at"]) == (None, None)
    assert (late["completed_at"], late["expires_at"]) == (1_700_000_060, 1_700_604_860)


def test_job_of_a_chat_shows_what_is_known_of_it() -> None:
    answer = render(job())

    assert (answer["model"], answer["seconds"]) == ("grok-imagine-video", "16")
    assert (answer["size"], answer["quality"]) == ("", "standard")


def test_failure_has_code_and_message_and_only_then() -> None:
    failed = job(state=VideoState.FAILED, error_code="video_generation_failed", error_message="No.")
    cancelled = job(state=VideoState.CANCELLED)

    assert render(failed)["error"] == {"code": "video_generation_failed", "message": "No."}
    assert render(cancelled)["error"] == {
        "code": "cancelled",
        "message": "The video was cancelled.",
    }
    assert render(job(state=VideoState.DONE))["error"] is None


def test_link_is_there_when_there_is_one() -> None:
    done = job(state=VideoState.DONE, media=MediaId("0" * 32))

    assert "url" not in render(done)
    answer = msgspec.json.decode(render_video(done, lambda job: f"https://x.test/{job.media}"))
    assert answer["url"] == f"https://x.test/{'0' * 32}"


@pytest.mark.parametrize("has_more", [True, False])
def test_page_names_its_ends(*, has_more: bool) -> None:
    jobs = [job(f"video_{at}") for at in range(3)]

    page = msgspec.json.decode(render_videos(jobs, no_link, has_more=has_more))

    assert [each["id"] for each in page["data"]] == ["video_0", "video_1", "video_2"]
    assert (page["object"], page["has_more"]) == ("list", has_more)
    assert (page["first_id"], page["last_id"]) == ("video_0", "video_2")


def test_empty_page_has_no_ends() -> None:
    assert msgspec.json.decode(render_videos([], no_link, has_more=False)) == {
        "object": "list",
        "data": [],
        "first_id": None,
        "last_id": None,
        "has_more": False,
    }


def test_deletion_is_told_as_openai_tells_it() -> None:
    answer = openai.types.VideoDeleteResponse.model_validate_json(render_deleted_video("video_1"))

    assert (answer.id, answer.deleted, answer.object) == ("video_1", True, "video.deleted")
