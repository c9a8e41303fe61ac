"""Models of videos through the chat APIs: progress, the video, and what is refused."""

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import msgspec
import pytest

from grok2api.config.features import FeatureSettings
from grok2api.config.media import VideoSettings
from grok2api.domain.account import Credentials, Pool, ProviderKind, Tier
from grok2api.domain.ids import AccountId
from grok2api.domain.video import (
    Preset,
    Resolution,
    VideoEvent,
    VideoPart,
    VideoRequest,
    VideoState,
)
from grok2api.domain.video_job import (
    DOWNLOAD_CODE,
    FAILED_CODE,
    NO_ACCOUNT_CODE,
    REJECTED_CODE,
    STORE_CODE,
    UNKNOWN_CODE,
    VideoEnding,
    VideoJob,
)
from grok2api.errors import ContentRejectedError, UpstreamUnavailableError
from grok2api.store.accounts import NewAccount
from grok2api.store.cipher import SecretCipher
from grok2api.store.connection import RedisClient
from grok2api.store.videos import VideoStore
from grok2api.wire.sse import SSEParser
from tests.web.conftest import API_KEY, TEST_SETTINGS, WAIT_S, Edge, EdgeMaker, wait_until
from tests.web.filmer import SITE, mp4
from tests.web.painter import png

CHAT = "/v1/chat/completions"
AWAY_MS = 4000
PNG_URL = "data:image/png;base64," + base64.b64encode(png()).decode()


def asks(text: object = "Dunes.", **more: object) -> dict[str, Any]:
    body = {"model": "grok-imagine-video", "messages": [{"role": "user", "content": text}]}
    return body | more


def words(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def shot(shade: int = 0) -> dict[str, Any]:
    url = "data:image/png;base64," + base64.b64encode(png(shade=shade)).decode()
    return {"type": "image_url", "image_url": {"url": url}}


def error_of(response: httpx2.Response) -> tuple[int, str | None, str | None]:
    error = response.json()["error"]
    return response.status_code, error["code"], error["param"]


def with_format(video_format: Any) -> Any:
    features = FeatureSettings(video_format=video_format)
    return msgspec.structs.replace(TEST_SETTINGS, features=features)


async def jobs_of(edge: Edge) -> list[dict[str, Any]]:
    jobs: list[dict[str, Any]] = (await edge.client.get("/v1/videos")).json()["data"]
    return jobs


async def is_asked(edge: Edge) -> None:
    async def has_request() -> bool:
        return bool(edge.filmer.requests)

    await wait_until(has_request)


async def all_cancelled(edge: Edge) -> None:
    async def are_cancelled() -> bool:
        # It is an error while the store is away.
        jobs = (await edge.client.get("/v1/videos")).json().get("data", [])
        return bool(jobs) and all((job["error"] or {}).get("code") == "cancelled" for job in jobs)

    await wait_until(are_cancelled)


@pytest.mark.parametrize(
    ("video_format", "before", "after"),
    [
        ("grok_url", f"{SITE}/vid-1/generated_video.mp4", ""),
        ("grok_html", f'<video controls src="{SITE}/vid-1/generated_video.mp4"></video>', ""),
        ("local_url", "http://127.0.0.1:", ""),
        ("local_html", '<video controls src="http://127.0.0.1:', '"></video>'),
    ],
)
async def test_operator_chooses_how_videos_are_shown(
    make_edge: EdgeMaker, video_format: Any, before: str, after: str
) -> None:
    async with make_edge(with_format(video_format)) as edge:
        message = (await edge.client.post(CHAT, json=asks())).json()["choices"][0]["message"]

        content = message["content"]
        assert content.startswith(before)
        assert content.endswith(after)
        assert message["reasoning_content"].splitlines()[-1] == "100 %"
        if video_format.startswith("local"):
            link = content.removeprefix('<video controls src="').removesuffix(after)
            async with httpx2.AsyncClient() as stranger:
                assert (await stranger.get(link.replace("&amp;", "&"))).content == mp4()


async def test_stream_tells_progress_before_the_video(edge: Edge) -> None:
    edge.filmer.gate.clear()
    body = msgspec.json.encode(asks(stream=True))
    parser, events = SSEParser(), []
    async with edge.client.stream("POST", CHAT, content=body) as response:
        assert response.headers["x-grok2api-mode"] == "video_720p"
        async for piece in response.aiter_bytes():
            events += parser.feed(piece)
            if any("60 %" in event.data for event in events):
                edge.filmer.gate.set()

    assert events[-1].data == "[DONE]"
    chunks = [msgspec.json.decode(event.data) for event in events[:-1]]
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks if chunk["choices"]]
    told = "".join(delta.get("reasoning_content") or "" for delta in deltas)
    assert [int(line.removesuffix(" %")) for line in told.splitlines()] == [60, 100]
    shown = [delta["content"] for delta in deltas if delta.get("content")]
    (link,) = shown
    assert link.startswith(f"{edge.url}/v1/files/video?")


async def test_video_is_made_as_the_chat_wants_it(edge: Edge) -> None:
    pool = Pool(ProviderKind.GROK_WEB, Tier.SUPER)  # others make no small videos
    await edge.store.save(NewAccount(AccountId("acc_2"), pool, Credentials("s-2"), mask="…"))
    config = {"seconds": 16, "size": "1792x1024", "resolution_name": "480p", "preset": "spicy"}

    response = await edge.client.post(CHAT, json=asks(video_config=config | {"upscale": True}))

    assert response.headers["x-grok2api-mode"] == "video"
    request = edge.filmer.requests[-1]
    assert (request.segments, request.aspect_ratio) == ((10, 6), "16:9")
    assert (request.resolution, request.preset) == (Resolution.P480, Preset.SPICY)
    assert edge.filmer.upscaled == ["vid-2"]


async def test_other_names_of_the_fork_mean_the_same(edge: Edge) -> None:
    config = {"video_length": 10, "aspect_ratio": "3:2", "resolution": "720p", "quality": "high"}

    await edge.client.post(CHAT, json=asks(video_config=config))

    (request,) = edge.filmer.requests
    assert (request.segments, request.aspect_ratio, request.upscale) == ((10,), "3:2", True)


async def test_last_words_of_the_user_and_pictures_since_are_what_counts(edge: Edge) -> None:
    messages = [
        {"role": "system", "content": "You are a director."},
        {"role": "user", "content": [words("A cat."), shot(1)]},
        {"role": "assistant", "content": "Which one?"},
        {"role": "user", "content": [words("Two"), shot(2), words("dunes.")]},
        {"role": "user", "content": [shot(3)]},
        {"role": "assistant", "content": "Well…"},
    ]

    await edge.client.post(CHAT, json=asks(messages=messages))

    assert [request.prompt for request in edge.filmer.requests] == ["Two dunes."]
    contents = [file.content for file in edge.drawer.files.values()]
    assert contents == [png(shade=2), png(shade=3)]
    assert edge.drawer.for_media == list(edge.drawer.files)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (asks(""), "messages"),
        (asks([shot()]), "messages"),
        (asks(messages=[{"role": "system", "content": "Dunes."}]), "messages"),
        (asks("x" * 32_001), "messages[0].content"),
        (asks([words("x"), *(shot(at) for at in range(8))]), "messages[0].content[8]"),
        (
            asks([words("x"), {"type": "image_url", "image_url": {"url": "data:,words"}}]),
            "messages[0].content[1]",
        ),
        (asks(video_config={"seconds": 17}), "video_config.seconds"),
        (asks(video_config={"seconds": "long"}), "video_config.seconds"),
        (asks([words("x"), shot()], video_config={"seconds": 7}), "video_config.seconds"),
        (asks(video_config={"preset": "fun", "video_length": 7}), "video_config.video_length"),
        (asks(video_config={"video_length": "x"}), "video_config.video_length"),
        (asks(video_config={"size": "huge"}), "video_config.size"),
        (asks(video_config={"aspect_ratio": "tall"}), "video_config.aspect_ratio"),
        (asks(video_config={"resolution_name": "4k"}), "video_config.resolution_name"),
        (asks(video_config={"preset": "calm"}), "video_config.preset"),
        (asks(video_config={"quality": "ultra"}), "video_config.quality"),
        (asks(video_config={"upscale": "x"}), "video_config.upscale"),
        (asks(video_config=5), "video_config"),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
async def test_what_cannot_be_filmed_is_refused_before_anything_is_begun(
    edge: Edge, body: dict[str, Any], param: str, *, stream: bool
) -> None:
    response = await edge.client.post(CHAT, json=body | {"stream": stream})

    status, _, named = error_of(response)
    assert (status, named) == (400, param)
    assert not edge.filmer.requests
    assert not await jobs_of(edge)
    assert not sum(usage.count for usage in await edge.state.media.usage())


async def test_older_protocol_makes_few_lengths(make_edge: EdgeMaker) -> None:
    settings = msgspec.structs.replace(TEST_SETTINGS, video=VideoSettings(protocol="older"))
    async with make_edge(settings) as edge:
        response = await edge.client.post(CHAT, json=asks(video_config={"seconds": 7}))

        assert error_of(response) == (400, "invalid_value", "video_config.seconds")


@pytest.mark.parametrize("stream", [True, False])
async def test_client_that_leaves_cancels_its_video(edge: Edge, *, stream: bool) -> None:
    edge.filmer.gate.clear()
    writer = await ask_and_read_nothing(edge, stream=stream)
    await is_asked(edge)

    writer.close()

    await all_cancelled(edge)
    await asyncio.wait_for(edge.filmer.closed.wait(), WAIT_S)
    await edge.leases_are_free()


async def ask_and_read_nothing(edge: Edge, *, stream: bool = False) -> asyncio.StreamWriter:
    """Ask over a connection of its own; leave by closing it."""
    body = msgspec.json.encode(asks(stream=stream))
    head = (
        f"POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {API_KEY}\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    _, writer = await edge.open()
    writer.write(head.encode() + body)
    return writer


async def test_client_that_leaves_while_its_job_is_created_leaves_none_behind(
    edge: Edge, redis: RedisClient
) -> None:
    edge.state.videos.runner.begin_draining()
    await redis.execute_command("CLIENT", "PAUSE", 60_000, "WRITE")
    writer = await ask_and_read_nothing(edge)

    async def is_being_created() -> bool:
        clients = str(await redis.execute_command("INFO", "clients"))
        return "blocked_clients:0" not in clients

    await wait_until(is_being_created)

    writer.close()
    await writer.wait_closed()
    await asyncio.sleep(0.1)
    await redis.execute_command("CLIENT", "UNPAUSE")

    await all_cancelled(edge)


async def test_client_that_leaves_while_the_store_is_away_leaves_nothing_running(
    edge: Edge, redis: RedisClient
) -> None:
    edge.filmer.gate.clear()
    writer = await ask_and_read_nothing(edge)
    await is_asked(edge)

    await redis.execute_command("CLIENT", "PAUSE", AWAY_MS, "ALL")
    writer.close()

    await all_cancelled(edge)
    await asyncio.wait_for(edge.filmer.closed.wait(), WAIT_S)


async def withholds(request: VideoRequest, part: VideoPart) -> AsyncIterator[list[VideoEvent]]:
    if request.prompt == "":
        yield []
    raise ContentRejectedError("The video was withheld.")


async def gets_lost(request: VideoRequest, part: VideoPart) -> AsyncIterator[list[VideoEvent]]:
    if request.prompt == "":
        yield []
    error = UpstreamUnavailableError("The stream broke.")
    error.may_be_running = True
    raise error


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("play", "expected"),
    [
        (withholds, (400, "content_policy_violation", None)),
        (gets_lost, (502, "video_state_unknown", None)),
    ],
)
async def test_failed_video_is_an_error_of_the_chat(
    edge: Edge, play: Any, expected: tuple[int, str, None], *, stream: bool
) -> None:
    edge.filmer.play = play

    response = await edge.client.post(CHAT, json=asks(stream=stream))

    assert error_of(response) == expected
    assert len(edge.filmer.requests) == 1


async def test_pool_that_has_nothing_is_told_as_such(edge: Edge) -> None:
    # The only account there is makes no small videos.
    response = await edge.client.post(CHAT, json=asks(video_config={"resolution": "480p"}))

    assert error_of(response) == (503, "no_account_available", None)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (FAILED_CODE, 502),
        (DOWNLOAD_CODE, 502),
        (UNKNOWN_CODE, 502),
        (STORE_CODE, 503),
        (NO_ACCOUNT_CODE, 503),
        (REJECTED_CODE, 400),
    ],
)
async def test_every_failure_of_a_job_is_an_error_of_the_chat(
    edge: Edge, redis: RedisClient, cipher: SecretCipher, code: str, status: int
) -> None:
    edge.state.videos.runner.begin_draining()
    store = VideoStore(redis, cipher)
    claimed: list[VideoJob] = []

    async def is_claimed() -> bool:
        if isinstance(job := await store.claim(ttl_s=WAIT_S), VideoJob):
            claimed.append(job)
        return bool(claimed)

    async with asyncio.TaskGroup() as group:
        asked = group.create_task(edge.client.post(CHAT, json=asks()))
        await wait_until(is_claimed)
        ending = VideoEnding(
            state=VideoState.FAILED,
            work=claimed[0].work,
            error_code=code,
            error_message="Told so.",
        )
        await store.finish(claimed[0], ending)

    response = asked.result()
    assert error_of(response) == (status, code, None)
    assert response.json()["error"]["message"].startswith("Told so.")


@pytest.mark.parametrize("way", ["cancel", "delete"])
async def test_job_that_is_stopped_elsewhere_ends_the_chat(edge: Edge, way: str) -> None:
    edge.filmer.gate.clear()
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(edge.client.post(CHAT, json=asks()))
        await is_asked(edge)
        [job] = await jobs_of(edge)
        path = f"/v1/videos/{job['id']}"
        if way == "cancel":
            await edge.client.post(f"{path}/cancel")
        else:
            await edge.client.delete(path)

    assert error_of(asked.result()) == (502, "cancelled", None)


async def test_other_chat_apis_make_videos_too(edge: Edge) -> None:
    asked = {"model": "grok-imagine-video"}
    response = await edge.client.post("/v1/responses", json=asked | {"input": "Dunes."})
    messages = asked | {"max_tokens": 9, "messages": [{"role": "user", "content": "Dunes."}]}
    message = await edge.client.post("/v1/messages", json=messages)

    texts = [item for item in response.json()["output"] if item["type"] == "message"]
    link = f"{edge.url}/v1/files/video?"
    assert texts[0]["content"][0]["text"].startswith(link)
    assert message.json()["content"][-1]["text"].startswith(link)


async def test_other_chat_apis_refuse_what_cannot_be_filmed(edge: Edge) -> None:
    asked = {"model": "grok-imagine-video"}
    blank = await edge.client.post("/v1/responses", json=asked | {"input": " "})
    messages = asked | {"max_tokens": 9, "messages": [{"role": "user", "content": " "}]}
    message = await edge.client.post("/v1/messages", json=messages)

    assert (blank.status_code, message.status_code) == (400, 400)
    assert not edge.filmer.requests
