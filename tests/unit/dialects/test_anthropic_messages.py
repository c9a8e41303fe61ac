from itertools import pairwise
from typing import Any

import msgspec
import pytest
from anthropic.types import Message
from hypothesis import given, settings, strategies as st

from grok2api.dialects.anthropic_messages import (
    AnswerFrame,
    StreamRenderer,
    measure_usage,
    render_message,
)
from grok2api.domain.answer import AnswerFold
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
from grok2api.errors import NoAccountAvailableError, UpstreamTimeoutError
from grok2api.wire.anthropic.messages import PING
from tests.unit.dialects.anthropic_grammar import check_stream, events_of

PAGE = Source("https://example.org/w", "Water")
MARK = Citation(1, PAGE.url, PAGE.title, 4, 9)
FULL: EventBatch = [
    ConversationOpened("c"),
    ReasoningDelta("Recall "),
    ReasoningDelta("it."),
    SearchCall("s.1", SearchKind.WEB, "boiling", SearchStatus.IN_PROGRESS),
    SearchCall("s.1", SearchKind.WEB, "boiling", SearchStatus.COMPLETED, (PAGE,)),
    TextDelta("100 "),
    TextDelta("°C [1]"),
    MARK,
    TextDelta(". Look:"),
    ToolCallStarted(0, "call_a.b", "look"),
    ToolArguments(0, '{"at":'),
    ToolArguments(0, '"sea"}'),
    ToolCallEnded(0),
    ToolCallStarted(1, "call_2", "wait"),
    ToolCallEnded(1),
    Finished(FinishReason.TOOL_CALLS),
]


def frame(**changes: Any) -> AnswerFrame:
    given: dict[str, Any] = {
        "message_id": "msg_1",
        "model": "grok-4",
        "input_tokens": 7,
        "count_tokens": len,
        "show_reasoning": True,
        "show_searches": True,
    }
    return AnswerFrame(**given | changes)


def stream(*batches: EventBatch, **changes: Any) -> bytes:
    renderer = StreamRenderer(frame(**changes))
    return b"".join(renderer.render(batch) for batch in batches) + renderer.finish()


def whole(events: EventBatch, **changes: Any) -> dict[str, Any]:
    fold = AnswerFold()
    fold.add(events)
    answer, fixed = fold.answer(), frame(**changes)
    body = render_message(answer, fixed, measure_usage(answer, fixed))
    Message.model_validate(msgspec.json.decode(body), strict=False)
    return dict(msgspec.json.decode(body))


def texts(message: dict[str, Any]) -> str:
    return "".join(block["text"] for block in message["content"] if block["type"] == "text")


def test_transcript_of_a_short_answer() -> None:
    data = stream([TextDelta("Hi")], [Finished()])

    assert data.decode() == (
        "event: message_start\n"
        'data: {"type":"message_start","message":{"type":"message","id":"msg_1","role":"assistant",'
        '"model":"grok-4","content":[],"stop_reason":null,"stop_sequence":null,"usage":'
        '{"input_tokens":7,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,'
        '"output_tokens":0}}}\n\n'
        'event: ping\ndata: {"type":"ping"}\n\n'
        "event: content_block_start\n"
        'data: {"type":"content_block_start","index":0,"content_block":'
        '{"type":"text","text":"","citations":null}}\n\n'
        "event: content_block_delta\n"
        'data: {"type":"content_block_delta","index":0,"delta":'
        '{"type":"text_delta","text":"Hi"}}\n\n'
        'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n'
        "event: message_delta\n"
        'data: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},'
        '"usage":{"input_tokens":7,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,'
        '"output_tokens":2}}\n\n'
        'event: message_stop\ndata: {"type":"message_stop"}\n\n'
    )


def test_blocks_come_one_after_the_other_in_the_order_they_were_made() -> None:
    message = check_stream(stream(FULL))

    thinking, used, found, text, look, wait = message["content"]
    assert thinking["thinking"] == "Recall it."
    assert used["id"] == found["tool_use_id"] == "srvtoolu_s_1"
    assert used["input"] == {"query": "boiling"}
    assert [hit["url"] for hit in found["content"]] == [PAGE.url]
    assert text["text"] == "100 °C [1]. Look:"
    assert [mark["url"] for mark in text["citations"]] == [PAGE.url]
    assert (look["id"], look["name"], look["input"]) == ("toolu_a_b", "look", {"at": "sea"})
    assert (wait["id"], wait["name"], wait["input"]) == ("toolu_2", "wait", {})
    assert message["stop_reason"] == "tool_use"
    assert message["usage"]["server_tool_use"] == {
        "web_search_requests": 1,
        "web_fetch_requests": 0,
    }


def test_whole_answer_has_the_blocks_of_the_stream() -> None:
    streamed = check_stream(stream(FULL))
    answer = whole(FULL)

    assert answer["content"] == streamed["content"]
    assert (answer["stop_reason"], answer["usage"]) == (streamed["stop_reason"], streamed["usage"])


CUTS = st.lists(st.integers(min_value=0, max_value=len(FULL)), max_size=6).map(sorted)


@settings(deadline=None)
@given(CUTS, st.booleans(), st.booleans())
def test_any_split_into_batches_tells_the_same_message(
    cuts: list[int],
    show_reasoning: bool,  # noqa: FBT001
    show_searches: bool,  # noqa: FBT001
) -> None:
    shown = {"show_reasoning": show_reasoning, "show_searches": show_searches}
    ends = [0, *cuts, len(FULL)]
    batches = [FULL[a:b] for a, b in pairwise(ends)]

    assert check_stream(stream(*batches, **shown)) == check_stream(stream(FULL, **shown))


ANY_EVENT = st.sampled_from(
    [
        ReasoningDelta("think"),
        TextDelta("say"),
        TextDelta(""),
        MARK,
        PAGE,
        ImageReady("i", "https://example.org/i.png"),
        SearchCall("s", SearchKind.WEB, "q", SearchStatus.COMPLETED, (PAGE,)),
        SearchCall("s", SearchKind.X, "q", SearchStatus.IN_PROGRESS),
    ]
)


@settings(deadline=None)
@given(st.lists(st.lists(ANY_EVENT, max_size=5), max_size=8), st.integers(0, 4))
def test_any_events_make_a_legal_stream(events: list[list[ChatEvent]], calls: int) -> None:
    called: list[EventBatch] = [
        [ToolCallStarted(n, f"call_{n}", "look"), ToolArguments(n, "{}"), ToolCallEnded(n)]
        for n in range(calls)
    ]
    told = "".join(e.text for batch in events for e in batch if isinstance(e, TextDelta))

    message = check_stream(stream(*events, *called, [Finished()]))

    assert texts(message).startswith(told)
    assert len([b for b in message["content"] if b["type"] == "tool_use"]) == calls


def test_hidden_thinking_makes_no_block_but_is_counted() -> None:
    events: EventBatch = [ReasoningDelta("abc"), TextDelta("de"), Finished()]

    for message in (
        check_stream(stream(events, show_reasoning=False)),
        whole(events, show_reasoning=False),
    ):
        assert [block["type"] for block in message["content"]] == ["text"]
        assert message["usage"]["output_tokens"] == 5


def test_signature_is_the_same_on_any_worker_and_for_any_split() -> None:
    first = check_stream(stream([ReasoningDelta("ab")], [ReasoningDelta("c")], [Finished()]))
    second = whole([ReasoningDelta("abc"), Finished()])
    other = whole([ReasoningDelta("abd"), Finished()])

    signatures = [message["content"][0]["signature"] for message in (first, second, other)]
    assert signatures[0] == signatures[1] != signatures[2]


def test_searches_are_blocks_only_for_clients_that_asked_for_search() -> None:
    message = check_stream(stream(FULL, show_searches=False))

    kinds = [block["type"] for block in message["content"]]
    assert kinds == ["thinking", "text", "tool_use", "tool_use"]
    assert message["search_sources"] == [{"url": PAGE.url, "title": "Water", "type": "web"}]


@pytest.mark.parametrize(
    ("end", "reason", "sequence"),
    [
        (Finished(), "end_turn", None),
        (Finished(FinishReason.STOP, "END"), "stop_sequence", "END"),
        (Finished(FinishReason.LENGTH), "max_tokens", None),
        (Finished(FinishReason.CONTENT_FILTER), "refusal", None),
        (Finished(FinishReason.TOOL_CALLS), "tool_use", None),
    ],
)
def test_reason_of_the_end_is_told(end: Finished, reason: str, sequence: str | None) -> None:
    for message in (check_stream(stream([TextDelta("a"), end])), whole([TextDelta("a"), end])):
        assert (message["stop_reason"], message["stop_sequence"]) == (reason, sequence)


def test_images_and_sources_follow_the_text_in_the_same_block() -> None:
    events: EventBatch = [
        TextDelta("Here"),
        ImageReady("i", "https://example.org/i.png"),
        PAGE,
        Finished(),
    ]

    for message in (
        check_stream(stream(events, show_sources=True)),
        whole(events, show_sources=True),
    ):
        [block] = message["content"]
        assert block["text"].startswith("Here\n\n![image](https://example.org/i.png)\n\n## Sources")


def test_image_alone_makes_a_text_block() -> None:
    events: EventBatch = [ImageReady("i", "https://example.org/i.png"), Finished()]

    assert texts(check_stream(stream(events))) == texts(whole(events)) != ""


def test_call_that_was_cut_off_has_no_input_in_a_whole_answer() -> None:
    events: EventBatch = [
        ToolCallStarted(0, "call_1", "look"),
        ToolArguments(0, '{"at":'),
        Finished(FinishReason.LENGTH),
    ]

    [block] = whole(events)["content"]

    assert block["input"] == {}


def test_nothing_is_sent_before_there_is_something_to_show() -> None:
    renderer = StreamRenderer(frame(show_reasoning=False))

    assert renderer.render([ConversationOpened("c"), ReasoningDelta("hm")]) == b""
    assert renderer.render([TextDelta("a")]).startswith(b"event: message_start\n")


def test_first_ping_begins_the_stream_and_later_ones_are_pings_alone() -> None:
    renderer = StreamRenderer(frame())

    first, second = renderer.keep_alive(), renderer.keep_alive()
    rest = renderer.render([TextDelta("a"), Finished()]) + renderer.finish()

    assert first.endswith(PING)
    assert second == PING
    assert texts(check_stream(first + second + rest)) == "a"


def test_error_in_a_stream_is_the_last_event_and_has_this_apis_form() -> None:
    renderer = StreamRenderer(frame())
    data = renderer.render([TextDelta("a")])

    data += renderer.fail(UpstreamTimeoutError("Too slow."), "req_1")

    name, error = events_of(data)[-1]
    assert name == "error"
    assert error == {
        "type": "error",
        "error": {"type": "timeout_error", "message": "Too slow."},
        "request_id": "req_1",
    }


def test_overload_in_a_stream_is_told_as_such() -> None:
    [(_, error)] = events_of(StreamRenderer(frame()).fail(NoAccountAvailableError("None."), "r"))

    assert error["error"]["type"] == "overloaded_error"
