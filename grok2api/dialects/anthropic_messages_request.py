"""Messages requests: wire Struct to domain."""

import msgspec
from msgspec import Raw

from grok2api.dialects.anthropic_content import parse_messages
from grok2api.dialects.anthropic_tools import parse_choice, parse_tools
from grok2api.dialects.fields import decode_if_possible, is_given, refusal
from grok2api.dialects.tools.definitions import check_schema
from grok2api.domain.affinity import AffinityHints
from grok2api.domain.chat import ChatRequest
from grok2api.domain.tools import AnswerFormat, FormatKind
from grok2api.wire.anthropic.requests import MessagesRequest, MetadataFields, ThinkingBody

MESSAGES_REQUEST_DECODER: msgspec.json.Decoder[MessagesRequest] = msgspec.json.Decoder(
    MessagesRequest
)

MAX_STOP_SEQUENCES = 64
MAX_STOP_CHARS = 256

_METADATA = msgspec.json.Decoder(MetadataFields)
_UNDECODED = tuple(f.name for f in msgspec.structs.fields(MessagesRequest) if f.type is Raw)
_NUMBERS = ("temperature", "top_p")


def parse_request(wire: MessagesRequest) -> ChatRequest:
    """Return what the client asks for. Thinking is shown only where it was asked for.

    Raises:
        InvalidRequestError: something cannot be served as it stands; `param` names it.
    """
    if not wire.messages:
        raise refusal("At least one message is needed.", "messages")
    messages = parse_messages(wire.system, wire.messages)
    if not messages:
        raise refusal("None of them has any content.", "messages")
    offered = parse_tools(wire.tools)
    return ChatRequest(
        model=wire.model,
        messages=messages,
        stream=wire.stream,
        show_reasoning=_is_thinking_shown(wire.thinking),
        max_output_tokens=wire.max_tokens,
        stop=_parse_stop(wire.stop_sequences),
        tools=offered.tools,
        tool_choice=parse_choice(wire.tool_choice, offered),
        answer_format=_parse_format(wire),
        hints=AffinityHints(metadata_user_id=_user_id(wire)),
    )


def ignored_fields(wire: MessagesRequest) -> tuple[str, ...]:
    """Return the names of fields the client has set that change nothing."""
    names = [name for name in _UNDECODED if is_given(getattr(wire, name))]
    if _user_id(wire):
        names.remove("metadata")
    names += [name for name in _NUMBERS if getattr(wire, name) is not None]
    if wire.output_config is not None and wire.output_config.effort is not None:
        names.append("output_config.effort")
    return tuple(names)


def _is_thinking_shown(wire: ThinkingBody | None) -> bool:
    return wire is not None and wire.type != "disabled" and wire.display != "omitted"


def _user_id(wire: MessagesRequest) -> str:
    """Read what may be anything: clients put into `metadata` what they like."""
    fields = decode_if_possible(_METADATA, wire.metadata)
    return "" if fields is None else fields.user_id or ""


def _parse_stop(sequences: list[str] | None) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(sequence for sequence in sequences or () if sequence))
    if len(found) > MAX_STOP_SEQUENCES:
        raise refusal(f"At most {MAX_STOP_SEQUENCES} can be given.", "stop_sequences")
    if any(len(sequence) > MAX_STOP_CHARS for sequence in found):
        raise refusal(f"One has at most {MAX_STOP_CHARS} characters.", "stop_sequences")
    return found


def _parse_format(wire: MessagesRequest) -> AnswerFormat:
    at, given = "output_config.format", wire.output_config and wire.output_config.format
    if not given:
        at, given = "output_format", wire.output_format
    if given is None or given.type != FormatKind.JSON_SCHEMA:
        return AnswerFormat()
    check_schema(given.schema, f"{at}.schema", "invalid_json_schema")
    return AnswerFormat(FormatKind.JSON_SCHEMA, "answer", given.schema, is_strict=True)
