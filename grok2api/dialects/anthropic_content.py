"""Messages of the Anthropic API: wire messages and their blocks to domain."""

from collections.abc import Iterator, Sequence

import msgspec
from msgspec import Raw

from grok2api.dialects.fields import check_url, decode, no_uploads, own_words, refusal
from grok2api.domain.chat import (
    ContentPart,
    FilePart,
    ImagePart,
    Message,
    Role,
    TextPart,
    ToolCall,
)
from grok2api.errors import InvalidRequestError
from grok2api.wire.anthropic.requests import (
    BlockType,
    DocumentBody,
    ImageBody,
    RequestMessage,
    SearchResultBody,
    SourceBody,
    TextBody,
    ToolReferenceBody,
    ToolResultBody,
    ToolUseBody,
)

Content = str | list[Raw] | None

_ROLES = {role.value: role for role in (Role.USER, Role.ASSISTANT, Role.SYSTEM, Role.DEVELOPER)}
_MAX_DEPTH = 4
"""Results hold documents, which hold blocks; nothing honest is nested deeper."""

_BLOCK_TYPE = msgspec.json.Decoder(BlockType | str)
_TEXT = msgspec.json.Decoder(TextBody | str)
_IMAGE = msgspec.json.Decoder(ImageBody)
_DOCUMENT = msgspec.json.Decoder(DocumentBody)
_SEARCH_RESULT = msgspec.json.Decoder(SearchResultBody)
_TOOL_USE = msgspec.json.Decoder(ToolUseBody)
_TOOL_RESULT = msgspec.json.Decoder(ToolResultBody)
_TOOL_REFERENCE = msgspec.json.Decoder(ToolReferenceBody)


def parse_messages(system: Content, messages: Sequence[RequestMessage]) -> tuple[Message, ...]:
    """Return the conversation, all of it in its order.

    A message that mixes results of tools with other blocks becomes several. Thinking is left out:
    the upstream has no use for it.

    Raises:
        InvalidRequestError: a block cannot be served as it stands.
    """
    found: list[Message] = []
    if instructions := parse_parts(system, "system"):
        found.append(Message(Role.SYSTEM, instructions))
    for index, message in enumerate(messages):
        found += _parse_message(message, f"messages[{index}]")
    return tuple(found)


def parse_parts(content: Content, at: str, depth: int = 0) -> tuple[ContentPart, ...]:
    """Return the parts of a system prompt, of a result or of a document.

    Raises:
        InvalidRequestError: a block cannot be served as it stands.
    """
    if depth > _MAX_DEPTH:
        raise refusal("Blocks are nested too deeply.", at)
    if not isinstance(content, list):
        return (TextPart(content),) if content else ()
    parts: list[ContentPart] = []
    for index, raw in enumerate(content):
        block_at = f"{at}.content[{index}]" if depth or at != "system" else f"system[{index}]"
        parts += _parse_block(_type_of(raw, block_at), raw, block_at, depth)
    return tuple(parts)


def _parse_message(wire: RequestMessage, at: str) -> Iterator[Message]:
    role = _ROLES.get(wire.role.lower())
    if role is None:
        raise refusal(f"It is one of: {', '.join(_ROLES)}.", f"{at}.role")
    parts: list[ContentPart] = []
    calls: list[ToolCall] = []
    blocks = wire.content if isinstance(wire.content, list) else ()
    if isinstance(wire.content, str) and wire.content:
        parts.append(own_words(TextPart(wire.content), role))
    for index, raw in enumerate(blocks):
        block_at = f"{at}.content[{index}]"
        kind = _type_of(raw, block_at)
        if kind == "tool_use":
            calls.append(_parse_call(raw, block_at))
            continue
        result = _parse_result(raw, block_at) if kind == "tool_result" else None
        more = () if result else _parse_block(kind, raw, block_at, 0)
        if (result and parts) or (calls and (result or more)):
            # What follows a call or comes before a result is said at its own time.
            yield Message(role, tuple(parts), tuple(calls))
            parts, calls = [], []
        if result:
            yield result
        parts += (own_words(part, role) for part in more)
    if parts or calls:
        yield Message(role, tuple(parts), tuple(calls))


def _type_of(raw: Raw, at: str) -> str:
    """Return the type of a block, "text" for one that is a bare text."""
    head = decode(_BLOCK_TYPE, raw, at)
    return "text" if isinstance(head, str) else head.type


def _parse_call(raw: Raw, at: str) -> ToolCall:
    wire = decode(_TOOL_USE, raw, at)
    return ToolCall(wire.id, wire.name, bytes(wire.input).decode("utf-8", "replace") or "{}")


def _parse_result(raw: Raw, at: str) -> Message:
    wire = decode(_TOOL_RESULT, raw, at)
    return Message(
        Role.TOOL,
        parse_parts(wire.content, at, 1),
        tool_call_id=wire.tool_use_id,
        is_error=wire.is_error is True,
    )


def _parse_block(kind: str, raw: Raw, at: str, depth: int) -> tuple[ContentPart, ...]:
    """Return the parts of one block: () for thinking, and for types that nobody knows yet."""
    parts: tuple[ContentPart, ...] = ()
    match kind:
        case "text":
            text = decode(_TEXT, raw, at)
            parts = _text(text if isinstance(text, str) else text.text)
        case "image":
            parts = (_parse_image(decode(_IMAGE, raw, at).source, f"{at}.source"),)
        case "document":
            parts = _parse_document(decode(_DOCUMENT, raw, at), at, depth)
        case "search_result":
            found = decode(_SEARCH_RESULT, raw, at)
            heading = _text(found.title, found.source)
            parts = (*heading, *parse_parts(found.content, at, depth + 1))
        case "tool_reference":
            name = decode(_TOOL_REFERENCE, raw, at).tool_name
            parts = _text(f"The tool {name} can be called now.")
        case _:
            pass
    return parts


def _parse_image(source: SourceBody, at: str) -> ImagePart:
    match source.type:
        case "base64" if source.data:
            return ImagePart(_data_uri(source, "image/jpeg"))
        case "url" if source.url:
            return ImagePart(check_url(source.url, f"{at}.url"))
        case _:
            raise _unknown_source(source, at)


def _parse_document(wire: DocumentBody, at: str, depth: int) -> tuple[ContentPart, ...]:
    source, title = wire.source, wire.title or ""
    at_source = f"{at}.source"
    match source.type:
        case "base64" if source.data:
            return (
                *_text(wire.context),
                FilePart(_data_uri(source, "application/pdf"), title),
            )
        case "url" if source.url:
            return (
                *_text(wire.context),
                FilePart(check_url(source.url, f"{at_source}.url"), title),
            )
        case "text" if source.data is not None:
            return _text(title, wire.context, source.data)
        case "content":
            inner = parse_parts(source.content, at_source, depth + 1)
            return (*_text(title, wire.context), *inner)
        case _:
            raise _unknown_source(source, at_source)


def _text(*lines: str | None) -> tuple[TextPart, ...]:
    text = "\n".join(line for line in lines if line)
    return (TextPart(text),) if text else ()


def _data_uri(source: SourceBody, usual: str) -> str:
    return f"data:{source.media_type or usual};base64,{source.data}"


def _unknown_source(source: SourceBody, at: str) -> InvalidRequestError:
    if source.type == "file":
        return no_uploads(at, "instead")
    return refusal("It has no content of a type that is known here.", at, "unsupported_value")
