from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import Raw

from grok2api.dialects.json_body import decode_body
from grok2api.dialects.openai_response_calls import ToolName
from grok2api.dialects.openai_responses_request import (
    RESPONSES_DECODER,
    ParsedResponses,
    build_body,
    ignored_fields,
    normalize_items,
    parse_request,
    referred_items,
    wants_compaction,
)
from grok2api.domain.chat import FilePart, ImagePart, Message, Role, TextPart, ToolCall
from grok2api.domain.tools import AnswerFormat, ChoiceKind, FormatKind, Tool
from grok2api.errors import InvalidRequestError, NotFoundError
from grok2api.wire.openai.responses import ResponsesRequest

OBSERVED = msgspec.json.decode(
    (Path(__file__).parent / "observed_responses_requests.json").read_bytes(),
    type=list[dict[str, Any]],
)
PNG = "data:image/png;base64,iVBORw0KGgo="
FUNCTION = {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True}


def decode(**fields: Any) -> ResponsesRequest:
    body = {"model": "grok-4", "input": "Hi"} | fields
    return decode_body(RESPONSES_DECODER, msgspec.json.encode(body))


def parse(known: dict[str, Raw] | None = None, **fields: Any) -> ParsedResponses:
    wire = decode(**fields)
    items = normalize_items(wire.input or (), "key", known or {})
    return parse_request(
        wire,
        items,
        expand=lambda text: text.removeprefix("ours:") if text.startswith("ours:") else None,
    )


def messages(*items: Any) -> tuple[Message, ...]:
    return parse(input=list(items)).chat.messages


def said(role: Role, *texts: str) -> Message:
    return Message(role, tuple(TextPart(text) for text in texts))


def refused(**fields: Any) -> InvalidRequestError:
    with pytest.raises(InvalidRequestError) as refusal:
        parse(**fields)
    return refusal.value


@pytest.mark.parametrize("seen", OBSERVED, ids=lambda seen: str(seen["client"])[:30])
def test_requests_of_real_clients_are_understood(seen: dict[str, Any]) -> None:
    body = msgspec.json.encode(seen["body"])

    wire = decode_body(RESPONSES_DECODER, body)
    items = normalize_items(wire.input or (), "key", {})
    parsed = parse_request(wire, items, expand=lambda _: None)

    assert parsed.chat.messages
    echo = build_body(wire, "resp_key", 5, is_stored=False)
    assert msgspec.json.decode(msgspec.json.encode(echo))["tools"] == seen["body"].get("tools", [])


def test_codex_replays_its_history() -> None:
    seen = next(s for s in OBSERVED if "function_call_output" in msgspec.json.encode(s).decode())

    parsed = parse(**seen["body"])

    *_, call, result = parsed.chat.messages
    assert call.tool_calls == (ToolCall("call_1", "exec_command", "<str 27>"),)
    assert result == Message(Role.TOOL, (TextPart("<str 115>"),), tool_call_id="call_1")
    assert parsed.chat.hints.prompt_cache_key
    assert "multi_agent_v1__close_agent" in {tool.name for tool in parsed.chat.tools}
    assert parsed.view.tool_names["multi_agent_v1__close_agent"] == ToolName(
        "close_agent", "multi_agent_v1"
    )
    assert parsed.view.shows_searches


def test_a_forced_tool_of_the_grok_cli_is_required() -> None:
    seen = next(s for s in OBSERVED if "Grok Build" in s["client"])

    choice = parse(**seen["body"]).chat.tool_choice

    assert (choice.kind, choice.names) == (ChoiceKind.REQUIRED, ("session_title",))


def test_text_is_a_user_message_and_instructions_come_first() -> None:
    parsed = parse(instructions="Be kind.")

    assert parsed.chat.messages == (said(Role.SYSTEM, "Be kind."), said(Role.USER, "Hi"))


def test_messages_of_every_form() -> None:
    assert messages(
        {"role": "developer", "content": "a"},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "b"}]},
        {
            "type": "message",
            "role": "assistant",
            "phase": "final_answer",
            "content": [{"type": "output_text", "text": "c", "annotations": []}],
        },
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "d"}]},
        {"role": "user", "content": None},
        {"role": "user", "content": ["e", {"type": "from_tomorrow"}]},
    ) == (
        said(Role.DEVELOPER, "a"),
        said(Role.USER, "b"),
        said(Role.ASSISTANT, "c"),
        said(Role.ASSISTANT, "d"),
        said(Role.USER),
        said(Role.USER, "e"),
    )


def test_images_and_documents_are_taken_in_all_their_forms() -> None:
    [message] = messages(
        {
            "role": "user",
            "content": [
                {"type": "input_image", "image_url": PNG, "detail": "high"},
                {"type": "image_url", "image_url": {"url": "https://a/b.png"}},
                {"type": "input_file", "filename": "a.pdf", "file_data": "QUJD"},
                {"type": "input_file", "file_url": "https://a/b.pdf"},
            ],
        }
    )

    assert message.parts == (
        ImagePart(PNG),
        ImagePart("https://a/b.png"),
        FilePart("data:application/octet-stream;base64,QUJD", "a.pdf"),
        FilePart("https://a/b.pdf"),
    )


@pytest.mark.parametrize(
    "part",
    [
        {"type": "input_image", "file_id": "file_1"},
        {"type": "input_image", "image_url": "ftp://a"},
        {"type": "input_file", "file_id": "file_1"},
        {"type": "input_audio", "input_audio": {}},
    ],
)
def test_what_cannot_be_read_is_refused_by_name(part: dict[str, Any]) -> None:
    error = refused(input=[{"role": "user", "content": [part]}])

    assert (error.param or "").startswith("input[0].content[0]")


def test_calls_that_follow_each_other_are_one_message() -> None:
    assert messages(
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b"},
        {"type": "function_call", "call_id": "1", "name": "f", "arguments": ""},
        {"type": "custom_tool_call", "call_id": "2", "name": "p", "input": "x"},
        {"type": "function_call", "call_id": "3", "name": "g", "namespace": "n", "arguments": {}},
        {"type": "local_shell_call", "call_id": "4", "action": {"command": ["ls"]}},
        {"type": "function_call_output", "call_id": "1", "output": "text"},
        {
            "type": "custom_tool_call_output",
            "call_id": "2",
            "output": [
                {"type": "input_text", "text": "see"},
                {"type": "input_image", "image_url": PNG},
            ],
        },
        {"type": "function_call_output", "call_id": "3", "output": {"ok": True}},
        {"type": "local_shell_call_output", "call_id": "4", "output": None},
    )[1:] == (
        Message(
            Role.ASSISTANT,
            (TextPart("b"),),
            (
                ToolCall("1", "f", "{}"),
                ToolCall("2", "p", "x"),
                ToolCall("3", "n__g", "{}"),
                ToolCall(
                    "4",
                    "local_shell",
                    '{"type":"local_shell_call","call_id":"4","action":{"command":["ls"]},'
                    '"id":"item_key_i5"}',
                ),
            ),
        ),
        Message(Role.TOOL, (TextPart("text"),), tool_call_id="1"),
        Message(Role.TOOL, (TextPart("see"), ImagePart(PNG)), tool_call_id="2"),
        Message(Role.TOOL, (TextPart('{"ok":true}'),), tool_call_id="3"),
        Message(Role.TOOL, (), tool_call_id="4"),
    )


def test_reasoning_of_anybody_is_dropped_without_a_word() -> None:
    assert messages(
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "ENC=="},
        {"type": "reasoning", "id": "rs_2", "content": None, "summary": []},
        {"type": "item_reference", "id": "rs_3"},
        {"type": "web_search_call", "id": "ws_1", "status": "completed"},
        {"type": "from_tomorrow"},
        {"role": "user", "content": "a"},
    ) == (said(Role.USER, "a"),)


def test_summaries_of_ours_are_opened_and_those_of_others_dropped() -> None:
    opened, last = messages(
        {"type": "compaction", "id": "c1", "encrypted_content": "ours:They met."},
        {"type": "compaction", "encrypted_content": "theirs"},
        {"role": "user", "content": "a"},
    )

    assert opened.role is Role.USER
    assert "They met." in str(opened.parts)
    assert last == said(Role.USER, "a")


def test_references_stand_for_what_they_refer_to() -> None:
    known = {"msg_1": Raw(b'{"type":"message","role":"assistant","content":"before"}')}
    given = [{"type": "item_reference", "id": "msg_1"}, {"id": "msg_1"}]

    assert parse(known, input=given).chat.messages == (said(Role.ASSISTANT, "before"),) * 2
    assert referred_items([Raw(msgspec.json.encode(item)) for item in given]) == ["msg_1"] * 2
    with pytest.raises(NotFoundError) as unknown:
        parse(input=given)
    assert (unknown.value.param, unknown.value.code) == ("input[0]", "item_not_found")


def test_items_are_listed_with_ids_and_parts() -> None:
    listed = normalize_items(
        [
            Raw(b'{"role":"user","content":"a","status":null}'),
            Raw(b'{"type":"message","id":"mine","role":"assistant","content":"b"}'),
        ],
        "key",
        {},
    )

    assert [msgspec.json.decode(item) for item in listed] == [
        {
            "role": "user",
            "type": "message",
            "id": "item_key_i0",
            "content": [{"type": "input_text", "text": "a"}],
        },
        {
            "type": "message",
            "id": "mine",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "b"}],
        },
    ]


def test_tools_of_every_form() -> None:
    parsed = parse(
        tools=[
            FUNCTION,
            {"type": "function", "function": {"name": "g", "description": "G"}},
            {
                "type": "custom",
                "name": "c",
                "format": {"type": "grammar", "definition": "start: x"},
            },
            {"type": "namespace", "name": "n", "tools": [{"type": "function", "name": "f"}]},
            {"type": "web_search_2025_08_26"},
            {"type": "local_shell"},
            {"type": "local_shell_20\r\nx: y"},
        ]
    )

    assert parsed.chat.tools == (
        Tool("f", parameters={"type": "object"}, is_strict=True),
        Tool("g", "G"),
        Tool("c", is_custom=True, grammar="start: x"),
        Tool("n__f"),
    )
    assert parsed.view.shows_searches
    assert ignored_fields(decode(), parsed.tools) == ("tools.local_shell",)


@pytest.mark.parametrize("kind", ["file_search", "code_interpreter", "mcp", "from_tomorrow"])
def test_tools_that_we_would_have_to_run_are_refused_by_name(kind: str) -> None:
    error = refused(tools=[FUNCTION, {"type": kind}])

    assert (error.param, error.code) == ("tools[1].type", "unsupported_value")
    assert kind in error.message


@pytest.mark.parametrize(
    "tool",
    [
        {"type": "function"},
        {"type": "namespace", "tools": []},
        "f",
        {"type": "function", "name": 1},
    ],
)
def test_a_tool_of_another_form_is_refused(tool: Any) -> None:
    assert (refused(tools=[tool]).param or "").startswith("tools[0]")


@pytest.mark.parametrize(
    ("choice", "kind", "names"),
    [
        (None, ChoiceKind.AUTO, ()),
        ("auto", ChoiceKind.AUTO, ()),
        ("none", ChoiceKind.NONE, ()),
        ("required", ChoiceKind.REQUIRED, ()),
        ({"type": "function", "name": "f"}, ChoiceKind.REQUIRED, ("f",)),
        ({"type": "function", "function": {"name": "f"}}, ChoiceKind.REQUIRED, ("f",)),
        ({"type": "custom", "name": "c"}, ChoiceKind.REQUIRED, ("c",)),
        ({"type": "function", "name": "go"}, ChoiceKind.REQUIRED, ("n__go",)),
        ({"type": "function", "name": "go", "namespace": "n"}, ChoiceKind.REQUIRED, ("n__go",)),
        ({"type": "web_search"}, ChoiceKind.AUTO, ()),
        (
            {
                "type": "allowed_tools",
                "mode": "required",
                "tools": [{"type": "function", "name": "f"}, {"type": "web_search"}],
            },
            ChoiceKind.REQUIRED,
            ("f",),
        ),
        ({"type": "allowed_tools", "tools": [{"name": "c"}]}, ChoiceKind.AUTO, ("c",)),
    ],
)
def test_choices_of_every_form(choice: Any, kind: ChoiceKind, names: tuple[str, ...]) -> None:
    tools = [
        FUNCTION,
        {"type": "custom", "name": "c"},
        {"type": "namespace", "name": "n", "tools": [{"type": "function", "name": "go"}]},
    ]

    chosen = parse(tools=tools, tool_choice=choice, parallel_tool_calls=False).chat.tool_choice

    assert (chosen.kind, chosen.names, chosen.is_parallel) == (kind, names, False)


@pytest.mark.parametrize(
    "choice", ["all", {"type": "function", "name": "x"}, {"type": "file_search"}, 5]
)
def test_a_choice_that_makes_no_sense_is_refused(choice: Any) -> None:
    assert refused(tools=[FUNCTION], tool_choice=choice).param == "tool_choice"


def test_a_required_call_needs_a_tool() -> None:
    assert refused(tool_choice="required").param == "tool_choice"
    assert parse(tools=[{"type": "web_search"}], tool_choice="required").chat.tool_choice.kind is (
        ChoiceKind.AUTO
    )


def test_formats() -> None:
    schema = {"type": "object"}
    whole = {"type": "json_schema", "name": "n", "schema": schema, "strict": True}

    assert parse(text={"format": {"type": "text"}}).chat.answer_format == AnswerFormat()
    assert parse(text={"format": {"type": "json_object"}}).chat.answer_format == AnswerFormat(
        FormatKind.JSON_OBJECT
    )
    assert parse(text={"format": whole}).chat.answer_format == AnswerFormat(
        FormatKind.JSON_SCHEMA, "n", schema, is_strict=True
    )
    assert refused(text={"format": {"type": "xml"}}).param == "text.format.type"
    assert refused(text={"format": {"type": "json_schema"}}).param == "text.format.schema"


@pytest.mark.parametrize(
    ("reasoning", "shown"),
    [(None, None), ({}, True), ({"effort": "none"}, False), ({"effort": "high"}, True)],
)
def test_reasoning_is_shown_unless_there_shall_be_none(reasoning: Any, shown: bool | None) -> None:  # noqa: FBT001
    assert parse(reasoning=reasoning).chat.show_reasoning is shown


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": []}, "input"),
        ({"input": None}, "input"),
        ({"input": [{"role": "king", "content": "a"}]}, "input[0].role"),
        ({"input": [5]}, "input[0]"),
        ({"input": [{"role": "user", "content": [{"type": 5}]}]}, "input[0].content[0].type"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"prompt": {"id": "p"}}, "prompt"),
        ({"reasoning": {"effort": "much"}}, "reasoning.effort"),
        ({"background": True, "store": False}, "store"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"temperature": 3}, "temperature"),
        ({"tools": [FUNCTION] * 1025}, "tools"),
        ({"tools": [FUNCTION, FUNCTION]}, "tools[1].name"),
        ({"tools": [FUNCTION | {"name": "a b"}]}, "tools[0].name"),
        ({"tools": [FUNCTION | {"parameters": {"type": "thing"}}]}, "tools[0].parameters"),
        (
            {"tools": [{"type": "namespace", "name": "n", "tools": [FUNCTION, FUNCTION]}]},
            "tools[0].tools[1].name",
        ),
        ({"text": {"format": {"type": "json_schema", "name": "n"}}}, "text.format.schema"),
        (
            {"text": {"format": {"type": "json_schema", "schema": {"type": "thing"}}}},
            "text.format.schema",
        ),
        ({"tool_choice": "required"}, "tool_choice"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(fields: dict[str, Any], param: str) -> None:
    assert refused(**fields).param == param


def test_hints_tell_the_conversation() -> None:
    hints = parse(
        prompt_cache_key="cache", metadata={"user_id": "u"}, safety_identifier="safe"
    ).chat.hints

    assert parse(metadata=5).chat.hints.metadata_user_id == ""
    assert (hints.prompt_cache_key, hints.metadata_user_id, hints.user) == ("cache", "u", "safe")


def test_parameters_without_effect_are_named() -> None:
    wire = decode(
        temperature=1,
        truncation="auto",
        service_tier="flex",
        text={"verbosity": "low"},
        client_metadata={"a": "b"},
        metadata=5,
    )

    assert ignored_fields(wire, parse().tools) == (
        "service_tier",
        "temperature",
        "truncation",
        "text.verbosity",
    )


def test_a_trigger_asks_for_compaction() -> None:
    trigger = [{"role": "user", "content": "a"}, {"type": "compaction_trigger"}]

    assert wants_compaction(decode(input=trigger))
    assert not wants_compaction(decode(input=trigger[:1]))
    assert not wants_compaction(decode())
    assert messages(*trigger) == (said(Role.USER, "a"),)
