"""Input items of the Responses API: what a conversation is made of."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw

from grok2api.dialects.fields import (
    check_url,
    decode,
    is_given,
    no_audio,
    no_uploads,
    own_words,
    parse_file,
    refusal,
)
from grok2api.dialects.openai_response_tools import model_name
from grok2api.domain.chat import (
    ContentPart,
    ImagePart,
    Message,
    Role,
    TextPart,
    ToolCall,
)
from grok2api.errors import NotFoundError
from grok2api.wire.openai.responses import ImageAddress, InputItem, InputPart

COMPACTION_TRIGGER: Final = "compaction_trigger"

_ROLES = {role.value: role for role in Role if role is not Role.TOOL}
_COMPACTIONS = frozenset({"compaction", "compaction_summary"})
_SUMMARY_HEADING = "Summary of the conversation up to here:"
_CALL, _OUTPUT = "_call", "_call_output"

_ITEM = msgspec.json.Decoder(InputItem)
_PART = msgspec.json.Decoder(InputPart | str)
_PARTS = msgspec.json.Decoder(str | list[Raw])
_IMAGE = msgspec.json.Decoder(str | ImageAddress)
_ANY = msgspec.json.Decoder(dict[str, Any])

Items = Sequence[Raw]
Expand = Callable[[str], str | None]
"""Opens the sealed text of a compaction item; None where it is not ours."""


def decode_item(raw: Raw, at: str) -> InputItem:
    """Return an item; one without a type is a message, or refers to another one.

    Raises:
        InvalidRequestError: it has another form.
    """
    item: InputItem = decode(_ITEM, raw, at)
    if item.type is not None:
        return item
    is_message = item.role is not None or item.content is not None
    kind = "message" if is_message else "item_reference"
    return msgspec.structs.replace(item, type=kind)


def referred_items(items: Items) -> list[str]:
    """Return the ids of items that are only referred to."""
    found = (decode_item(raw, f"input[{index}]") for index, raw in enumerate(items))
    return [item.id or "" for item in found if item.type == "item_reference"]


def has_trigger(items: Items) -> bool:
    """Whether the conversation is to be compacted instead of answered."""
    return any(decode_item(raw, "input").type == COMPACTION_TRIGGER for raw in items)


def normalize_items(given: str | Items, key: str, known: Mapping[str, Raw]) -> tuple[Raw, ...]:
    """Return the input as a list of items with ids, as the API lists them.

    `known` are the items that can be referred to; each takes the place of its reference.
    Reasoning that nobody keeps any more is left out.

    Raises:
        InvalidRequestError: an item is none; `param` names it.
        NotFoundError: an item is referred to that is not kept.
    """
    if isinstance(given, str):
        given = (Raw(msgspec.json.encode({"role": "user", "content": given})),)
    items: list[Raw] = []
    for index, raw in enumerate(given):
        at = f"input[{index}]"
        item = decode_item(raw, at)
        if item.type != "item_reference":
            items.append(_complete(decode(_ANY, raw, at), f"item_{key}_i{index}"))
        elif item.id and item.id in known:
            items.append(known[item.id])
        elif not (item.id or "").startswith("rs_"):
            raise _not_kept(item.id or "", at)
    return tuple(items)


def parse_items(items: Items, expand: Expand, at: str = "input") -> list[Message]:
    """Return the messages of a conversation whose items were normalized.

    Reasoning is left out: it is no part of what the upstream is given, whoever made it. So are
    types that nobody knows yet. `at` is where the items stand in the request.

    Raises:
        InvalidRequestError: an item makes no sense; `param` names it.
    """
    messages: list[Message] = []
    for index, raw in enumerate(items):
        place = f"{at}[{index}]"
        _add(messages, decode_item(raw, place), raw, place, expand)
    return messages


def _add(messages: list[Message], item: InputItem, raw: Raw, at: str, expand: Expand) -> None:
    kind = item.type or ""
    if kind == "message":
        messages.append(_message(item, at))
    elif kind in _COMPACTIONS:
        text = expand(item.encrypted_content or "")
        if text is not None:
            messages.append(Message(Role.USER, (TextPart(f"{_SUMMARY_HEADING}\n\n{text}"),)))
    elif kind.endswith(_OUTPUT) and item.call_id:
        parts = _output(item.output, f"{at}.output")
        messages.append(Message(Role.TOOL, parts, tool_call_id=item.call_id))
    elif kind.endswith(_CALL) and item.call_id:
        _add_call(messages, _call(item, kind, raw))


def _message(item: InputItem, at: str) -> Message:
    role = _ROLES.get((item.role or "").lower())
    if role is None:
        raise refusal(f"'{at}.role' is one of: {', '.join(_ROLES)}.", f"{at}.role")
    parts = _parts(item.content, f"{at}.content")
    return Message(role, tuple(own_words(part, role) for part in parts))


def _call(item: InputItem, kind: str, raw: Raw) -> ToolCall:
    name = model_name(item.name or kind.removesuffix(_CALL), item.namespace)
    call_id = item.call_id or ""
    if kind == "custom_tool_call":
        return ToolCall(call_id, name, item.input or "")
    if kind != "function_call":
        # A call of a built-in tool of the client's has its own form; the model can read it.
        return ToolCall(call_id, name, bytes(raw).decode())
    if isinstance(item.arguments, dict):
        return ToolCall(call_id, name, msgspec.json.encode(item.arguments).decode())
    return ToolCall(call_id, name, item.arguments or "{}")


def _add_call(messages: list[Message], call: ToolCall) -> None:
    """Calls that follow each other, or what was said before, are one message."""
    last = messages[-1] if messages else None
    if last is not None and last.role is Role.ASSISTANT:
        messages[-1] = msgspec.structs.replace(last, tool_calls=(*last.tool_calls, call))
    else:
        messages.append(Message(Role.ASSISTANT, tool_calls=(call,)))


def _output(raw: Raw, at: str) -> tuple[ContentPart, ...]:
    if not is_given(raw):
        return ()
    data = bytes(raw)
    if data[:1] in b'"[':
        return _parts(decode(_PARTS, raw, at), at)
    return (TextPart(data.decode()),)


def _parts(content: str | list[Raw] | None, at: str) -> tuple[ContentPart, ...]:
    if content is None:
        return ()
    if isinstance(content, str):
        return (TextPart(content),)
    found = (_part(raw, f"{at}[{index}]") for index, raw in enumerate(content))
    return tuple(part for part in found if part is not None)


def _part(raw: Raw, at: str) -> ContentPart | None:
    """Return the part, or None for a type that nobody knows yet."""
    body = decode(_PART, raw, at)
    if isinstance(body, str):
        return TextPart(body)
    match body.type:
        case "input_text" | "output_text" | "text" | "summary_text":
            return TextPart(body.text or "")
        case "refusal":
            return TextPart(body.refusal or "")
        case "input_image" | "image_url" | "image":
            return _image(body, at)
        case "input_file" | "file":
            return parse_file(body, at)
        case "input_audio":
            raise no_audio(at)
        case _:
            return None


def _image(body: InputPart, at: str) -> ImagePart:
    if not is_given(body.image_url):
        raise no_uploads(at, "in 'image_url'")
    image = decode(_IMAGE, body.image_url, f"{at}.image_url")
    return ImagePart(check_url(image if isinstance(image, str) else image.url, f"{at}.image_url"))


def _not_kept(item_id: str, at: str) -> NotFoundError:
    return NotFoundError(
        f"Item with id '{item_id[:80]}' not found. Items of responses that are not stored, "
        "or no longer, have to be sent again.",
        param=at,
        code="item_not_found",
    )


def _complete(item: dict[str, Any], item_id: str) -> Raw:
    """Return an item with type and id, its text as a part, and without what is null."""
    complete = {name: value for name, value in item.items() if value is not None}
    complete.setdefault("type", "message")
    complete.setdefault("id", item_id)
    if complete["type"] == "message" and isinstance(complete.get("content"), str):
        part = "output_text" if complete.get("role") == "assistant" else "input_text"
        complete["content"] = [{"type": part, "text": complete["content"]}]
    return Raw(msgspec.json.encode(complete))
