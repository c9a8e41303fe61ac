"""Chat Completions requests: wire Struct to domain."""

from typing import assert_never

import msgspec
from msgspec import Raw

from grok2api.dialects.fields import (
    check_url,
    decode,
    decode_if_possible,
    is_given,
    no_audio,
    own_words,
    parse_file,
    refusal,
)
from grok2api.dialects.openai_chat_media import parse_image_config, parse_video_config
from grok2api.dialects.openai_chat_tools import parse_choice, parse_format, parse_tools
from grok2api.domain.affinity import AffinityHints
from grok2api.domain.chat import (
    ChatRequest,
    ContentPart,
    ImagePart,
    Message,
    Role,
    TextPart,
    ToolCall,
)
from grok2api.wire.openai.chat import (
    ChatCompletionRequest,
    FileBody,
    FileFields,
    FunctionCall,
    ImageBody,
    MetadataFields,
    PartType,
    RefusalBody,
    RequestMessage,
    RequestToolCall,
    TextBody,
)

CHAT_REQUEST_DECODER: msgspec.json.Decoder[ChatCompletionRequest] = msgspec.json.Decoder(
    ChatCompletionRequest
)

MAX_STOP_SEQUENCES = 4
MAX_STOP_CHARS = 256

_ROLES = {role.value: role for role in Role} | {"function": Role.TOOL}
_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_THINKING = ("enabled", "disabled", "adaptive", "auto")

_UNDECODED = tuple(f.name for f in msgspec.structs.fields(ChatCompletionRequest) if f.type is Raw)

_PART_TYPE = msgspec.json.Decoder(PartType | str)
_TEXT = msgspec.json.Decoder(TextBody)
_REFUSAL = msgspec.json.Decoder(RefusalBody)
_IMAGE = msgspec.json.Decoder(ImageBody)
_FILE = msgspec.json.Decoder(FileBody)
_FLAT_FILE = msgspec.json.Decoder(FileFields)
_METADATA = msgspec.json.Decoder(MetadataFields)
_PLAIN_TEXT = msgspec.json.Decoder(str)


def parse_request(wire: ChatCompletionRequest) -> ChatRequest:
    """Return what the client asks for.

    Raises:
        InvalidRequestError: something cannot be served as it stands; `param` names it.
    """
    if not wire.messages:
        raise refusal("At least one message is needed.", "messages")
    _check_supported(wire)
    options = wire.stream_options
    tools = parse_tools(wire)
    limit = wire.max_tokens if wire.max_completion_tokens is None else wire.max_completion_tokens
    return ChatRequest(
        model=wire.model,
        messages=tuple(
            _parse_message(message, f"messages[{index}]")
            for index, message in enumerate(wire.messages)
        ),
        stream=wire.stream,
        include_usage=options is not None and options.include_usage is True,
        show_reasoning=_is_reasoning_shown(wire),
        max_output_tokens=limit,
        stop=_parse_stop(wire.stop),
        tools=tools,
        tool_choice=parse_choice(wire, tools),
        answer_format=parse_format(wire.response_format),
        hints=_read_hints(wire),
        images=parse_image_config(wire.image_config),
        video=parse_video_config(wire.video_config),
    )


def ignored_fields(wire: ChatCompletionRequest) -> tuple[str, ...]:
    """Return the names of fields the client has set that change nothing."""
    hints = _read_hints(wire)
    used = {"metadata": hints.metadata_user_id, "prompt_cache_key": hints.prompt_cache_key}
    names = [name for name in _UNDECODED if not used.get(name) and is_given(getattr(wire, name))]
    names += [name for name in ("temperature", "top_p") if getattr(wire, name) is not None]
    return tuple(names)


def _check_supported(wire: ChatCompletionRequest) -> None:
    if wire.n is not None and wire.n > 1:
        raise refusal("Only one choice can be made: 'n' must be 1.", "n", "unsupported_value")
    if wire.reasoning_effort is not None and wire.reasoning_effort not in _EFFORTS:
        raise refusal(f"'reasoning_effort' is one of: {', '.join(_EFFORTS)}.", "reasoning_effort")

    if wire.thinking is not None and wire.thinking.type not in _THINKING:
        raise refusal(f"'thinking.type' is one of: {', '.join(_THINKING)}.", "thinking.type")


def _is_reasoning_shown(wire: ChatCompletionRequest) -> bool | None:
    """Return what the client said; `thinking` is the plainer word of the two."""
    if wire.thinking is not None:
        return wire.thinking.type != "disabled"
    return None if wire.reasoning_effort is None else wire.reasoning_effort != "none"


def _read_hints(wire: ChatCompletionRequest) -> AffinityHints:
    metadata = decode_if_possible(_METADATA, wire.metadata)
    return AffinityHints(
        prompt_cache_key=decode_if_possible(_PLAIN_TEXT, wire.prompt_cache_key) or "",
        metadata_user_id="" if metadata is None else metadata.user_id,
        user=wire.user or "",
    )


def _parse_stop(stop: str | list[str] | None) -> tuple[str, ...]:
    sequences = [stop] if isinstance(stop, str) else stop or []
    if len(sequences) > MAX_STOP_SEQUENCES:
        raise refusal(f"At most {MAX_STOP_SEQUENCES} stop sequences can be given.", "stop")
    if any(len(sequence) > MAX_STOP_CHARS for sequence in sequences):
        raise refusal(f"A stop sequence has at most {MAX_STOP_CHARS} characters.", "stop")
    return tuple(sequence for sequence in sequences if sequence)


def _parse_message(wire: RequestMessage, at: str) -> Message:
    role = _ROLES.get(wire.role.lower())
    if role is None:
        raise refusal(f"'{at}.role' is one of: {', '.join(_ROLES)}.", f"{at}.role")
    match wire.content:
        case None:
            parts: tuple[ContentPart, ...] = ()
        case str(text):
            parts = (TextPart(text),)
        case list(raw_parts):
            found = (
                _parse_part(raw, f"{at}.content[{index}]") for index, raw in enumerate(raw_parts)
            )
            parts = tuple(part for part in found if part is not None)
        case _:
            assert_never(wire.content)
    parts = tuple(own_words(part, role) for part in parts)
    call_id = wire.tool_call_id or (wire.name if role is Role.TOOL else None)
    return Message(role, parts, _parse_calls(wire), call_id or "")


def _parse_calls(wire: RequestMessage) -> tuple[ToolCall, ...]:
    calls = [_parse_call(call) for call in wire.tool_calls or ()]
    if wire.function_call is not None:
        calls.append(_named_call("", wire.function_call))
    return tuple(call for call in calls if call is not None)


def _parse_call(wire: RequestToolCall) -> ToolCall | None:
    if wire.function is not None:
        return _named_call(wire.id or "", wire.function)
    if wire.custom is not None:
        return ToolCall(wire.id or "", wire.custom.name, wire.custom.input)
    return None


def _named_call(call_id: str, function: FunctionCall) -> ToolCall:
    match function.arguments:
        case str(text):
            arguments = text
        case None:
            arguments = "{}"
        case _:
            arguments = msgspec.json.encode(function.arguments).decode()
    return ToolCall(call_id, function.name, arguments)


def _parse_part(raw: Raw, at: str) -> ContentPart | None:
    """Return the part, or None for a type that nobody knows yet."""
    head = decode(_PART_TYPE, raw, at)
    if isinstance(head, str):
        return TextPart(head)
    part: ContentPart | None = None
    match head.type:
        case "text" | "input_text" | "output_text":
            part = TextPart(decode(_TEXT, raw, at).text or "")
        case "refusal":
            part = TextPart(decode(_REFUSAL, raw, at).refusal or "")
        case "image_url" | "input_image":
            image = decode(_IMAGE, raw, at).image_url
            url = image if isinstance(image, str) else image.url
            part = ImagePart(check_url(url, f"{at}.image_url"))
        case "file":
            part = parse_file(decode(_FILE, raw, at).file, f"{at}.file")
        case "input_file":
            part = parse_file(decode(_FLAT_FILE, raw, at), at)
        case "input_audio":
            raise no_audio(at)
        case _:
            pass
    return part
