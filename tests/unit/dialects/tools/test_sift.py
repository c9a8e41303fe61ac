"""Calls among the other events of an answer."""

from typing import Any

import pytest

from grok2api.dialects.tools.sift import EventSieve, build_sieve
from grok2api.domain.chat import (
    ChatRequest,
    Citation,
    EventBatch,
    Finished,
    FinishReason,
    Message,
    ReasoningDelta,
    Role,
    TextDelta,
    TextPart,
    ToolArguments,
    ToolCall,
    ToolCallEnded,
    ToolCallStarted,
)
from grok2api.domain.tools import ChoiceKind, Tool, ToolChoice

TOOLS = (Tool("f"), Tool("patch", is_custom=True))
BLOCK = "<tool_call><tool_name>f</tool_name></tool_call>"
CALL: EventBatch = [ToolCallStarted(0, "c", "f"), ToolArguments(0, "{}"), ToolCallEnded(0)]


def make(*said: str, **options: Any) -> EventSieve:
    messages = tuple(Message(Role.USER, (TextPart(text),)) for text in said)
    sieve = build_sieve(
        ChatRequest(model="m", messages=messages, **({"tools": TOOLS} | options)),
        "tok",
        lambda: "c",
    )
    assert sieve is not None
    return sieve


@pytest.mark.parametrize(
    "options", [{}, {"tools": TOOLS, "tool_choice": ToolChoice(ChoiceKind.NONE)}]
)
def test_answer_that_may_call_nothing_needs_no_sieve(options: Any) -> None:
    assert build_sieve(ChatRequest(model="m", messages=(), **options), "tok", str) is None


def test_other_events_keep_their_place() -> None:
    events: EventBatch = [ReasoningDelta("hm"), TextDelta(f"a {BLOCK}"), ReasoningDelta("b")]

    assert make().take(events) == [
        ReasoningDelta("hm"),
        TextDelta("a"),
        *CALL,
        ReasoningDelta("b"),
    ]


@pytest.mark.parametrize(
    ("text", "given", "reason"),
    [
        (BLOCK, FinishReason.STOP, FinishReason.TOOL_CALLS),
        (BLOCK, FinishReason.CONTENT_FILTER, FinishReason.CONTENT_FILTER),
        ("no call", FinishReason.STOP, FinishReason.STOP),
    ],
)
def test_reason_says_whether_a_call_was_made(
    text: str, given: FinishReason, reason: FinishReason
) -> None:
    *_, last = make().take([TextDelta(text), Finished(given)])

    assert last == Finished(reason)


def test_name_outside_of_the_choice_is_no_call() -> None:
    sieve = make(tool_choice=ToolChoice(names=("patch",)))

    assert sieve.take([TextDelta(BLOCK), Finished()]) == [TextDelta(BLOCK), Finished()]


def test_citations_move_with_their_text_and_go_with_a_call() -> None:
    text = f"a[1]{BLOCK}b[2] "
    inside, last = text.index("f</"), text.index("[2]")
    marks = [
        Citation(1, "u", "t", 1, 4),
        Citation(3, "u", "t", inside, inside + 1),
        Citation(2, "v", "t", last, last + 3),
    ]

    found = make().take([TextDelta(text), *marks, Finished()])

    assert [event for event in found if isinstance(event, Citation)] == [
        Citation(1, "u", "t", 1, 4),
        Citation(2, "v", "t", 5, 8),
    ]


def test_citation_waits_for_text_that_is_held() -> None:
    sieve = make()

    assert sieve.take([TextDelta("a <tool_call"), Citation(1, "u", "t", 2, 12)]) == [TextDelta("a")]
    assert sieve.take([TextDelta("s")]) == []
    assert sieve.take([TextDelta("!")]) == [
        TextDelta(" <tool_calls!"),
        Citation(1, "u", "t", 2, 12),
    ]


@pytest.mark.parametrize(
    "said", [BLOCK, '"tool_calls"', '{"name": "f"}', "< / tool_call >", '<invoke name="x">']
)
def test_answer_to_something_like_a_call_needs_the_token(said: str) -> None:
    call = f'<tool_calls token="tok">{BLOCK}</tool_calls>'

    assert make(said).take([TextDelta(f"{BLOCK}.")]) == [TextDelta(f"{BLOCK}.")]
    assert make(said).take([TextDelta(f"{call}.")]) == [*CALL, TextDelta(".")]


def test_arguments_of_earlier_calls_count_as_something_to_quote() -> None:
    said = Message(Role.ASSISTANT, tool_calls=(ToolCall("c", "f", BLOCK),))

    request = ChatRequest(model="m", messages=(said,), tools=TOOLS)
    sieve = build_sieve(request, "tok", lambda: "c")

    assert sieve is not None
    assert sieve.take([TextDelta(f"{BLOCK}.")]) == [TextDelta(f"{BLOCK}.")]
