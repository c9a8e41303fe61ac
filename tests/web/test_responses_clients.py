"""What real clients were seen to send, sent again; and what they read of the answer."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pydantic
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from grok2api.domain.chat import (
    EventBatch,
    Finished,
    ReasoningDelta,
    Role,
    TextDelta,
    ToolArguments,
    ToolCallEnded,
    ToolCallStarted,
)
from tests.unit.dialects.response_grammar import check, parse_events
from tests.web.conftest import MODEL, Edge
from tests.web.test_responses import client_of, plays

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAA"
OBSERVED: list[dict[str, Any]] = msgspec.json.decode(
    (
        Path(__file__).parents[1] / "unit" / "dialects" / "observed_responses_requests.json"
    ).read_bytes()
)
CODEX = [seen for seen in OBSERVED if "Codex" in seen["client"] and "type" not in seen["body"]]


def show_pictures(body: dict[str, Any]) -> dict[str, Any]:
    """Put a picture where the record has only the beginning of one."""
    text = msgspec.json.encode(body).decode()
    shown: dict[str, Any] = msgspec.json.decode(
        re.sub(r"(data:image/png;base64,)[^\"]*", rf"\g<1>{PIXEL}", text)
    )
    return shown


def call(name: str) -> EventBatch:
    return [ToolCallStarted(0, "call_a", name), ToolArguments(0, "{}"), ToolCallEnded(0)]


@pytest.mark.parametrize("seen", OBSERVED, ids=lambda seen: str(seen["client"])[:20])
async def test_a_request_of_a_real_client_is_answered(edge: Edge, seen: dict[str, Any]) -> None:
    body = show_pictures(seen["body"]) | {"model": MODEL}
    wanted = ((body.get("text") or {}).get("format") or {}).get("type")
    said = '{"done":true}' if wanted == "json_schema" else "Done."
    is_forced = isinstance(body.get("tool_choice"), dict)
    events = call(body["tool_choice"]["name"]) if is_forced else [TextDelta(said)]
    edge.script.play = plays([ReasoningDelta("Hm.")], [*events, Finished()])

    answer = await edge.client.post("/v1/responses", json=body, headers=seen["headers"])

    assert answer.status_code == 200, answer.text
    final = check(parse_events(answer.content)) if body.get("stream") else answer.json()
    assert final["status"] == "completed"
    last = final["output"][-1]
    assert last["type"] == "function_call" if is_forced else last["content"][0]["text"] == said


async def test_codex_finds_what_it_needs(edge: Edge) -> None:
    answer = await edge.client.post(
        "/v1/responses", json=CODEX[0]["body"] | {"model": MODEL}, headers=CODEX[0]["headers"]
    )

    events = parse_events(answer.content)
    done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    assert events[0]["response"]["id"].startswith("resp_")
    assert [item["content"][0]["text"] for item in done] == ["Hello there"]
    usage = events[-1]["response"]["usage"]
    assert usage["input_tokens_details"]["cached_tokens"] == 0
    assert usage["output_tokens_details"]["reasoning_tokens"] == 0
    assert edge.script.requests[0].messages[0].role is Role.DEVELOPER
    kept = await edge.client.get(f"/v1/responses/{events[0]['response']['id']}")
    assert kept.status_code == 404, "it asked for nothing to be stored"


async def test_one_session_of_codex_is_one_conversation(edge: Edge) -> None:
    for session, text in (("a", "one"), ("a", "other"), ("b", "one")):
        await edge.client.post(
            "/v1/responses",
            json={"model": MODEL, "input": text},
            headers={"session-id": session, "thread-id": session},
        )

    first, same, other = edge.script.affinities
    assert first == same != other


async def test_a_websocket_is_refused_so_that_codex_goes_on_over_http(edge: Edge) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with connect(f"ws://127.0.0.1:{edge.port}/v1/responses"):
            pass

    assert refused.value.response.status_code == 426


async def test_the_sdk_parses_what_has_a_form(edge: Edge) -> None:
    class Town(pydantic.BaseModel):
        name: str

    edge.script.play = plays([TextDelta('{"name":'), TextDelta('"Rome"}'), Finished()])
    async with client_of(edge) as client:
        response = await client.responses.parse(model=MODEL, input="x", text_format=Town)

    assert response.output_parsed == Town(name="Rome")
    assert edge.script.requests[0].answer_format.schema["required"] == ["name"]
