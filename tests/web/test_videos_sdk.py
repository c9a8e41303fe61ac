"""Videos as the official Python SDK asks for them, over a real socket."""

# mypy: disable-error-code="deprecated"

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import openai
import pytest

from grok2api.domain.video import VideoEvent, VideoPart, VideoRequest
from grok2api.errors import ContentRejectedError
from tests.web.conftest import API_KEY, Edge
from tests.web.filmer import mp4
from tests.web.painter import png
from tests.web.test_videos import PNG_URL

MODEL = "grok-imagine-video"

# OpenAI means to shut its own videos down, and says so at every call.
pytestmark = pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning")


@pytest.fixture
async def client(edge: Edge) -> AsyncIterator[openai.AsyncOpenAI]:
    async with (
        httpx2.AsyncClient(timeout=20) as http,
        openai.AsyncOpenAI(
            base_url=f"{edge.url}/v1", api_key=API_KEY, http_client=http, max_retries=0
        ) as made,
    ):
        yield made


async def test_video_is_made_waited_for_and_downloaded(
    client: openai.AsyncOpenAI, tmp_path: Path
) -> None:
    video = await client.videos.create_and_poll(
        model=MODEL, prompt="dunes", seconds="8", size="1280x720", poll_interval_ms=50
    )
    fetch = client.videos.with_streaming_response.download_content(video.id)
    async with fetch as content:
        await content.stream_to_file(tmp_path / "video.mp4")

    assert (video.status, video.progress, video.error) == ("completed", 100, None)
    assert (video.seconds, video.size, video.model) == ("8", "1280x720", MODEL)
    assert video.completed_at is not None
    assert video.expires_at is not None
    assert (tmp_path / "video.mp4").read_bytes() == mp4()
    assert (await client.videos.download_content(video.id)).content == mp4()


async def test_poll_heeds_the_servers_pace(client: openai.AsyncOpenAI, edge: Edge) -> None:
    edge.filmer.gate.clear()
    video = await client.videos.create(model=MODEL, prompt="dunes")
    answer = await client.videos.with_raw_response.retrieve(video.id)
    assert answer.headers["openai-poll-after-ms"] == "2000"
    edge.filmer.gate.set()

    assert (await client.videos.poll(video.id)).status == "completed"


async def test_video_begins_with_a_file(client: openai.AsyncOpenAI, edge: Edge) -> None:
    video = await client.videos.create_and_poll(
        model=MODEL,
        prompt="dunes",
        seconds="4",
        input_reference=("a.png", png(9, 9)),
        poll_interval_ms=50,
    )

    assert (video.status, video.seconds) == ("completed", "6")
    assert [file.content for file in edge.drawer.files.values()] == [png(9, 9)]


async def test_video_begins_with_an_address(client: openai.AsyncOpenAI, edge: Edge) -> None:
    # Its own parameter takes files only, although its type says otherwise.
    body = {"input_reference": {"image_url": PNG_URL}}
    video = await client.videos.create(model=MODEL, prompt="dunes", extra_body=body)
    video = await client.videos.poll(video.id, poll_interval_ms=50)

    assert video.status == "completed"
    assert [file.content for file in edge.drawer.files.values()] == [png()]


async def test_list_turns_its_own_pages(client: openai.AsyncOpenAI, edge: Edge) -> None:
    edge.filmer.gate.clear()
    made = [(await client.videos.create(model=MODEL, prompt=f"{at}")).id for at in range(5)]

    assert [video.id async for video in client.videos.list(limit=2)] == made[::-1]
    oldest_first = client.videos.list(limit=2, order="asc")
    assert [video.id async for video in oldest_first] == made


async def test_deleted_video_is_not_found(client: openai.AsyncOpenAI) -> None:
    video = await client.videos.create_and_poll(model=MODEL, prompt="x", poll_interval_ms=50)

    deleted = await client.videos.delete(video.id)

    assert (deleted.id, deleted.deleted, deleted.object) == (video.id, True, "video.deleted")
    with pytest.raises(openai.NotFoundError):
        await client.videos.retrieve(video.id)
    with pytest.raises(openai.NotFoundError):
        await client.videos.download_content(video.id)


async def withholds(request: VideoRequest, part: VideoPart) -> AsyncIterator[list[VideoEvent]]:
    if request.prompt == "":
        yield []
    raise ContentRejectedError("The video was withheld.")


async def test_failures_are_the_sdks_own(client: openai.AsyncOpenAI, edge: Edge) -> None:
    edge.filmer.play = withholds

    video = await client.videos.create_and_poll(model=MODEL, prompt="x", poll_interval_ms=50)

    assert video.status == "failed"
    assert video.error is not None
    assert video.error.code == "content_policy_violation"
    with pytest.raises(openai.ConflictError):
        await client.videos.download_content(video.id)
    with pytest.raises(openai.BadRequestError) as caught:
        await client.videos.create(model=MODEL, prompt="x", size="huge")  # type: ignore[arg-type]
    assert caught.value.param == "size"


async def test_what_grok_cannot_do_with_videos_is_unknown(client: openai.AsyncOpenAI) -> None:
    video = await client.videos.create_and_poll(model=MODEL, prompt="x", poll_interval_ms=50)

    with pytest.raises(openai.NotFoundError):
        await client.videos.remix(video.id, prompt="y")
