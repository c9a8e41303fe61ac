"""Videos through a whole installation: official SDK, every worker, ranges, long ones, refusals."""

from collections.abc import Iterator
from typing import Any

import httpx2
import openai
import pytest

from grok2api.domain.account import Mode
from grok2api.domain.media import MediaKind
from tests.e2e.conftest import Install
from tests.e2e.studio import SETTINGS, Studio, open_link, videos_of
from tests.web.painter import png

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(120),
    pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning"),
]

WORKERS = 3


@pytest.fixture(scope="module")
def shared(installs: Install) -> Studio:
    return Studio(installs(accounts=0, workers=WORKERS, settings=SETTINGS), accounts=2)


@pytest.fixture
def studio(shared: Studio) -> Iterator[Studio]:
    """Two accounts, and new books, which are closed afterwards."""
    shared.reset()
    yield shared
    shared.close_books()
    shared.check_index(MediaKind.VIDEO)
    assert shared.count(MediaKind.INPUT) == 0
    assert shared.files(MediaKind.INPUT) == {}


@pytest.fixture
def videos(studio: Studio) -> Iterator[Any]:
    with studio.here.client(max_retries=0) as client:
        yield videos_of(client)


def asked(studio: Studio) -> list[tuple[str, str]]:
    return [(each["kind"], each["prompt"]) for each in studio.here.submissions()]


def finish(videos: Any, prompt: str = "a boat", **options: Any) -> Any:
    made = videos.create_and_poll(prompt=prompt, poll_interval_ms=50, **options)
    assert made.status == "completed", made.error
    return made


def test_video_is_made_told_by_every_worker_and_fetched_byte_for_byte(
    studio: Studio, videos: Any
) -> None:
    video = finish(videos, "a boat", seconds="8", size="1280x720")

    told = studio.by_every_worker(lambda: _ask_alone(studio, video.id))

    assert told == [video.to_dict()] * WORKERS
    (original,) = studio.upstream_files().values()
    assert videos.download_content(video.id).read() == original
    assert open_link(video.url) == original
    assert (video.progress, video.seconds, video.size) == (100, "8", "1280x720")
    assert asked(studio) == [("video", "a boat")]
    assert studio.used(Mode.VIDEO_720P) == studio.spent(Mode.VIDEO_720P) == [1, 0]


def _ask_alone(studio: Studio, video_id: str) -> dict[str, Any]:
    """Ask on a connection of its own, since a worker keeps those that it has."""
    with studio.here.client(max_retries=0) as client:
        told: dict[str, Any] = videos_of(client).retrieve(video_id).to_dict()
        return told


def test_video_begins_with_the_picture_that_is_given(studio: Studio, videos: Any) -> None:
    picture = png(90, 160)

    given = ("a.png", picture, "image/png")
    video = finish(videos, "it moves", seconds="8", input_reference=given)

    (page,) = (page for page in studio.here.pages() if page["uploads"])
    assert (page["upload_bytes"], page["posts"]) == (len(picture), 1)
    assert video.seconds == "10", "the upstream has few lengths with pictures"
    assert asked(studio) == [("video", "it moves")]
    assert open_link(video.url) in studio.upstream_files().values()


def test_parts_of_a_video_are_sent_as_asked(studio: Studio, videos: Any) -> None:
    video = finish(videos)
    whole = videos.download_content(video.id).read()
    size = len(whole)
    ranges = {"bytes=0-0": whole[:1], "bytes=100-": whole[100:], "bytes=-7": whole[-7:]}

    for asked_for, part in ranges.items():
        content = videos.with_raw_response.download_content(
            video.id, extra_headers={"range": asked_for}
        )
        assert (content.status_code, content.content) == (206, part)
    beyond = httpx2.get(video.url, headers={"range": f"bytes={size}-"})

    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{size}")


def test_videos_are_listed_until_they_are_deleted(studio: Studio, videos: Any) -> None:
    made = [finish(videos, f"number {at}").id for at in range(3)]

    listed = [video.id for video in videos.list(limit=2)]
    videos.delete(made[1])
    left = [video.id for video in videos.list(limit=2)]

    assert listed[:3] == made[::-1]
    assert left[:2] == [made[2], made[0]]
    with pytest.raises(openai.NotFoundError):
        videos.retrieve(made[1])
    with pytest.raises(openai.NotFoundError):
        videos.download_content(made[1])


def test_long_video_is_made_in_two_parts_and_enlarged_once(studio: Studio, videos: Any) -> None:
    more = {"seconds": "20", "quality": "hd"}

    video = finish(videos, "a long way", extra_body=more)

    assert (video.seconds, video.quality) == ("20", "hd")
    assert asked(studio) == [("video", "a long way"), ("extension", "a long way")]
    assert sum(page["upscales"] for page in studio.here.pages()) == 1
    ((path, original),) = studio.upstream_files().items()
    assert "hd" in path
    assert open_link(video.url) == original
    assert studio.used(Mode.VIDEO_720P) == studio.spent(Mode.VIDEO_720P) == [2, 0]


def test_same_question_under_the_same_key_is_one_job(studio: Studio, videos: Any) -> None:
    header = {"idempotency-key": "k-1"}

    jobs = [videos.create(prompt="once", extra_headers=header).id for _ in range(5)]
    with pytest.raises(openai.ConflictError):
        videos.create(prompt="twice", extra_headers=header)
    made = videos.poll(jobs[0], poll_interval_ms=50)

    assert (len(set(jobs)), made.status) == (1, "completed")
    assert asked(studio) == [("video", "once")]


def test_withheld_video_is_told_and_not_asked_for_again(studio: Studio, videos: Any) -> None:
    prompt = "a crime [[sim: moderated=1]]"

    video = videos.create_and_poll(prompt=prompt, poll_interval_ms=50)

    assert video.error is not None
    assert (video.status, video.error.code) == ("failed", "content_policy_violation")
    assert asked(studio) == [("video", prompt)]
    with pytest.raises(openai.ConflictError):
        videos.download_content(video.id)


@pytest.mark.parametrize(
    ("fault", "ends", "tries"),
    [("rate_limited", None, 2), ("server_error", "video_state_unknown", 1)],
)
def test_only_a_plain_refusal_is_followed_by_another_account(
    studio: Studio, videos: Any, fault: str, ends: str | None, tries: int
) -> None:
    studio.here.script("video", f"fault={fault}")

    video = videos.create_and_poll(prompt="a gate", poll_interval_ms=50)

    assert (video.error and video.error.code) == ends
    assert asked(studio) == [("video", "a gate")] * tries


def test_chat_shows_a_video_that_opens(studio: Studio) -> None:
    messages: list[Any] = [{"role": "user", "content": "Film a heron."}]

    with (
        studio.here.client(max_retries=0) as client,
        client.chat.completions.create(
            model="grok-imagine-video", messages=messages, stream=True
        ) as stream,
    ):
        chunks = [chunk.choices[0].delta for chunk in stream if chunk.choices]

    assert any("%" in getattr(delta, "reasoning_content", "") for delta in chunks)
    link = "".join(delta.content or "" for delta in chunks).strip()
    assert [open_link(link)] == list(studio.upstream_files().values())
    assert len(asked(studio)) == 1
