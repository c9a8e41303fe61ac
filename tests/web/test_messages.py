"""POST /v1/messages as its bytes are."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from grok2api.config.schema import FeatureSettings, ModelSettings, StreamSettings
from grok2api.domain.chat import (
    EventBatch,
    Finished,
    FinishReason,
    ReasoningDelta,
    TextDelta,
    ToolArguments,
    ToolCallEnded,
    ToolCallStarted,
)
from grok2api.domain.ids import AccountId
from grok2api.errors import NoAccountAvailableError, UpstreamUnavailableError
from tests.unit.dialects.anthropic_grammar import check_stream, events_of
from tests.web.conftest import MODEL, TEST_SETTINGS, WAIT_S, Edge, EdgeMaker

MESSAGES = "/v1/messages"
COUNT = "/v1/messages/count_tokens"
VERSION = {"anthropic-version": "2023-06-01"}
QUICK = msgspec.structs.replace(
    TEST_SETTINGS, stream=StreamSettings(commit_after_s=0.05, keep_alive_s=0.05)
)
OBSERVED = msgspec.json.decode(
    (Path(__file__).parents[1] / "fixtures" / "clients" / "claude_code.json").read_bytes()
)


def message(**changes: object) -> dict[str, object]:
    body: dict[str, object] = {
        "model": MODEL,
        "max_tokens": 1000,
        "messages": [{"role": "user", "content": "Hello"}],
    }
    return body | changes


async def think_and_call() -> AsyncIterator[EventBatch]:
    yield [ReasoningDelta("Hmm. ")]
    yield [TextDelta("I look."), ToolCallStarted(0, "call_1", "Bash")]
    yield [ToolArguments(0, '{"command":'), ToolArguments(0, '"ls"}'), ToolCallEnded(0)]
    yield [Finished(FinishReason.TOOL_CALLS)]


def expand(value: Any) -> Any:
    """Fill in what the recording left out: texts by their length, schemas, ids."""
    if isinstance(value, dict):
        return {name: expand(item) for name, item in value.items()}
    if isinstance(value, list):
        return [expand(item) for item in value]
    if not isinstance(value, str):
        return value
    if found := re.fullmatch(r"<str (\d+)>", value):
        return ("word " * (int(found[1]) // 5 + 1))[: int(found[1])]
    if value.startswith("<json-schema"):
        return {"type": "object", "properties": {"command": {"type": "string"}}}
    return value.replace("<uuid>", "0f8fad5b-d9cb-469f-a165-70867728950e")


async def test_whole_answer(edge: Edge) -> None:
    response = await edge.client.post(MESSAGES, json=message())

    body = response.json()
    assert response.status_code == 200
    assert body["id"].startswith("msg_")
    assert body["content"] == [{"type": "text", "text": "Hello there", "citations": None}]
    assert body["usage"]["input_tokens"] > 0
    assert response.headers["x-grok2api-mode"] == "fast"


async def test_streamed_answer(edge: Edge) -> None:
    response = await edge.client.post(MESSAGES, json=message(stream=True))

    told = check_stream(response.content)
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.headers["x-grok2api-mode"] == "fast"
    assert told["content"][0]["text"] == "Hello there"
    assert b"[DONE]" not in response.content


@pytest.mark.parametrize(
    "path", ["/v1/messages/", "/messages", "/v1/v1/messages", "/v1/messages?beta=true"]
)
async def test_messages_are_served_under_every_spelling(edge: Edge, path: str) -> None:
    assert (await edge.client.post(path, json=message())).status_code == 200


async def test_stop_sequence_that_ended_the_answer_is_named(edge: Edge) -> None:
    given = message(stop_sequences=["xyz", " the"])
    for stream in (True, False):
        response = await edge.client.post(MESSAGES, json=given | {"stream": stream})
        told = check_stream(response.content) if stream else response.json()
        assert (told["stop_reason"], told["stop_sequence"]) == ("stop_sequence", " the")
        assert told["content"][0]["text"] == "Hello"


async def test_answer_over_the_limit_is_cut(edge: Edge) -> None:
    response = await edge.client.post(MESSAGES, json=message(max_tokens=5))

    assert response.json()["content"][0]["text"] == "Hello"
    assert response.json()["stop_reason"] == "max_tokens"


@pytest.mark.parametrize("setting", [True, False])
async def test_operator_decides_about_streaming_where_the_client_does_not_say(
    make_edge: EdgeMaker, *, setting: bool
) -> None:
    features = FeatureSettings(stream=setting)
    async with make_edge(msgspec.structs.replace(TEST_SETTINGS, features=features)) as edge:
        response = await edge.client.post(MESSAGES, json=message())

    assert ("event-stream" in response.headers["content-type"]) is setting


async def test_parameters_without_effect_are_named(edge: Edge) -> None:
    for stream in (True, False):
        response = await edge.client.post(MESSAGES, json=message(stream=stream, top_k=7))
        assert response.headers["x-ignored-parameters"] == "top_k"


async def test_silence_is_broken_by_pings_after_the_start(make_edge: EdgeMaker) -> None:
    async with make_edge(QUICK) as edge:
        go_on = asyncio.Event()

        async def wait() -> AsyncIterator[EventBatch]:
            await go_on.wait()
            yield [TextDelta("late")]
            yield [Finished()]

        edge.script.play = wait
        async with edge.client.stream("POST", MESSAGES, json=message(stream=True)) as response:
            seen = b""
            async for data in response.aiter_bytes():
                seen += data
                if seen.count(b"event: ping\n") >= 4:
                    go_on.set()

    assert [name for name, _ in events_of(seen)[:2]] == ["message_start", "ping"]
    assert check_stream(seen)["content"][0]["text"] == "late"


async def test_error_after_the_commit_is_the_last_event(make_edge: EdgeMaker) -> None:
    async with make_edge(QUICK) as edge:
        go_on = asyncio.Event()

        async def fail() -> AsyncIterator[EventBatch]:
            yield []
            await go_on.wait()
            raise UpstreamUnavailableError("The upstream broke off.")

        edge.script.play = fail
        async with edge.client.stream("POST", MESSAGES, json=message(stream=True)) as response:
            go_on.set()
            seen = await response.aread()

    names = [name for name, _ in events_of(seen)]
    assert response.status_code == 200
    assert names[0] == "message_start"
    assert names[-1] == "error"
    error = events_of(seen)[-1][1]
    assert error["error"] == {"type": "api_error", "message": "The upstream broke off."}
    assert error["request_id"] == response.headers["request-id"]


@pytest.mark.parametrize("stream", [True, False])
async def test_error_before_the_first_event_is_a_real_status(edge: Edge, *, stream: bool) -> None:
    async def fail() -> AsyncIterator[EventBatch]:
        yield []
        raise NoAccountAvailableError("All are busy.", retry_after_s=3)

    edge.script.play = fail
    response = await edge.client.post(MESSAGES, json=message(stream=stream))

    assert response.status_code == 529
    assert response.headers["retry-after"] == "3"
    assert response.json()["error"] == {"type": "overloaded_error", "message": "All are busy."}


@pytest.mark.parametrize(
    ("asked", "body", "headers", "status", "kind"),
    [
        (f"POST {MESSAGES}", b"{}", {}, 400, "invalid_request_error"),
        (f"POST {MESSAGES}", b"", {}, 400, "invalid_request_error"),
        (f"POST {MESSAGES}", b" " * 1_100_000, {}, 413, "request_too_large"),
        (f"POST {MESSAGES}", b"{}", {"authorization": ""}, 401, "authentication_error"),
        (f"POST {COUNT}", b"{}", {"authorization": "Bearer no"}, 401, "authentication_error"),
        (f"GET {MESSAGES}", b"", {}, 405, "invalid_request_error"),
        (f"POST {MESSAGES}/batches", b"", {}, 404, "not_found_error"),
        ("GET /v1/nothing", b"", VERSION, 404, "not_found_error"),
        ("GET /v1/models/nothing", b"", VERSION, 404, "not_found_error"),
        ("GET /v1/models?limit=x", b"", VERSION, 400, "invalid_request_error"),
    ],
)
async def test_refusal_of_any_layer_has_this_apis_form(
    edge: Edge,
    asked: str,
    body: bytes,
    headers: dict[str, str],
    status: int,
    kind: str,
) -> None:
    method, path = asked.split()
    response = await edge.client.request(method, path, content=body, headers=headers)

    answer = response.json()
    assert response.status_code == status
    assert set(answer) == {"type", "error", "request_id"}
    assert answer["error"]["type"] == kind
    assert answer["request_id"] == response.headers["request-id"]


async def test_unknown_model_is_not_found(edge: Edge) -> None:
    for path in (MESSAGES, COUNT):
        response = await edge.client.post(path, json=message(model="gpt-4"))
        assert response.status_code == 404
        assert response.json()["error"]["type"] == "not_found_error"


async def test_other_apis_keep_their_errors(edge: Edge) -> None:
    answer = (await edge.client.get("/v1/nothing")).json()

    assert set(answer["error"]) == {"message", "type", "param", "code"}


async def test_tokens_are_counted_without_any_account(edge: Edge) -> None:
    await edge.store.remove(AccountId("acc_1"))
    tools = [{"name": "look", "description": "Look.", "input_schema": {"type": "object"}}]

    few = (await edge.client.post(COUNT, json=message(max_tokens=None))).json()
    more = (await edge.client.post(COUNT, json=message(tools=tools, system="Be brief."))).json()

    assert set(few) == {"input_tokens"}
    assert 0 < few["input_tokens"] < more["input_tokens"]
    assert not edge.script.opened.is_set()


async def test_answer_costs_what_was_counted(edge: Edge) -> None:
    counted = (await edge.client.post(COUNT, json=message(system="Be brief."))).json()
    answered = (await edge.client.post(MESSAGES, json=message(system="Be brief."))).json()

    assert answered["usage"]["input_tokens"] == counted["input_tokens"]


async def test_names_of_other_models_can_be_offered(make_edge: EdgeMaker) -> None:
    models = ModelSettings(aliases={"claude-sonnet-5": MODEL, "claude-*": MODEL})
    async with make_edge(msgspec.structs.replace(TEST_SETTINGS, models=models)) as edge:
        listed = (await edge.client.get("/v1/models?limit=1000", headers=VERSION)).json()
        openai_ids = [model["id"] for model in (await edge.client.get("/v1/models")).json()["data"]]
        answers = [
            (await edge.client.post(MESSAGES, json=message(model=name))).json()["model"]
            for name in ("claude-sonnet-5", "claude-haiku-9")
        ]
        found = (await edge.client.get("/v1/models/claude-haiku-9", headers=VERSION)).json()

    assert "claude-sonnet-5" in [model["id"] for model in listed["data"]]
    assert "claude-sonnet-5" in openai_ids
    assert answers == ["claude-sonnet-5", "claude-haiku-9"]
    assert (found["type"], found["id"]) == ("model", "claude-haiku-9")


@pytest.mark.parametrize("number", range(len(OBSERVED)))
async def test_what_claude_code_sends_is_answered(make_edge: EdgeMaker, number: int) -> None:
    models = ModelSettings(aliases={"claude-sonnet-5": MODEL})
    sent = expand(OBSERVED[number])
    body = sent["body"] and sent["body"] | {"model": "claude-sonnet-5"}
    async with make_edge(msgspec.structs.replace(TEST_SETTINGS, models=models)) as edge:
        edge.script.play = think_and_call
        async with asyncio.timeout(WAIT_S):
            response = await edge.client.request(
                sent["method"], sent["path"], json=body, headers=sent["headers"]
            )
        affinities = edge.script.affinities

    assert response.status_code == 200, response.text
    if sent["method"] == "GET":
        assert not response.json()["has_more"]
        assert "claude-sonnet-5" in [model["id"] for model in response.json()["data"]]
        return
    told = check_stream(response.content)
    assert told["stop_reason"] == "tool_use"
    assert told["content"][-1]["input"] == {"command": "ls"}
    assert affinities[0]


async def test_conversation_is_known_by_the_session_of_claude_code(edge: Edge) -> None:
    for session in ("one", "one", "two"):
        user = msgspec.json.encode({"device_id": "d", "session_id": session}).decode()
        await edge.client.post(MESSAGES, json=message(metadata={"user_id": user}))

    first, same, other = edge.script.affinities
    assert first == same != other
