"""Chat Completions requests: wire Struct to domain."""

from collections.abc import Callable
from typing import TypeVar, assert_never

import msgspec
from msgspec import Raw, Struct

from grok2api.dialects.errors import parse_problem
from grok2api.dialects.findings import strip_sources_section
from grok2api.dialects.openai_chat_tools import parse_choice, parse_format, parse_tools
from grok2api.domain.affinity import AffinityHints
from grok2api.domain.chat import (
    ChatRequest,
    ContentPart,
    FilePart,
    ImagePart,
    Message,
    Role,
    TextPart,
    ToolCall,
)
from grok2api.errors import InvalidRequestError
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
PROMPT_OVERHEAD_TOKENS = 4

_ROLES = {role.value: role for role in Role} | {"function": Role.TOOL}
_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh")
_URL_SCHEMES = ("https://", "http://", "data:")

_NULL = (b"", b"null")
_UNDECODED = tuple(f.name for f in msgspec.structs.fields(ChatCompletionRequest) if f.type is Raw)

_PART_TYPE = msgspec.json.Decoder(PartType | str)
_TEXT = msgspec.json.Decoder(TextBody)
_REFUSAL = msgspec.json.Decoder(RefusalBody)
_IMAGE = msgspec.json.Decoder(ImageBody)
_FILE = msgspec.json.Decoder(FileBody)
_FLAT_FILE = msgspec.json.Decoder(FileFields)
_METADATA = msgspec.json.Decoder(MetadataFields)
_PLAIN_TEXT = msgspec.json.Decoder(str)

S = TypeVar("S", bound=Struct | str)


def parse_request(wire: ChatCompletionRequest) -> ChatRequest:
    """Return what the client asks for.

    Raises:
        InvalidRequestError: something cannot be served as it stands; `param` names it.
    """
    if not wire.messages:
        raise _refusal("At least one message is needed.", "messages")
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
        show_reasoning=None if wire.reasoning_effort is None else wire.reasoning_effort != "none",
        max_output_tokens=limit,
        stop=_parse_stop(wire.stop),
        tools=tools,
        tool_choice=parse_choice(wire, tools),
        answer_format=parse_format(wire.response_format),
        hints=_read_hints(wire),
    )


def ignored_fields(wire: ChatCompletionRequest) -> tuple[str, ...]:
    """Return the names of fields the client has set that change nothing."""
    hints = _read_hints(wire)
    used = {"metadata": hints.metadata_user_id, "prompt_cache_key": hints.prompt_cache_key}
    names = [
        name
        for name in _UNDECODED
        if not used.get(name) and bytes(getattr(wire, name)) not in _NULL
    ]
    names += [name for name in ("temperature", "top_p") if getattr(wire, name) is not None]
    return tuple(names)


def count_prompt_tokens(request: ChatRequest, count_tokens: Callable[[str], int]) -> int:
    """Count the text of `request` and its tools; pictures and documents count nothing."""
    total = 0
    for message in request.messages:
        total += sum(count_tokens(p.text) for p in message.parts if isinstance(p, TextPart))
        total += sum(count_tokens(call.name + call.arguments) for call in message.tool_calls)
    for tool in request.tools:
        schema = msgspec.json.encode(tool.parameters).decode() if tool.parameters else ""
        total += count_tokens(tool.name + tool.description + schema + tool.grammar)
    if request.answer_format.schema:
        total += count_tokens(msgspec.json.encode(request.answer_format.schema).decode())
    return total + PROMPT_OVERHEAD_TOKENS if total else 0


def _refusal(message: str, param: str, code: str = "invalid_value") -> InvalidRequestError:
    return InvalidRequestError(message, param=param, code=code)


def _check_supported(wire: ChatCompletionRequest) -> None:
    if wire.n is not None and wire.n > 1:
        raise _refusal("Only one choice can be made: 'n' must be 1.", "n", "unsupported_value")
    if wire.reasoning_effort is not None and wire.reasoning_effort not in _EFFORTS:
        raise _refusal(f"'reasoning_effort' is one of: {', '.join(_EFFORTS)}.", "reasoning_effort")


def _read_hints(wire: ChatCompletionRequest) -> AffinityHints:
    metadata = _decode_if_possible(_METADATA, wire.metadata)
    return AffinityHints(
        prompt_cache_key=_decode_if_possible(_PLAIN_TEXT, wire.prompt_cache_key) or "",
        metadata_user_id="" if metadata is None else metadata.user_id,
        user=wire.user or "",
    )


def _parse_stop(stop: str | list[str] | None) -> tuple[str, ...]:
    sequences = [stop] if isinstance(stop, str) else stop or []
    if len(sequences) > MAX_STOP_SEQUENCES:
        raise _refusal(f"At most {MAX_STOP_SEQUENCES} stop sequences can be given.", "stop")
    if any(len(sequence) > MAX_STOP_CHARS for sequence in sequences):
        raise _refusal(f"A stop sequence has at most {MAX_STOP_CHARS} characters.", "stop")
    return tuple(sequence for sequence in sequences if sequence)


def _parse_message(wire: RequestMessage, at: str) -> Message:
    role = _ROLES.get(wire.role.lower())
    if role is None:
        raise _refusal(f"'{at}.role' is one of: {', '.join(_ROLES)}.", f"{at}.role")
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
    if role is Role.ASSISTANT:
        parts = tuple(_without_sources(part) for part in parts)
    call_id = wire.tool_call_id or (wire.name if role is Role.TOOL else None)
    return Message(role, parts, _parse_calls(wire), call_id or "")


def _without_sources(part: ContentPart) -> ContentPart:
    return TextPart(strip_sources_section(part.text)) if isinstance(part, TextPart) else part


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
    head = _decode(_PART_TYPE, raw, at)
    if isinstance(head, str):
        return TextPart(head)
    part: ContentPart | None = None
    match head.type:
        case "text" | "input_text" | "output_text":
            part = TextPart(_decode(_TEXT, raw, at).text or "")
        case "refusal":
            part = TextPart(_decode(_REFUSAL, raw, at).refusal or "")
        case "image_url" | "input_image":
            image = _decode(_IMAGE, raw, at).image_url
            url = image if isinstance(image, str) else image.url
            part = ImagePart(_checked_url(url, f"{at}.image_url"))
        case "file":
            part = _parse_file(_decode(_FILE, raw, at).file, f"{at}.file")
        case "input_file":
            part = _parse_file(_decode(_FLAT_FILE, raw, at), at)
        case "input_audio":
            raise _refusal("Audio input is not supported.", at, "unsupported_value")
        case _:
            pass
    return part


def _parse_file(wire: FileFields, at: str) -> FilePart:
    name = wire.filename or ""
    if wire.file_data:
        is_bare = not wire.file_data.lower().startswith(_URL_SCHEMES)
        prefix = "data:application/octet-stream;base64," if is_bare else ""
        return FilePart(prefix + wire.file_data, name)
    if wire.file_url:
        return FilePart(_checked_url(wire.file_url, f"{at}.file_url"), name)
    raise _refusal(
        "Uploaded files cannot be referred to: give the content in 'file_data'.",
        at,
        "unsupported_value",
    )


def _checked_url(url: str, at: str) -> str:
    if not url.lower().startswith(_URL_SCHEMES):
        raise _refusal("It must be an http(s) URL or a data URI.", at)
    return url


def _decode(decoder: msgspec.json.Decoder[S], raw: Raw, at: str) -> S:
    try:
        return decoder.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as problem:
        raise parse_problem(problem, at) from None


def _decode_if_possible(decoder: msgspec.json.Decoder[S], raw: Raw) -> S | None:
    """Decode what may be anything: clients put into such a field what they like."""
    if bytes(raw) in _NULL:
        return None
    try:
        return decoder.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
