"""Responses requests: wire Struct to domain."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from grok2api.dialects.fields import decode_if_possible, is_given, missing, refusal
from grok2api.dialects.openai_response_input import (
    Expand,
    has_trigger,
    normalize_items,
    parse_items,
    referred_items,
)
from grok2api.dialects.openai_response_tools import ToolSet, parse_choice, parse_tools
from grok2api.dialects.openai_responses import ResponseView
from grok2api.dialects.tools.definitions import check_schema
from grok2api.domain.affinity import AffinityHints
from grok2api.domain.chat import ChatRequest, Message, Role, TextPart
from grok2api.domain.tools import AnswerFormat, FormatKind
from grok2api.wire.openai.response_object import ReasoningEcho, ResponseBody
from grok2api.wire.openai.responses import ReasoningOptions, ResponsesRequest, TextFormat

__all__ = [
    "RESPONSES_DECODER",
    "ParsedResponses",
    "build_body",
    "ignored_fields",
    "normalize_items",
    "parse_request",
    "referred_items",
    "wants_compaction",
]

RESPONSES_DECODER: msgspec.json.Decoder[ResponsesRequest] = msgspec.json.Decoder(ResponsesRequest)

_EFFORTS: Final = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_SOURCES = "web_search_call.action.sources"
_WITHOUT_EFFECT = (
    *("max_tool_calls", "top_logprobs", "service_tier", "prompt_cache_retention"),
    *("context_management", "moderation"),
)
_METADATA = msgspec.json.Decoder(dict[str, Any])
_encode = msgspec.json.Encoder().encode


class ParsedResponses(Struct, frozen=True, kw_only=True):
    """What a client asks for, and how it wants to see the answer."""

    chat: ChatRequest
    view: ResponseView
    tools: ToolSet


def wants_compaction(wire: ResponsesRequest) -> bool:
    """Whether the conversation is to be compacted instead of answered.

    Raises:
        InvalidRequestError: an item makes no sense.
    """
    return isinstance(wire.input, list) and has_trigger(wire.input)


def parse_request(
    wire: ResponsesRequest,
    items: Sequence[Raw],
    *,
    history: Sequence[Raw] = (),
    continues: str = "",
    expand: Expand,
) -> ParsedResponses:
    """Return what the client asks for.

    `items` are its input, normalized; `history` what came before, if it continues a response, and
    `continues` the conversation of that one.

    Raises:
        InvalidRequestError: something cannot be served as it stands; `param` names it.
    """
    _check(wire)
    tools = parse_tools(wire.tools)
    messages = parse_items(history, expand, "history") + parse_items(items, expand)
    if not messages:
        raise refusal("'input' must be text or hold at least one message.", "input")
    if wire.instructions:
        messages.insert(0, Message(Role.SYSTEM, (TextPart(wire.instructions),)))
    is_parallel = wire.parallel_tool_calls is not False
    chat = ChatRequest(
        model=wire.model,
        messages=tuple(messages),
        stream=wire.stream,
        show_reasoning=None if wire.reasoning is None else wire.reasoning.effort != "none",
        max_output_tokens=wire.max_output_tokens,
        tools=tools.tools,
        tool_choice=parse_choice(wire.tool_choice, tools, is_parallel=is_parallel),
        answer_format=_parse_format(wire.text.format if wire.text else None),
        hints=AffinityHints(
            prompt_cache_key=wire.prompt_cache_key or "",
            metadata_user_id=_user_of(wire.metadata),
            user=wire.user or wire.safety_identifier or "",
            continues=continues,
        ),
    )
    view = ResponseView(
        show_reasoning=chat.show_reasoning is not False,
        shows_searches=tools.has_search,
        shows_search_sources=_SOURCES in (wire.include or ()),
        tool_names=tools.names,
    )
    return ParsedResponses(chat=chat, view=view, tools=tools)


def ignored_fields(wire: ResponsesRequest, tools: ToolSet) -> tuple[str, ...]:
    """Return the names of fields the client has set that change nothing."""
    names = [name for name in _WITHOUT_EFFECT if is_given(getattr(wire, name))]
    names += [name for name in ("temperature", "top_p") if getattr(wire, name) is not None]
    if wire.truncation == "auto":
        names.append("truncation")
    if wire.text is not None and wire.text.verbosity is not None:
        names.append("text.verbosity")
    return (*names, *(f"tools.{kind}" for kind in dict.fromkeys(tools.ignored)))


def build_body(
    wire: ResponsesRequest, response_id: str, created_s: int, *, is_stored: bool
) -> ResponseBody:
    """Return the response as it is at its beginning."""
    reasoning = wire.reasoning or ReasoningOptions()
    return ResponseBody(
        id=response_id,
        created_at=created_s,
        status="in_progress",
        background=wire.background is True,
        instructions=wire.instructions,
        max_output_tokens=wire.max_output_tokens,
        model=wire.model,
        parallel_tool_calls=wire.parallel_tool_calls is not False,
        previous_response_id=wire.previous_response_id,
        prompt_cache_key=wire.prompt_cache_key,
        reasoning=ReasoningEcho(reasoning.effort, reasoning.summary or reasoning.generate_summary),
        safety_identifier=wire.safety_identifier,
        store=is_stored,
        temperature=wire.temperature,
        text=Raw(_encode(_text_echo(wire))),
        tool_choice=wire.tool_choice if is_given(wire.tool_choice) else Raw(b'"auto"'),
        tools=wire.tools or [],
        top_p=wire.top_p,
        truncation=wire.truncation or "disabled",
        user=wire.user,
        metadata=Raw(_encode(_read_metadata(wire.metadata))),
    )


def _text_echo(wire: ResponsesRequest) -> dict[str, Any]:
    options = wire.text
    wanted = (options.format if options else None) or TextFormat()
    echo: dict[str, Any] = {"type": wanted.type}
    if wanted.schema is not None:
        echo |= {"name": wanted.name, "schema": wanted.schema, "strict": bool(wanted.strict)}
    return {"format": echo, "verbosity": (options.verbosity if options else None) or "medium"}


def _check(wire: ResponsesRequest) -> None:
    for name in ("conversation", "prompt"):
        if is_given(getattr(wire, name)):
            raise refusal(f"'{name}' is not supported.", name, "unsupported_value")
    if wire.background and wire.store is False:
        raise refusal("A background response has to be stored: leave 'store' out.", "store")
    effort = wire.reasoning.effort if wire.reasoning else None
    if effort is not None and effort not in _EFFORTS:
        raise refusal(f"'reasoning.effort' is one of: {', '.join(_EFFORTS)}.", "reasoning.effort")


def _parse_format(wire: TextFormat | None) -> AnswerFormat:
    if wire is None or wire.type == "text":
        return AnswerFormat()
    if wire.type == "json_object":
        return AnswerFormat(FormatKind.JSON_OBJECT)
    if wire.type != "json_schema":
        raise refusal(
            "'text.format.type' is 'text', 'json_object' or 'json_schema'.", "text.format.type"
        )
    if wire.schema is None:
        raise missing("text.format.schema")
    check_schema(wire.schema, "text.format.schema", "invalid_json_schema")
    return AnswerFormat(FormatKind.JSON_SCHEMA, wire.name or "", wire.schema, bool(wire.strict))


def _user_of(metadata: Raw) -> str:
    user = _read_metadata(metadata).get("user_id")
    return user if isinstance(user, str) else ""


def _read_metadata(raw: Raw) -> dict[str, Any]:
    """Read what may be anything: clients put into such a field what they like."""
    return decode_if_possible(_METADATA, raw) or {}
