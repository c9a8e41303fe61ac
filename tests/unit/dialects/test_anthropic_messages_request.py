from typing import Any

import msgspec
import pytest

from grok2api.dialects.anthropic_messages_request import (
    MESSAGES_REQUEST_DECODER,
    ignored_fields,
    parse_request,
)
from grok2api.dialects.anthropic_tools import wants_search
from grok2api.dialects.errors import render_anthropic_error
from grok2api.dialects.findings import SOURCES_MARKER
from grok2api.dialects.json_body import decode_body
from grok2api.domain.chat import (
    ChatRequest,
    FilePart,
    ImagePart,
    Message,
    Role,
    TextPart,
    ToolCall,
)
from grok2api.domain.tools import AnswerFormat, ChoiceKind, FormatKind, Tool, ToolChoice
from grok2api.errors import InvalidRequestError
from grok2api.wire.anthropic.requests import MessagesRequest

SCHEMA = {"type": "object", "properties": {"at": {"type": "string"}}}
LOOK = {"name": "look", "description": "Look.", "input_schema": SCHEMA}
SEARCH = {"type": "web_search_20250305", "name": "web_search", "max_uses": 8}


def decoded(**fields: Any) -> MessagesRequest:
    body = {"model": "grok-4", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
    return decode_body(MESSAGES_REQUEST_DECODER, msgspec.json.encode(body | fields))


def parsed(**fields: Any) -> ChatRequest:
    return parse_request(decoded(**fields))


def refusal_of(error: InvalidRequestError) -> str:
    """Return what the client is told, by an API that has no field for the parameter."""
    body = msgspec.json.decode(render_anthropic_error(error, "req_1").body)
    return str(body["error"]["message"])


def messages(*given: Any) -> tuple[Message, ...]:
    return parsed(messages=list(given)).messages


def parts(*blocks: Any) -> tuple[Any, ...]:
    [message] = messages({"role": "user", "content": list(blocks)})
    return message.parts


def text(value: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": value, **more}


def test_smallest_request() -> None:
    assert parsed(max_tokens=None) == ChatRequest(
        model="grok-4",
        messages=(Message(Role.USER, (TextPart("Hi"),)),),
        show_reasoning=False,
    )


def test_fields_of_a_request_arrive() -> None:
    request = parsed(
        stream=True,
        stop_sequences=["END", "", "END"],
        metadata={"user_id": "u_1"},
        output_config={"format": {"type": "json_schema", "schema": SCHEMA}},
    )

    assert (request.max_output_tokens, request.stop, request.stream) == (9, ("END",), True)
    assert request.hints.metadata_user_id == "u_1"
    assert request.answer_format == AnswerFormat(
        FormatKind.JSON_SCHEMA, "answer", SCHEMA, is_strict=True
    )


@pytest.mark.parametrize("system", ["Be brief.", [text("Be brief.", cache_control={})]])
def test_system_prompt_comes_first_in_either_form(system: Any) -> None:
    first, _ = parsed(system=system).messages

    assert first == Message(Role.SYSTEM, (TextPart("Be brief."),))


def test_system_message_stays_where_it_stands() -> None:
    roles = [
        message.role
        for message in messages(
            {"role": "user", "content": "a"},
            {"role": "system", "content": [text("b", cache_control={"type": "ephemeral"})]},
            {"role": "assistant", "content": "c"},
        )
    ]

    assert roles == [Role.USER, Role.SYSTEM, Role.ASSISTANT]


def test_results_and_other_blocks_of_a_message_keep_their_order() -> None:
    got = messages(
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": "sunny"},
                {"type": "tool_result", "tool_use_id": "toolu_2", "is_error": True},
                text("And now?"),
                {"type": "tool_result", "tool_use_id": "toolu_3", "content": [text("x")]},
                text("End."),
            ],
        }
    )

    assert got == (
        Message(Role.TOOL, (TextPart("sunny"),), tool_call_id="toolu_1"),
        Message(Role.TOOL, (), tool_call_id="toolu_2", is_error=True),
        Message(Role.USER, (TextPart("And now?"),)),
        Message(Role.TOOL, (TextPart("x"),), tool_call_id="toolu_3"),
        Message(Role.USER, (TextPart("End."),)),
    )


def test_calls_of_an_answer_keep_their_order_with_its_text() -> None:
    got = messages(
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": "whatever=="},
                {"type": "redacted_thinking", "data": "x"},
                text("I look."),
                {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"at": "ü"}},
                {"type": "tool_use", "id": "toolu_2", "name": "look"},
                text("Then again."),
                {"type": "tool_use", "id": "toolu_3", "name": "look", "input": {}},
            ],
        }
    )

    assert got == (
        Message(
            Role.ASSISTANT,
            (TextPart("I look."),),
            (ToolCall("toolu_1", "look", '{"at":"ü"}'), ToolCall("toolu_2", "look", "{}")),
        ),
        Message(Role.ASSISTANT, (TextPart("Then again."),), (ToolCall("toolu_3", "look", "{}"),)),
    )


def test_message_of_thinking_alone_is_left_out() -> None:
    thinking = {"type": "thinking", "thinking": "hm", "signature": 1}
    roles = [
        message.role
        for message in messages(
            {"role": "user", "content": "a"}, {"role": "assistant", "content": [thinking]}
        )
    ]

    assert roles == [Role.USER]


def test_our_own_sources_section_is_not_said_again() -> None:
    answer = f"Yes.\n\n## Sources\n{SOURCES_MARKER}\n\n- [a](b)"
    for content in (answer, [text(answer)]):
        [message] = messages({"role": "assistant", "content": content})
        assert message.parts == (TextPart("Yes."),)


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (text("a", citations=[{"type": "x"}]), (TextPart("a"),)),
        ("bare", (TextPart("bare"),)),
        (
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "A"}},
            (ImagePart("data:image/png;base64,A"),),
        ),
        (
            {"type": "image", "source": {"type": "url", "url": "https://example.org/i.png"}},
            (ImagePart("https://example.org/i.png"),),
        ),
        (
            {"type": "document", "title": "a.pdf", "source": {"type": "base64", "data": "QQ=="}},
            (FilePart("data:application/pdf;base64,QQ==", "a.pdf"),),
        ),
        (
            {"type": "document", "source": {"type": "url", "url": "https://example.org/a.pdf"}},
            (FilePart("https://example.org/a.pdf"),),
        ),
        (
            {
                "type": "document",
                "title": "T",
                "context": "C",
                "source": {"type": "text", "data": "D"},
            },
            (TextPart("T\nC\nD"),),
        ),
        (
            {
                "type": "document",
                "title": "T",
                "source": {
                    "type": "content",
                    "content": [
                        text("a"),
                        {"type": "image", "source": {"type": "base64", "data": "B"}},
                    ],
                },
            },
            (TextPart("T"), TextPart("a"), ImagePart("data:image/jpeg;base64,B")),
        ),
        (
            {"type": "search_result", "source": "s", "title": "T", "content": [text("a")]},
            (TextPart("T\ns"), TextPart("a")),
        ),
    ],
)
def test_block_becomes_parts(block: Any, expected: tuple[Any, ...]) -> None:
    assert parts(block) == expected


def test_unknown_block_is_passed_over() -> None:
    assert parts({"type": "hologram", "data": {"x": 1}}, text("a")) == (TextPart("a"),)


def test_result_holds_text_images_and_tool_references() -> None:
    image = {"type": "image", "source": {"type": "base64", "data": "B"}}
    reference = {"type": "tool_reference", "tool_name": "WebFetch"}
    result = {"type": "tool_result", "tool_use_id": "t", "content": [text("a"), image, reference]}

    [message] = messages({"role": "user", "content": [result]})

    first, second, third = message.parts
    assert (first, second) == (TextPart("a"), ImagePart("data:image/jpeg;base64,B"))
    assert isinstance(third, TextPart)
    assert "WebFetch" in third.text


def test_tools_of_the_client_arrive() -> None:
    request = parsed(
        tools=[
            {**LOOK, "cache_control": {"type": "ephemeral"}, "defer_loading": True, "strict": True},
            {"type": "custom", "name": "wait"},
            {"type": "bash_20250124", "name": "bash", "input_schema": SCHEMA},
            {"type": "tool_search_tool_regex_20251119", "name": "tool_search_tool_regex"},
        ]
    )

    assert request.tools == (
        Tool("look", "Look.", SCHEMA, is_strict=True),
        Tool("wait"),
        Tool("bash", "", SCHEMA),
    )


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (None, ToolChoice()),
        ("auto", ToolChoice()),
        ({"type": "auto"}, ToolChoice()),
        ({"type": "auto", "disable_parallel_tool_use": True}, ToolChoice(is_parallel=False)),
        ({"type": "any"}, ToolChoice(ChoiceKind.REQUIRED)),
        ({"type": "none"}, ToolChoice(ChoiceKind.NONE)),
        (
            {"type": "tool", "name": "look", "disable_parallel_tool_use": True},
            ToolChoice(ChoiceKind.REQUIRED, ("look",), is_parallel=False),
        ),
    ],
)
def test_choice_of_tools(choice: Any, expected: ToolChoice) -> None:
    assert parsed(tools=[LOOK], tool_choice=choice).tool_choice == expected


def test_web_search_is_left_to_the_upstream() -> None:
    wire = decoded(tools=[SEARCH], tool_choice={"type": "tool", "name": "web_search"})
    request = parse_request(wire)

    assert (request.tools, request.tool_choice) == ((), ToolChoice())
    assert wants_search(wire.tools)
    assert not wants_search(decoded(tools=[LOOK]).tools)


@pytest.mark.parametrize(
    ("thinking", "is_shown"),
    [
        (None, False),
        ({"type": "disabled"}, False),
        ({"type": "enabled", "budget_tokens": 1024}, True),
        ({"type": "adaptive"}, True),
        ({"type": "adaptive", "display": "summarized"}, True),
        ({"type": "adaptive", "display": "omitted"}, False),
    ],
)
def test_thinking_is_shown_where_it_is_asked_for(thinking: Any, *, is_shown: bool) -> None:
    assert parsed(thinking=thinking).show_reasoning is is_shown


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"messages": []}, "messages: "),
        ({"messages": [{"role": "user", "content": ""}]}, "messages: "),
        ({"messages": [{"role": "king", "content": "a"}]}, "messages[0].role: "),
        ({"tools": [LOOK, {"type": "code_execution_20250825", "name": "c"}]}, "code_execution"),
        ({"tools": [{"type": "web_fetch_20250910", "name": "web_fetch"}]}, "web_fetch_20250910"),
        ({"tools": [{"input_schema": {}}]}, "tools[0].name"),
        ({"tools": [{"name": "a b", "input_schema": {}}]}, "tools[0].name: "),
        ({"tools": [LOOK, LOOK]}, "tools[1].name: "),
        ({"tools": [LOOK | {"input_schema": {"type": "thing"}}]}, "tools[0].input_schema: "),
        (
            {"output_config": {"format": {"type": "json_schema", "schema": {"type": "thing"}}}},
            "output_config.format.schema: ",
        ),
        ({"tools": [LOOK], "tool_choice": {"type": "tool", "name": "x"}}, "tool_choice: "),
        ({"tool_choice": {"type": "any"}}, "tool_choice: "),
        ({"stop_sequences": [str(n) for n in range(65)]}, "stop_sequences: "),
        ({"stop_sequences": ["x" * 257]}, "stop_sequences: "),
        ({"max_tokens": 0}, "max_tokens"),
        ({"system": [{"type": "image", "source": {"type": "x"}}]}, "system[0].source: "),
    ],
)
def test_refusal_names_what_is_at_fault(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        parsed(**fields)

    assert said in refusal_of(refused.value)


@pytest.mark.parametrize(
    "block",
    [
        {"type": "image", "source": {"type": "file", "file_id": "f"}},
        {"type": "image", "source": {"type": "url", "url": "file:///etc/passwd"}},
        {"type": "image", "source": {"type": "base64", "data": ""}},
        {"type": "image"},
        {"type": "document", "source": {"type": "file", "file_id": "f"}},
        {"type": "tool_use", "name": "x"},
        {"type": "tool_result"},
        7,
    ],
)
def test_block_that_cannot_be_served_is_named(block: Any) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        messages({"role": "user", "content": [text("a"), block]})

    assert "messages[0].content[1]" in refusal_of(refused.value)


def test_deep_documents_are_refused() -> None:
    block: dict[str, Any] = text("a")
    for _ in range(9):
        block = {"type": "document", "source": {"type": "content", "content": [block]}}

    with pytest.raises(InvalidRequestError, match="nested"):
        parts(block)


def test_fields_without_effect_are_named() -> None:
    wire = decoded(
        temperature=1,
        top_k=5,
        metadata={"user_id": "u"},
        cache_control={"type": "ephemeral"},
        container=None,
        output_config={"effort": "high"},
        some_beta_field={"x": 1},
    )

    assert set(ignored_fields(wire)) == {
        "temperature",
        "top_k",
        "cache_control",
        "output_config.effort",
    }


@pytest.mark.parametrize("metadata", [7, {"user_id": 5}, {"user_id": None}, [], None])
def test_odd_metadata_do_no_harm(metadata: Any) -> None:
    assert parsed(metadata=metadata).hints.metadata_user_id == ""
