import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from grok2api.dialects.json_body import decode_body
from grok2api.dialects.openai_chat import (
    CHAT_REQUEST_DECODER,
    ignored_fields,
    parse_request,
)
from grok2api.dialects.prompt_size import OVERHEAD_TOKENS, count_input_tokens
from grok2api.domain.affinity import AffinityHints
from grok2api.domain.chat import ChatRequest, FilePart, ImagePart, Message, Role, TextPart, ToolCall
from grok2api.errors import InvalidRequestError
from grok2api.wire.openai.chat import ChatCompletionRequest

# The recording says of every schema only how large it was.
SCHEMA = b'{"type":"object","properties":{"a":{"type":"string"}},"additionalProperties":false}'
OBSERVED = msgspec.json.decode(
    re.sub(
        rb'"<json-schema \d+ keys>"',
        SCHEMA,
        (Path(__file__).parent / "observed_chat_requests.json").read_bytes(),
    ),
    type=list[dict[str, Any]],
)
HELLO = [{"role": "user", "content": "Hello"}]


def decode(**fields: Any) -> ChatCompletionRequest:
    body = {"model": "grok-4", "messages": HELLO} | fields
    return decode_body(CHAT_REQUEST_DECODER, msgspec.json.encode(body))


def parse(**fields: Any) -> ChatRequest:
    return parse_request(decode(**fields))


def parse_messages(*messages: Any) -> tuple[Message, ...]:
    return parse(messages=list(messages)).messages


def parse_parts(*parts: Any) -> tuple[Any, ...]:
    return parse_messages({"role": "user", "content": list(parts)})[0].parts


def refused(**fields: Any) -> InvalidRequestError:
    with pytest.raises(InvalidRequestError) as caught:
        parse(**fields)
    return caught.value


@pytest.mark.parametrize("observed", OBSERVED, ids=lambda o: str(o["client"]))
def test_request_of_a_real_client_is_decoded(observed: dict[str, Any]) -> None:
    body = observed["body"]

    wire = decode_body(CHAT_REQUEST_DECODER, msgspec.json.encode(body))

    assert wire.model == body["model"]
    assert [m.role for m in wire.messages] == [m["role"] for m in body["messages"]]


@pytest.mark.parametrize("observed", OBSERVED, ids=lambda o: str(o["client"]))
def test_request_of_a_real_client_keeps_every_text(observed: dict[str, Any]) -> None:
    request = parse_request(
        decode_body(CHAT_REQUEST_DECODER, msgspec.json.encode(observed["body"]))
    )

    texts = [part.text for m in request.messages for part in m.parts if isinstance(part, TextPart)]
    assert texts == [m["content"] for m in observed["body"]["messages"]]
    tools = observed["body"].get("tools", [])
    assert [tool.name for tool in request.tools] == [tool["function"]["name"] for tool in tools]


def test_smallest_request_asks_for_nothing_special() -> None:
    assert parse() == ChatRequest(
        model="grok-4", messages=(Message(Role.USER, (TextPart("Hello"),)),)
    )


def test_every_optional_field_may_be_null() -> None:
    names = set(ChatCompletionRequest.__struct_fields__) - {"model", "messages"}

    wire = decode(**dict.fromkeys(names))

    assert parse_request(wire) == parse()
    assert ignored_fields(wire) == ()


def test_unknown_field_is_no_fault() -> None:
    assert parse(brand_new={"x": [1, 2]}, messages=[HELLO[0] | {"model_id": "x"}]) == parse()


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("system", Role.SYSTEM),
        ("developer", Role.DEVELOPER),
        ("user", Role.USER),
        ("assistant", Role.ASSISTANT),
        ("tool", Role.TOOL),
        ("function", Role.TOOL),
        ("User", Role.USER),
    ],
)
def test_role_is_understood(name: str, role: Role) -> None:
    assert parse_messages({"role": name, "content": "x"})[0].role is role


def test_unknown_role_is_named() -> None:
    error = refused(messages=[*HELLO, {"role": "robot", "content": "x"}])

    assert error.param == "messages[1].role"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": "Hello"}, "messages"),
        ({"messages": [{"content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": {"a": 1}}]}, "messages[0].content"),
        ({"messages": [*HELLO, {"role": 1}]}, "messages[1].role"),
        ({"model": ""}, "model"),
        ({"model": None}, "model"),
        ({"model": "m" * 201}, "model"),
        ({"n": 2}, "n"),
        ({"thinking": {"type": "loud"}}, "thinking.type"),
        ({"thinking": True}, "thinking"),
        ({"n": 0}, "n"),
        ({"temperature": 2.1}, "temperature"),
        ({"temperature": -0.1}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"top_p": 1.1}, "top_p"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_completion_tokens": -1}, "max_completion_tokens"),
        ({"reasoning_effort": "enormous"}, "reasoning_effort"),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "x"}}}},
            "response_format.json_schema.schema",
        ),
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
        ({"stop": "x" * 257}, "stop"),
        ({"stop": [1]}, "stop[0]"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": {"include_usage": 3}}, "stream_options.include_usage"),
    ],
)
def test_fault_is_named_by_its_field(fields: dict[str, Any], param: str) -> None:
    assert refused(**fields).param == param


@pytest.mark.parametrize("body", [{"messages": HELLO}, {"model": "grok-4"}])
def test_missing_field_is_named(body: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        decode_body(CHAT_REQUEST_DECODER, msgspec.json.encode(body))

    assert {caught.value.param} == {"model", "messages"} - set(body)


@pytest.mark.parametrize("fields", [{"n": 1}, {"response_format": {"type": "text"}}, {"stop": []}])
def test_what_changes_nothing_is_accepted(fields: dict[str, Any]) -> None:
    assert parse(**fields) == parse()


@pytest.mark.parametrize("effort", ["minimal", "low", "medium", "high", "xhigh"])
def test_effort_shows_reasoning(effort: str) -> None:
    assert parse(reasoning_effort=effort).show_reasoning is True


def test_no_effort_hides_reasoning() -> None:
    assert parse(reasoning_effort="none").show_reasoning is False


def test_effort_that_is_not_given_leaves_reasoning_to_the_settings() -> None:
    assert parse().show_reasoning is None


@pytest.mark.parametrize(
    ("stop", "expected"),
    [("END", ("END",)), (["a", "b"], ("a", "b")), ("", ()), (["", "x"], ("x",)), (None, ())],
)
def test_stop_is_one_or_several_sequences(stop: Any, expected: tuple[str, ...]) -> None:
    assert parse(stop=stop).stop == expected


def test_newer_name_of_the_limit_wins() -> None:
    assert parse(max_tokens=5).max_output_tokens == 5
    assert parse(max_tokens=5, max_completion_tokens=7).max_output_tokens == 7


def test_usage_of_a_stream_is_asked_for() -> None:
    request = parse(stream=True, stream_options={"include_usage": True})

    assert (request.stream, request.include_usage) == (True, True)


@pytest.mark.parametrize("options", [{"include_usage": False}, {"include_usage": None}, {}, None])
def test_usage_of_a_stream_is_not_given_unasked(options: Any) -> None:
    assert parse(stream=True, stream_options=options).include_usage is False


def test_what_tells_the_conversation_is_passed_on() -> None:
    fields = {"metadata": {"user_id": "session_1", "x": 1}, "prompt_cache_key": "k", "user": "u"}

    hints = parse(**fields).hints

    assert hints == AffinityHints(prompt_cache_key="k", metadata_user_id="session_1", user="u")
    assert ignored_fields(decode(**fields)) == ()


@pytest.mark.parametrize("odd", [7, ["x"], {"user_id": 7}, {"user_id": None}, {"a": "b"}, True])
def test_odd_metadata_and_cache_keys_are_ignored_and_told(odd: object) -> None:
    fields = {"metadata": odd, "prompt_cache_key": odd}

    assert parse(**fields).hints == AffinityHints()
    assert set(ignored_fields(decode(**fields))) == {"metadata", "prompt_cache_key"}


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({"type": "text", "text": "a"}, TextPart("a")),
        ({"type": "input_text", "text": "a"}, TextPart("a")),
        ({"type": "refusal", "refusal": "no"}, TextPart("no")),
        ("plain", TextPart("plain")),
        (
            {
                "type": "image_url",
                "image_url": {"url": "https://example.org/a.png", "detail": "low"},
            },
            ImagePart("https://example.org/a.png"),
        ),
        (
            {"type": "image_url", "image_url": "data:image/png;base64,AAAA"},
            ImagePart("data:image/png;base64,AAAA"),
        ),
        (
            {
                "type": "file",
                "file": {"file_data": "data:text/plain;base64,AAAA", "filename": "a.txt"},
            },
            FilePart("data:text/plain;base64,AAAA", "a.txt"),
        ),
        (
            {"type": "file", "file": {"file_data": "AAAA"}},
            FilePart("data:application/octet-stream;base64,AAAA"),
        ),
        (
            {"type": "input_file", "file_url": "https://example.org/a.pdf"},
            FilePart("https://example.org/a.pdf"),
        ),
    ],
)
def test_part_is_understood(part: Any, expected: Any) -> None:
    assert parse_parts(part) == (expected,)


def test_part_of_unknown_type_is_passed_over() -> None:
    new = {"type": "video_url", "text": {"not": "text"}, "video_url": {"url": "x"}}

    assert parse_parts({"type": "text", "text": "a"}, new) == (TextPart("a"),)


@pytest.mark.parametrize(
    ("part", "param"),
    [
        ({"type": "text", "text": 1}, "messages[0].content[1].text"),
        ({"type": "image_url"}, "messages[0].content[1].image_url"),
        ({"type": "image_url", "image_url": {}}, "messages[0].content[1].image_url.url"),
        (
            {"type": "image_url", "image_url": "file:///etc/passwd"},
            "messages[0].content[1].image_url",
        ),
        ({"type": "file", "file": {"file_id": "file-1"}}, "messages[0].content[1].file"),
        ({"type": "input_audio", "input_audio": {"data": ""}}, "messages[0].content[1]"),
        (7, "messages[0].content[1]"),
    ],
)
def test_fault_in_a_part_is_named(part: Any, param: str) -> None:
    parts = [{"type": "text", "text": "a"}, part]

    assert refused(messages=[{"role": "user", "content": parts}]).param == param


def test_tool_round_trip_is_kept() -> None:
    calls = [
        {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
        {"id": "c2", "type": "function", "function": {"name": "g", "arguments": {"b": 2}}},
        {"id": "c3", "type": "custom", "custom": {"name": "h", "input": "x"}},
        {"id": "c4", "type": "brand_new"},
    ]

    asked, answered = parse_messages(
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "1"}]},
    )

    assert asked.tool_calls == (
        ToolCall("c1", "f", '{"a":1}'),
        ToolCall("c2", "g", '{"b":2}'),
        ToolCall("c3", "h", "x"),
    )
    assert (answered.tool_call_id, answered.parts) == ("c1", (TextPart("1"),))


def test_function_call_of_old_clients_is_kept() -> None:
    asked, answered = parse_messages(
        {"role": "assistant", "content": None, "function_call": {"name": "f"}},
        {"role": "function", "name": "f", "content": "1"},
    )

    assert asked.tool_calls == (ToolCall("", "f", "{}"),)
    assert answered.tool_call_id == "f"


def test_own_list_of_sources_is_taken_out_of_history() -> None:
    answer = "Yes.\n\n## Sources\n[grok2api-sources]: #\n\n- [A](https://example.org)"

    own, users = parse_messages(
        {"role": "assistant", "content": answer}, {"role": "user", "content": answer}
    )

    assert own.parts == (TextPart("Yes."),)
    assert users.parts == (TextPart(answer),)


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({}, None),
        ({"reasoning_effort": "none"}, False),
        ({"reasoning_effort": "max"}, True),
        ({"thinking": {"type": "enabled", "budget_tokens": 9}}, True),
        ({"thinking": {"type": "adaptive"}}, True),
        ({"thinking": {"type": "disabled"}}, False),
        ({"thinking": {"type": "disabled"}, "reasoning_effort": "high"}, False),
        ({"thinking": {"type": "enabled"}, "reasoning_effort": "none"}, True),
    ],
)
def test_thinking_is_shown_as_either_field_says(fields: Any, *, shown: bool | None) -> None:
    wire = decode(**fields)

    assert parse_request(wire).show_reasoning is shown
    assert ignored_fields(wire) == ()


def test_fields_without_effect_are_told() -> None:
    wire = decode(
        tools=[],
        tool_choice="auto",
        seed=0,
        temperature=0,
        top_p=None,
        logprobs=False,
        user="u",
        n=1,
    )

    assert set(ignored_fields(wire)) == {"seed", "temperature", "logprobs"}


def test_prompt_counts_all_text_and_a_little_more() -> None:
    request = parse(
        messages=[
            {"role": "system", "content": "abc"},
            {
                "role": "user",
                "content": [{"type": "text", "text": "de"}, {"type": "text", "text": "f"}],
            },
            {"role": "assistant", "tool_calls": [{"function": {"name": "g", "arguments": "{}"}}]},
        ]
    )

    assert count_input_tokens(request, len) == 9 + OVERHEAD_TOKENS
