"""Tools of Chat Completions: what clients offer, and how they see calls."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, strategies as st
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from grok2api.dialects.openai_chat import (
    CallStyle,
    StreamRenderer,
    measure_usage,
    render_completion,
)
from grok2api.dialects.prompt_size import TOOL_OVERHEAD_TOKENS, count_input_tokens
from grok2api.domain.answer import AnswerFold
from grok2api.domain.chat import (
    EventBatch,
    Finished,
    FinishReason,
    TextDelta,
    ToolArguments,
    ToolCallEnded,
    ToolCallStarted,
)
from grok2api.domain.tools import AnswerFormat, ChoiceKind, FormatKind, Tool, ToolChoice
from grok2api.wire.sse import SSEParser
from tests.unit.dialects.test_openai_chat_request import decode, parse, refused

SCHEMA = {"type": "object", "properties": {"day": {"type": "integer"}}}
NESTED = {"type": "function", "function": {"name": "f", "description": "d", "parameters": SCHEMA}}
CUSTOM = {
    "type": "custom",
    "custom": {
        "name": "p",
        "format": {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: X"}},
    },
}


@pytest.mark.parametrize(
    ("tool", "expected"),
    [
        (NESTED, Tool("f", "d", SCHEMA)),
        ({"type": "function", "name": "f", "parameters": SCHEMA}, Tool("f", "", SCHEMA)),
        ({"function": {"name": "f", "strict": True}}, Tool("f", is_strict=True)),
        (
            {"type": "function", "function": {"name": "a.b-c_d", "parameters": None}},
            Tool("a.b-c_d"),
        ),
        (CUSTOM, Tool("p", is_custom=True, grammar="start: X")),
    ],
)
def test_tool_is_understood(tool: dict[str, Any], expected: Tool) -> None:
    assert parse(tools=[tool]).tools == (expected,)


def test_search_that_the_upstream_does_by_itself_is_no_fault() -> None:
    assert parse(tools=[{"type": "web_search"}, NESTED]).tools == (Tool("f", "d", SCHEMA),)


def named(name: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name}}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": [named("")]}, "tools[0].function.name"),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        ({"tools": [named("f"), named("f")]}, "tools[1].function.name"),
        ({"tools": [named("no blanks")]}, "tools[0].function.name"),
        ({"tools": [named("x" * 129)]}, "tools[0].function.name"),
        ({"tools": [named(f"f{n}") for n in range(129)]}, "tools"),
        ({"tools": [{"type": "mcp"}]}, "tools[0].type"),
        ({"tools": ["f"]}, "tools[0]"),
        (
            {"tools": [{"function": {"name": "f", "parameters": []}}]},
            "tools[0].function.parameters",
        ),
        (
            {"tools": [{"function": {"name": "f", "parameters": {"type": "nothing"}}}]},
            "tools[0].function.parameters",
        ),
        (
            {"tools": [{"function": {"name": "f", "parameters": {"$ref": "http://127.0.0.1/x"}}}]},
            "tools[0].function.parameters",
        ),
        ({"functions": [{"name": ""}]}, "functions[0].name"),
        ({"tools": [NESTED], "tool_choice": "perhaps"}, "tool_choice"),
        ({"tools": [NESTED], "tool_choice": named("g")}, "tool_choice"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"functions": [{"name": "f"}], "function_call": {"name": "g"}}, "function_call"),
        ({"parallel_tool_calls": "no"}, "parallel_tool_calls"),
    ],
)
def test_fault_in_tools_is_named(fields: dict[str, Any], param: str) -> None:
    assert refused(**fields).param == param


def test_version_of_the_standard_that_nobody_knows_is_no_fault() -> None:
    schema = SCHEMA | {"$schema": "https://example.org/my-own"}

    assert parse(tools=[{"function": {"name": "f", "parameters": schema}}]).tools


F_ONLY = {"type": "function", "function": {"name": "f"}}


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (None, ToolChoice()),
        ("auto", ToolChoice()),
        ("none", ToolChoice(ChoiceKind.NONE)),
        ({"type": "none"}, ToolChoice(ChoiceKind.NONE)),
        ("required", ToolChoice(ChoiceKind.REQUIRED)),
        ({"type": "required"}, ToolChoice(ChoiceKind.REQUIRED)),
        (F_ONLY, ToolChoice(ChoiceKind.REQUIRED, ("f",))),
        ({"type": "function", "name": "f"}, ToolChoice(ChoiceKind.REQUIRED, ("f",))),
        ({"type": "custom", "custom": {"name": "p"}}, ToolChoice(ChoiceKind.REQUIRED, ("p",))),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [F_ONLY]}},
            ToolChoice(ChoiceKind.REQUIRED, ("f",)),
        ),
        (
            {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "p"}]},
            ToolChoice(ChoiceKind.AUTO, ("p",)),
        ),
    ],
)
def test_choice_is_understood(choice: Any, expected: ToolChoice) -> None:
    assert parse(tools=[NESTED, CUSTOM], tool_choice=choice).tool_choice == expected


def test_calls_may_be_limited_to_one() -> None:
    assert not parse(tools=[NESTED], parallel_tool_calls=False).tool_choice.is_parallel


def test_functions_of_old_clients_are_tools() -> None:
    request = parse(functions=[{"name": "f", "parameters": SCHEMA}], function_call={"name": "f"})

    assert request.tools == (Tool("f", "", SCHEMA),)
    assert request.tool_choice == ToolChoice(ChoiceKind.REQUIRED, ("f",), is_parallel=False)


@pytest.mark.parametrize(
    ("given_format", "expected"),
    [
        (None, AnswerFormat()),
        ({"type": "text"}, AnswerFormat()),
        ({"type": "json_object"}, AnswerFormat(FormatKind.JSON_OBJECT)),
        (
            {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA, "strict": True}},
            AnswerFormat(FormatKind.JSON_SCHEMA, "n", SCHEMA, is_strict=True),
        ),
        ({"type": "json_schema", "json_schema": {}}, AnswerFormat(FormatKind.JSON_SCHEMA)),
    ],
)
def test_format_is_understood(given_format: Any, expected: AnswerFormat) -> None:
    assert parse(response_format=given_format).answer_format == expected


def test_tools_and_schemas_count_as_prompt() -> None:
    plain = count_input_tokens(parse(), len)
    schema = {"type": "json_schema", "json_schema": {"schema": SCHEMA}}
    size = len(msgspec.json.encode(SCHEMA))

    with_tool = plain + TOOL_OVERHEAD_TOKENS + len("f\nd\n") + size
    assert count_input_tokens(parse(tools=[NESTED]), len) == with_tool
    assert count_input_tokens(parse(response_format=schema), len) == plain + size


CALLED: EventBatch = [
    TextDelta("Let me see."),
    ToolCallStarted(0, "call_a", "f"),
    ToolArguments(0, '{"day"'),
    ToolArguments(0, ":1}"),
    ToolCallEnded(0),
    ToolCallStarted(1, "call_b", "p"),
    ToolArguments(1, "+x"),
    ToolCallEnded(1),
    TextDelta("Done."),
    Finished(FinishReason.TOOL_CALLS),
]
STYLE = CallStyle.of(decode(tools=[NESTED, CUSTOM]))
LEGACY = CallStyle.of(decode(functions=[{"name": "f"}]))


def stream(events: EventBatch, *, size: int, calls: CallStyle) -> tuple[list[dict[str, Any]], int]:
    renderer = StreamRenderer(
        "chatcmpl-1",
        5,
        "grok-4",
        include_usage=False,
        show_reasoning=True,
        prompt_tokens=7,
        count_tokens=len,
        calls=calls,
    )
    batches = [events[at : at + size] for at in range(0, len(events), size)]
    said = b"".join([renderer.render(batch) for batch in batches]) + renderer.finish()
    parsed = [event.data for event in SSEParser().feed(said)]
    return [
        msgspec.json.decode(data) for data in parsed if data != "[DONE]"
    ], renderer.usage().completion


def complete(events: EventBatch, calls: CallStyle) -> dict[str, Any]:
    fold = AnswerFold()
    fold.add(events)
    answer = fold.answer()
    usage = measure_usage(answer, prompt_tokens=7, count_tokens=len)
    body = render_completion(
        answer,
        completion_id="c",
        created_s=5,
        model="grok-4",
        show_reasoning=True,
        usage=usage,
        calls=calls,
    )
    return dict(msgspec.json.decode(body))


@given(st.integers(1, 10))
def test_streamed_calls_are_those_of_the_whole_answer(size: int) -> None:
    chunks, tokens = stream(CALLED, size=size, calls=STYLE)
    body = complete(CALLED, STYLE)

    message = body["choices"][0]["message"]
    assert message["content"] == "Let me see.Done."
    assert message["tool_calls"] == [
        {"id": "call_a", "type": "function", "function": {"name": "f", "arguments": '{"day":1}'}},
        {"id": "call_b", "type": "custom", "custom": {"name": "p", "input": "+x"}},
    ]
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    pieces = [piece for delta in deltas for piece in delta.get("tool_calls", ())]
    assert pieces == [
        {
            "index": 0,
            "id": "call_a",
            "type": "function",
            "function": {"name": "f", "arguments": ""},
        },
        {"index": 0, "function": {"arguments": '{"day"'}},
        {"index": 0, "function": {"arguments": ":1}"}},
        {"index": 1, "id": "call_b", "type": "custom", "custom": {"name": "p", "input": ""}},
        {"index": 1, "custom": {"input": "+x"}},
    ]
    assert [delta["content"] for delta in deltas if delta.get("content")] == [
        "Let me see.",
        "Done.",
    ]
    assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"
    assert body["usage"]["completion_tokens"] == tokens == len('Let me see.Done.f{"day":1}p+x')


def test_sdk_puts_the_pieces_together() -> None:
    chunks, _ = stream(CALLED[:5] + CALLED[-1:], size=1, calls=STYLE)
    state: ChatCompletionStreamState[None] = ChatCompletionStreamState()

    for chunk in chunks:
        state.handle_chunk(ChatCompletionChunk.model_validate(chunk))

    choice = state.get_final_completion().choices[0]
    (call,) = choice.message.tool_calls or []
    assert (call.id, call.function.name, call.function.arguments) == ("call_a", "f", '{"day":1}')
    assert choice.finish_reason == "tool_calls"


def test_answer_of_calls_alone_has_no_content() -> None:
    body = complete(CALLED[1:5] + CALLED[-1:], STYLE)

    completion = ChatCompletion.model_validate(body, strict=True)
    assert completion.choices[0].message.content is None
    assert completion.choices[0].finish_reason == "tool_calls"


def test_old_clients_see_one_function_call() -> None:
    events = [*CALLED[1:5], CALLED[-1]]

    chunks, _ = stream(events, size=2, calls=LEGACY)
    choice = complete(events, LEGACY)["choices"][0]

    assert choice["finish_reason"] == "function_call"
    assert choice["message"]["function_call"] == {"name": "f", "arguments": '{"day":1}'}
    assert "tool_calls" not in choice["message"]
    deltas = [chunk["choices"][0]["delta"].get("function_call") for chunk in chunks]
    assert [delta for delta in deltas if delta] == [
        {"name": "f", "arguments": ""},
        {"arguments": '{"day"'},
        {"arguments": ":1}"},
    ]
    assert chunks[-1]["choices"][0]["finish_reason"] == "function_call"
