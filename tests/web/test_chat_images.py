"""Models of pictures through the chat APIs: progress, links, edits, and what is refused."""

import base64
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx2
import msgspec
import pytest

from grok2api.config.features import FeatureSettings
from grok2api.domain.account import Credentials, Pool, ProviderKind, Tier
from grok2api.domain.ids import AccountId
from grok2api.domain.images import (
    ImageBatch,
    ImageMade,
    ImageRequest,
    ImagesDone,
    ImageStep,
    ImageWay,
)
from grok2api.errors import ContentRejectedError, UpstreamUnavailableError
from grok2api.store.accounts import NewAccount
from grok2api.web.api.turn import WARNING_HEADER
from grok2api.wire.sse import SSEParser
from tests.web.conftest import TEST_SETTINGS, Edge, EdgeMaker
from tests.web.painter import png

CHAT = "/v1/chat/completions"
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
PNG_URL = "data:image/png;base64," + base64.b64encode(png()).decode()


def asks(text: object = "Draw a cat.", **more: object) -> dict[str, Any]:
    body = {"model": "grok-imagine-image", "messages": [{"role": "user", "content": text}]}
    return body | more


async def paints_in_steps(request: ImageRequest) -> AsyncIterator[ImageBatch]:
    for slot in range(request.n):
        yield [ImageStep(slot, 50)]
        yield [ImageMade(slot, png(shade=slot))]
    yield [ImagesDone()]


def error_of(response: httpx2.Response) -> tuple[int, str | None, str | None]:
    error = response.json()["error"]
    return response.status_code, error["code"], error["param"]


async def open_links(text: str) -> list[bytes]:
    async with httpx2.AsyncClient() as stranger:
        links = [part.partition(")")[0] for part in text.split("![image](")[1:]]
        return [(await stranger.get(link)).content for link in links]


async def test_whole_answer_shows_every_picture_and_how_it_came(edge: Edge) -> None:
    edge.painter.play = paints_in_steps

    response = await edge.client.post(CHAT, json=asks(image_config={"n": 2, "size": "1280x720"}))

    message = response.json()["choices"][0]["message"]
    assert await open_links(message["content"]) == [png(shade=0), png(shade=1)]
    assert message["content"].count("\n\n") == 1
    assert message["reasoning_content"].splitlines() == [
        "25 % (0 of 2 done)",
        "50 % (1 of 2 done)",
        "75 % (1 of 2 done)",
        "100 % (2 of 2 done)",
    ]
    assert edge.painter.requests[0].aspect_ratio == "16:9"


async def test_stream_shows_progress_before_the_picture(edge: Edge) -> None:
    edge.painter.play = paints_in_steps

    response = await edge.client.post(CHAT, json=asks(stream=True))

    assert response.headers["content-type"].startswith("text/event-stream")
    events = SSEParser().feed(response.content)
    assert events[-1].data == "[DONE]"
    text = response.text
    assert text.index("50 % (0 of 1 done)") < text.index("![image](") < text.index('"stop"')


@pytest.mark.parametrize(
    ("image_format", "shape"),
    [
        ("local_md", "![image](http"),
        ("local_url", "http"),
        ("grok_md", "![image](https://assets.grok.com/"),
        ("grok_url", "https://assets.grok.com/"),
        ("base64", "![image](data:image/png;base64,"),
    ],
)
async def test_operator_chooses_how_pictures_are_shown(
    make_edge: EdgeMaker, image_format: Any, shape: str
) -> None:
    async def paints(request: ImageRequest) -> AsyncIterator[ImageBatch]:
        yield [ImageMade(0, png(), "https://assets.grok.com/u/1.png"), ImagesDone()]

    features = FeatureSettings(image_format=image_format)
    async with make_edge(msgspec.structs.replace(TEST_SETTINGS, features=features)) as edge:
        edge.painter.play = paints
        response = await edge.client.post(CHAT, json=asks())

    assert response.json()["choices"][0]["message"]["content"].startswith(shape)


async def test_client_may_have_the_picture_in_the_answer(edge: Edge) -> None:
    body = asks(image_config={"response_format": "b64_json"})

    content = (await edge.client.post(CHAT, json=body)).json()["choices"][0]["message"]["content"]

    assert content == f"![image](data:image/png;base64,{base64.b64encode(png()).decode()})"


@pytest.mark.parametrize("stream", [False, True])
async def test_picture_in_the_answer_costs_the_tokens_of_a_picture(
    edge: Edge, *, stream: bool
) -> None:
    async def paints(request: ImageRequest) -> AsyncIterator[ImageBatch]:
        yield [ImageMade(0, png(800, 600, extra=bytes(range(256)) * 4000)), ImagesDone()]

    edge.painter.play = paints
    body = asks(image_config={"response_format": "b64_json"}, stream=stream)

    response = await edge.client.post(CHAT, json=body | {"stream_options": {"include_usage": True}})

    assert len(response.content) > 1_000_000
    if stream:
        usage = msgspec.json.decode(SSEParser().feed(response.content)[-2].data)["usage"]
    else:
        usage = response.json()["usage"]
    assert 640 <= usage["completion_tokens"] < 700


async def test_edit_takes_the_pictures_of_the_conversation(edge: Edge) -> None:
    picture = {"type": "image_url", "image_url": {"url": PNG_URL}}
    body = asks([{"type": "text", "text": "Make it blue."}, picture])

    response = await edge.client.post(CHAT, json=body | {"model": "grok-imagine-image-edit"})

    assert response.status_code == 200
    [request] = edge.painter.requests
    assert (request.way, request.prompt, len(request.references)) == (
        ImageWay.EDIT,
        "Make it blue.",
        1,
    )
    assert len(edge.drawer.files) == 1


async def test_words_in_parts_are_the_prompt(edge: Edge) -> None:
    parts = [{"type": "text", "text": "Draw"}, {"type": "text", "text": "a cat."}]

    await edge.client.post(CHAT, json=asks(parts))

    assert edge.painter.requests[0].prompt == "Draw\na cat."


async def test_other_chat_apis_show_pictures_too(edge: Edge) -> None:
    asked = {"model": "grok-imagine-image"}
    response = await edge.client.post("/v1/responses", json=asked | {"input": "Draw a cat."})
    messages = asked | {"max_tokens": 9, "messages": [{"role": "user", "content": "Draw."}]}
    message = await edge.client.post("/v1/messages", json=messages)

    texts = [item for item in response.json()["output"] if item["type"] == "message"]
    assert "![image](" in texts[0]["content"][0]["text"]
    assert "![image](" in message.json()["content"][-1]["text"]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (asks("  "), "messages[0].content"),
        (asks("x" * 32_001), "messages[0].content"),
        (asks(tools=[TOOL], tool_choice="required"), "model"),
        (asks(response_format={"type": "json_object"}), "model"),
        (asks(image_config={"n": 0}), "image_config.n"),
        (asks(image_config={"n": 11}), "image_config.n"),
        (asks(image_config={"n": 5}, model="grok-imagine-image-lite"), "image_config.n"),
        (asks(image_config={"size": "huge"}), "image_config.size"),
        (asks(image_config={"response_format": "png"}), "image_config.response_format"),
        (asks(model="grok-imagine-image-edit"), "messages"),
        (
            asks([{"type": "text", "text": "x"}, {"type": "image_url", "image_url": PNG_URL}]),
            "messages[0].content",
        ),
    ],
)
async def test_what_cannot_be_drawn_is_refused_before_anybody_is_asked(
    edge: Edge, body: dict[str, Any], param: str
) -> None:
    response = await edge.client.post(CHAT, json=body)

    status, _, named = error_of(response)
    assert (status, named) == (400, param)
    assert not edge.painter.requests


@pytest.mark.parametrize(
    ("model", "size", "expected"),
    [
        ("grok-imagine-image", "512x512", "image_config.size: 512x512 became the aspect ratio 1:1"),
        (
            "grok-imagine-image-lite",
            "1280x720",
            "image_config: this model chooses the aspect ratio itself",
        ),
        ("grok-imagine-image", "1280x720", None),
        ("grok-3", "512x512", None),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_size_that_is_served_otherwise_is_told(
    edge: Edge, model: str, size: str, expected: str | None, *, stream: bool
) -> None:
    body = asks(model=model, image_config={"size": size}, stream=stream)

    response = await edge.client.post(CHAT, json=body)

    assert response.status_code == 200
    assert response.headers.get(WARNING_HEADER) == expected


def breaks_once(percent: int) -> Callable[[ImageRequest], AsyncIterator[ImageBatch]]:
    """Break off after one step, and make the picture when asked again."""
    asked = 0

    async def play(request: ImageRequest) -> AsyncIterator[ImageBatch]:
        nonlocal asked
        asked += 1
        yield [ImageStep(0, percent)]
        if asked == 1:
            raise UpstreamUnavailableError("The socket broke.", status=503)
        yield [ImageMade(0, png()), ImagesDone()]

    return play


async def add_second_account(edge: Edge) -> None:
    account = NewAccount(
        AccountId("acc_2"), Pool(ProviderKind.GROK_WEB, Tier.BASIC), Credentials("two"), mask="…"
    )
    await edge.store.save(account)


@pytest.mark.parametrize(
    ("percent", "more"),
    [
        (50, {}),
        (50, {"stream": True, "reasoning_effort": "none"}),
        (0, {"stream": True}),
    ],
)
async def test_picture_is_tried_elsewhere_while_nothing_of_it_was_shown(
    edge: Edge, percent: int, more: dict[str, Any]
) -> None:
    await add_second_account(edge)
    edge.painter.play = breaks_once(percent)

    response = await edge.client.post(CHAT, json=asks(**more))

    assert response.status_code == 200
    assert "![image](" in response.text
    assert len(edge.painter.requests) == 2


async def test_progress_that_was_shown_binds_the_answer_to_its_account(edge: Edge) -> None:
    await add_second_account(edge)
    edge.painter.play = breaks_once(50)

    response = await edge.client.post(CHAT, json=asks(stream=True))

    assert "50 % (0 of 1 done)" in response.text
    assert "The socket broke" in response.text
    assert len(edge.painter.requests) == 1


async def test_withheld_picture_is_an_error_of_its_own(edge: Edge) -> None:
    async def withholds(request: ImageRequest) -> AsyncIterator[ImageBatch]:
        if request.prompt == "":
            yield []
        raise ContentRejectedError("Withheld.", code="content_policy_violation")

    edge.painter.play = withholds

    response = await edge.client.post(CHAT, json=asks())

    assert error_of(response)[:2] == (400, "content_policy_violation")


async def test_tools_that_need_not_be_called_do_not_stand_in_the_way(edge: Edge) -> None:
    response = await edge.client.post(CHAT, json=asks(tools=[TOOL], tool_choice="auto"))

    assert "![image](" in response.json()["choices"][0]["message"]["content"]
