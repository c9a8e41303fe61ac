from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from msgspec import Raw
from openai import omit
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from grok2api.dialects.openai_compaction import CompactionRenderer
from grok2api.dialects.openai_response_calls import ToolName
from grok2api.dialects.openai_responses import Renderer, ResponseRenderer, ResponseView, render_body
from grok2api.domain.chat import (
    ChatEvent,
    Citation,
    ConversationOpened,
    EventBatch,
    Finished,
    FinishReason,
    ImageReady,
    ReasoningDelta,
    SearchCall,
    SearchKind,
    SearchStatus,
    Source,
    TextDelta,
    ToolArguments,
    ToolCallEnded,
    ToolCallStarted,
)
from grok2api.errors import UpstreamProtocolError, UpstreamRateLimitError, UpstreamTimeoutError
from grok2api.wire.openai.response_object import ReasoningEcho, ResponseBody
from tests.unit.dialects.response_grammar import check, parse_events

KEY = "0123456789abcdef01234567"
WEB = Source("https://example.org/w", "Water")
SEARCHES: EventBatch = [
    SearchCall("s1", SearchKind.WEB, "water", SearchStatus.IN_PROGRESS),
    SearchCall("s1", SearchKind.WEB, "water", SearchStatus.COMPLETED, (WEB,)),
]
CALL: EventBatch = [
    ToolCallStarted(0, "call_1", "weather"),
    ToolArguments(0, '{"town":'),
    ToolArguments(0, '"Röma"}'),
    ToolCallEnded(0),
]
PATCH: EventBatch = [
    ToolCallStarted(1, "call_2", "patch"),
    ToolArguments(1, "*** Begin"),
    ToolCallEnded(1),
]
FULL: EventBatch = [
    ConversationOpened("conv"),
    ReasoningDelta("Recall the "),
    ReasoningDelta("value", "Grok 2"),
    *SEARCHES,
    TextDelta("Water boils at 100 °C [[1]](https://example.org/w)"),
    Citation(1, WEB.url, "Water", 21, 50),
    ImageReady("i1", "https://assets.example/a (1).png"),
    ReasoningDelta("late"),
    *CALL,
    *PATCH,
    Finished(FinishReason.TOOL_CALLS),
]
NAMES = {"patch": ToolName("patch", is_custom=True), "n__go": ToolName("go", "n")}
WORDS = st.text("aé😀 \n", max_size=4)
EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


def body_of(**facts: Any) -> ResponseBody:
    defaults: dict[str, Any] = {
        "id": f"resp_{KEY}",
        "created_at": 5,
        "status": "in_progress",
        "model": "grok-4",
        "reasoning": ReasoningEcho(None, None),
        "store": True,
        "text": Raw(b'{"format":{"type":"text"},"verbosity":"medium"}'),
        "tool_choice": Raw(b'"auto"'),
        "tools": [],
        "metadata": Raw(b"{}"),
    }
    return ResponseBody(**(defaults | facts))


def make(**options: Any) -> ResponseRenderer:
    defaults: dict[str, Any] = {
        "show_reasoning": True,
        "shows_searches": True,
        "tool_names": NAMES,
    }
    view = ResponseView(**(defaults | options))
    return ResponseRenderer(body_of(), view, prompt_tokens=7, count_tokens=len)


def stream(renderer: Renderer, batches: Iterable[EventBatch]) -> bytes:
    return b"".join([renderer.render(batch) for batch in batches]) + renderer.finish(9)


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"].removeprefix("response.") for event in events]


def tail(events: list[dict[str, Any]]) -> list[str]:
    return kinds(events)[2:]


def test_text_comes_in_the_order_of_the_api() -> None:
    events = parse_events(stream(make(), [[TextDelta("Hel")], [TextDelta("lo"), Finished()]]))

    assert kinds(events) == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    final = check(events)
    assert final["completed_at"] == 9
    assert final["usage"]["input_tokens_details"]["cached_tokens"] == 0
    assert (final["usage"]["input_tokens"], final["usage"]["output_tokens"]) == (7, 5)


def test_bytes_of_a_delta_are_those_of_its_event() -> None:
    [*_, delta] = make().render([TextDelta('a "quote" and \n')]).split(b"\n\n")[:-1]

    assert delta == (
        b"event: response.output_text.delta\n"
        b'data: {"type":"response.output_text.delta","sequence_number":4,'
        b'"item_id":"msg_' + KEY.encode() + b'_1","output_index":0,"content_index":0,'
        b'"delta":"a \\"quote\\" and \\n","logprobs":[]}'
    )


def test_every_speaker_gets_a_part_of_the_reasoning() -> None:
    thoughts: EventBatch = [
        ReasoningDelta("a", "One"),
        ReasoningDelta("b", "One"),
        ReasoningDelta("c", "Two"),
    ]
    events = parse_events(stream(make(), [[*thoughts, TextDelta("x"), Finished()]]))

    [reasoning, _] = check(events)["output"]
    assert [part["text"] for part in reasoning["summary"]] == ["ab", "c"]
    assert tail(events)[:6] == [
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
    ]


def test_reasoning_alone_is_closed_and_followed_by_an_empty_message() -> None:
    final = check(parse_events(stream(make(), [[ReasoningDelta("hm"), Finished()]])))

    assert [item["type"] for item in final["output"]] == ["reasoning", "message"]
    assert final["output"][1]["content"][0]["text"] == ""


def test_hidden_reasoning_is_counted_but_not_told() -> None:
    batches: list[EventBatch] = [[ReasoningDelta("hmm"), TextDelta("x"), Finished()]]
    final = check(parse_events(stream(make(show_reasoning=False), batches)))

    assert [item["type"] for item in final["output"]] == ["message"]
    assert final["usage"]["output_tokens_details"] == {"reasoning_tokens": 3}


def test_a_message_is_closed_before_a_call_begins() -> None:
    events = parse_events(stream(make(), [[TextDelta("Look: "), *CALL, Finished()]]))

    assert tail(events)[3:10] == [
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.delta",
        "function_call_arguments.done",
    ]
    [_, call] = check(events)["output"]
    assert call["arguments"] == '{"town":"Röma"}'
    assert (call["call_id"], call["name"], call["status"]) == ("call_1", "weather", "completed")


def test_custom_tools_and_namespaces_come_back_as_the_client_knows_them() -> None:
    inner: EventBatch = [ToolCallStarted(0, "call_3", "n__go"), ToolCallEnded(0)]
    events = parse_events(stream(make(), [[*inner, *PATCH, Finished()]]))

    [go, patch] = check(events)["output"]
    assert (go["name"], go["namespace"], go["arguments"]) == ("go", "n", "{}")
    assert (patch["type"], patch["input"]) == ("custom_tool_call", "*** Begin")
    assert "custom_tool_call_input.delta" in kinds(events)
    assert "namespace" not in patch


def test_calls_may_overlap() -> None:
    batch: EventBatch = [
        ToolCallStarted(0, "a", "weather"),
        ToolCallStarted(1, "b", "weather"),
        ToolArguments(1, "{}"),
        ToolArguments(0, "{ }"),
        ToolCallEnded(1),
        ToolCallEnded(0),
        Finished(),
    ]
    final = check(parse_events(stream(make(), [batch])))

    assert [(i["call_id"], i["arguments"]) for i in final["output"]] == [("a", "{ }"), ("b", "{}")]


def test_citations_count_from_the_beginning_of_their_own_message() -> None:
    batch: EventBatch = [
        TextDelta("First. "),
        *CALL,
        TextDelta("See [[1]](u)"),
        Citation(1, "u", "", 11, 19),
        Finished(),
    ]
    final = check(parse_events(stream(make(), [batch])))

    note = final["output"][2]["content"][0]["annotations"][0]
    assert note == {
        "type": "url_citation",
        "url": "u",
        "title": "u",
        "start_index": 4,
        "end_index": 12,
    }


def test_searches_are_told_to_those_who_asked_for_the_tool() -> None:
    batches: list[EventBatch] = [[*SEARCHES, TextDelta("x"), Finished()]]
    told = check(parse_events(stream(make(shows_search_sources=True), batches)))
    untold = check(parse_events(stream(make(shows_searches=False), batches)))

    assert told["output"][0]["action"] == {
        "type": "search",
        "query": "water",
        "sources": [{"type": "url", "url": WEB.url}],
    }
    assert [item["type"] for item in untold["output"]] == ["message"]
    assert untold["search_sources"] == [{"url": WEB.url, "title": "Water", "type": "web"}]


def test_a_search_in_the_middle_of_text_waits_for_its_end() -> None:
    batches: list[EventBatch] = [[TextDelta("a")], SEARCHES, [TextDelta("b"), Finished()]]

    final = check(parse_events(stream(make(), batches)))

    assert [item["type"] for item in final["output"]] == ["message", "web_search_call"]
    assert final["output"][0]["content"][0]["text"] == "ab"


def test_an_image_without_text_is_text_of_its_own() -> None:
    events = parse_events(stream(make(), [[ImageReady("i", "https://a/i.png"), Finished()]]))

    assert check(events)["output"][0]["content"][0]["text"] == "![image](https://a/i.png)"
    assert "output_text.delta" in kinds(events)


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        (FinishReason.LENGTH, "max_output_tokens"),
        (FinishReason.CONTENT_FILTER, "content_filter"),
    ],
)
def test_a_cut_answer_says_why(reason: FinishReason, told: str) -> None:
    final = check(parse_events(stream(make(), [[TextDelta("x"), Finished(reason)]])))

    assert final["status"] == "incomplete"
    assert final["incomplete_details"] == {"reason": told}


def test_a_failure_ends_the_stream_with_all_that_there_is() -> None:
    renderer = make()
    sent = renderer.render([ReasoningDelta("hm"), TextDelta("Well")])
    sent += renderer.render([ToolCallStarted(0, "c", "weather"), ToolArguments(0, '{"a')])

    events = parse_events(sent + renderer.fail(UpstreamTimeoutError("Too slow."), "req_1"))

    final = check(events)
    assert final["error"]["message"] == "Too slow."
    assert [item["status"] for item in final["output"]] == ["completed", "completed", "incomplete"]
    assert kinds(events)[-1] == "failed"


def test_a_failure_before_anything_else_is_a_whole_stream() -> None:
    error = UpstreamRateLimitError("Slow down.", status=429, retry_after_s=11.0)

    final = check(parse_events(make().fail(error, "req_1")))

    assert final["error"]["code"] == "rate_limit_exceeded"
    assert "try again in 11s" in final["error"]["message"]


def test_a_compaction_is_one_sealed_item() -> None:
    renderer = CompactionRenderer(
        body_of(), seal=lambda text: f"<{text}>", prompt_tokens=7, count_tokens=len
    )

    events = parse_events(
        stream(renderer, [[ReasoningDelta("r")], [TextDelta(" notes"), Finished()]])
    )

    assert check(events)["output"] == [
        {"id": f"cmp_{KEY}_1", "type": "compaction", "encrypted_content": "<notes>"}
    ]
    assert tail(events) == ["output_item.added", "output_item.done", "completed"]


def test_a_compaction_without_a_summary_fails() -> None:
    renderer = CompactionRenderer(body_of(), seal=str, prompt_tokens=7, count_tokens=len)
    sent = renderer.render([Finished()])

    with pytest.raises(UpstreamProtocolError) as failed:
        renderer.finish(9)

    assert check(parse_events(sent + renderer.fail(failed.value, "r")))["status"] == "failed"


@st.composite
def answers(draw: st.DrawFn) -> list[ChatEvent]:
    """Draw any answer that a provider may give."""
    events: list[ChatEvent] = []
    calls, running, length = 0, list[int](), 0
    for step in draw(st.lists(st.sampled_from("trscaeix"), max_size=25)):
        match step:
            case "t":
                text = draw(WORDS)
                length += len(text)
                events.append(TextDelta(text))
            case "r":
                agent = draw(st.sampled_from(["", "One", "Two"]))
                events.append(ReasoningDelta(draw(WORDS), agent))
            case "s":
                status = draw(st.sampled_from(list(SearchStatus)))
                name = draw(st.sampled_from(["s1", "s2"]))
                events.append(SearchCall(name, SearchKind.WEB, "q", status, (WEB,)))
            case "c":
                events.append(
                    ToolCallStarted(calls, f"c{calls}", draw(st.sampled_from([*NAMES, "f"])))
                )
                running.append(calls)
                calls += 1
            case "a" if running:
                events.append(ToolArguments(draw(st.sampled_from(running)), draw(WORDS)))
            case "e" if running:
                events.append(ToolCallEnded(running.pop(draw(st.integers(0, len(running) - 1)))))
            case "i":
                events.append(ImageReady("i", "https://a/i.png"))
            case "x":
                events += [TextDelta("[1]"), Citation(1, "u", "t", length, length + 3)]
                length += 3
            case _:
                pass
    return [*events, Finished(draw(st.sampled_from(list(FinishReason))))]


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(answers(), st.data())
def test_any_split_of_any_answer_is_legal_and_comes_to_the_same(
    events: list[ChatEvent], data: st.DataObject
) -> None:
    cuts = data.draw(st.sets(st.integers(0, len(events))))
    edges = [0, *sorted(cuts), len(events)]
    batches = [events[a:b] for a, b in pairwise(edges)]

    final = check(parse_events(stream(make(), batches)))
    whole = check(parse_events(stream(make(), [events])))

    assert final == whole


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(answers(), st.data())
def test_a_failure_at_any_point_is_legal(events: list[ChatEvent], data: st.DataObject) -> None:
    renderer = make()
    cut = data.draw(st.integers(0, len(events) - 1))
    sent = renderer.render(events[:cut]) if cut else b""

    final = check(parse_events(sent + renderer.fail(UpstreamTimeoutError("x"), "r")))

    assert final["status"] == "failed"


def test_what_is_not_streamed_is_the_end_of_the_stream() -> None:
    renderer = make()
    events = parse_events(stream(renderer, [FULL]))

    assert msgspec.json.decode(render_body(renderer)) == events[-1]["response"]


def test_the_sdk_folds_the_stream_to_the_same_response() -> None:
    state: Any = ResponseStreamState(text_format=omit, input_tools=omit)
    events = parse_events(stream(make(), [FULL[:4], FULL[4:8], FULL[8:]]))
    for event in events:
        state.handle_event(EVENT.validate_python(event))

    final = events[-1]["response"]
    assert Response.model_validate(final).output_text.startswith("Water boils")
    assert [item["type"] for item in final["output"]] == [
        "reasoning",
        "web_search_call",
        "message",
        "function_call",
        "custom_tool_call",
        "message",
    ]
