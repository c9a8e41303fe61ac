"""POST /v1/chat/completions as a client sees it."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from grok2api.config.schema import FeatureSettings
from grok2api.domain.chat import EventBatch, Finished, ReasoningDelta, TextDelta
from tests.web.conftest import TEST_SETTINGS, Edge, EdgeMaker, question

CHAT = "/v1/chat/completions"


def chunks(text: str) -> list[dict[str, Any]]:
    return [
        msgspec.json.decode(line[6:])
        for line in text.splitlines()
        if line.startswith("data: ") and line != "data: [DONE]"
    ]


def deltas(text: str) -> list[dict[str, Any]]:
    return [chunk["choices"][0]["delta"] for chunk in chunks(text) if chunk["choices"]]


async def think_first() -> AsyncIterator[EventBatch]:
    yield [ReasoningDelta("Hmm. ")]
    yield [TextDelta("Yes."), Finished()]


async def test_a_whole_answer(edge: Edge) -> None:
    response = await edge.client.post(CHAT, json=question())

    body = response.json()
    assert response.status_code == 200
    assert body["id"].startswith("chatcmpl-")
    assert body["choices"][0]["message"]["content"] == "Hello there"
    assert body["usage"]["completion_tokens"] > 0


async def test_a_streamed_answer(edge: Edge) -> None:
    response = await edge.client.post(CHAT, json=question(stream=True))

    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.headers["x-accel-buffering"] == "no"
    assert response.headers["cache-control"] == "no-cache"
    assert "".join(delta.get("content", "") for delta in deltas(response.text)) == "Hello there"
    assert response.text.endswith("data: [DONE]\n\n")


async def test_usage_of_a_stream_comes_when_asked_for(edge: Edge) -> None:
    asked = question(stream=True, stream_options={"include_usage": True})

    [*_, last] = chunks((await edge.client.post(CHAT, json=asked)).text)

    assert last["choices"] == []
    assert last["usage"]["completion_tokens"] > 0


@pytest.mark.parametrize(("setting", "kind"), [(True, "text/event-stream"), (False, "application")])
async def test_the_operator_decides_for_requests_that_do_not_say(
    make_edge: EdgeMaker, *, setting: bool, kind: str
) -> None:
    features = FeatureSettings(stream=setting)
    async with make_edge(msgspec.structs.replace(TEST_SETTINGS, features=features)) as edge:
        response = await edge.client.post(CHAT, json=question())

    assert response.headers["content-type"].startswith(kind)


@pytest.mark.parametrize("stream", [True, False])
async def test_reasoning_can_be_hidden(edge: Edge, *, stream: bool) -> None:
    edge.script.play = think_first
    shown = await edge.client.post(CHAT, json=question(stream=stream))
    hidden = await edge.client.post(CHAT, json=question(stream=stream, reasoning_effort="none"))

    assert "Hmm." in shown.text
    assert "Hmm." not in hidden.text
    assert "Yes." in hidden.text


async def test_parameters_without_effect_are_named(edge: Edge) -> None:
    for stream in (True, False):
        response = await edge.client.post(CHAT, json=question(stream=stream, seed=7))
        assert response.headers["x-ignored-parameters"] == "seed"


async def test_a_stopped_answer_frees_its_account(edge: Edge) -> None:
    response = await edge.client.post(CHAT, json=question(stream=True, stop=["lo"]))
    await edge.leases_are_free()

    assert "".join(delta.get("content", "") for delta in deltas(response.text)) == "Hel"


@pytest.mark.parametrize("stream", [True, False])
async def test_conversation_of_a_request_is_known_to_what_serves_it(
    edge: Edge, *, stream: bool
) -> None:
    for headers in ({"X-Session-ID": "one"}, {"x-session-affinity": "one"}, {"X-Session-ID": "2"}):
        await edge.client.post(CHAT, json=question(stream=stream), headers=headers)

    first, same, other = edge.script.affinities
    assert len(first) == 32
    assert first == same
    assert first != other
