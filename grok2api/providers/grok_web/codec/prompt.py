"""Flattening a conversation into the one text that the upstream takes per turn.

Every message becomes a block: `[role]` on a line of its own, then its text; a blank line stands
between blocks. So that the text of one message cannot open a block of another role, a line in it
that reads as such a header gets a backslash before the bracket, which models read as "not a
header". Nothing else is changed.
"""

import re

from grok2api.domain.chat import (
    ChatRequest,
    ContentPart,
    FilePart,
    ImagePart,
    Message,
    Role,
    TextPart,
)
from grok2api.errors import InvalidRequestError

SOURCES_MARKER = "[grok2api-sources]: #"

_ROLES = "|".join(role.value for role in Role)
# The start of a line by any convention, what shows nothing there, then a bracketed role.
_BLANK = r"[ \t\xa0\xad\u1680\u2000-\u200f\u202f\u205f-\u2064\u3000\ufeff]"
_HEADER = re.compile(
    r"(^|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029])"
    rf"({_BLANK}*+)\[(?={_BLANK}*+(?:{_ROLES}){_BLANK}*+\])",
    re.IGNORECASE,
)
_SOURCES_HEADING = re.compile(r"(?:^|\n)[^\S\n]*#{1,6}[^\n]*\n\s*\Z")
_TAG_IN_JSON = re.compile(r"</")


def build_prompt(request: ChatRequest) -> str:
    """Return the prompt of `request`.

    Raises:
        InvalidRequestError: there is nothing in it.
    """
    blocks = [block for message in request.messages if (block := _render_block(message))]
    if not blocks:
        raise InvalidRequestError("There is no text in the messages.", param="messages")
    return "\n\n".join(blocks)


def put_instruction_first(prompt: str, instruction: str) -> str:
    """Put the operator's own instruction at the head of a prompt, if there is one."""
    return f"{_block(Role.SYSTEM, instruction)}\n\n{prompt}" if instruction.strip() else prompt


def _render_block(message: Message) -> str:
    text = "\n".join(_part_text(part) for part in message.parts)
    match message.role:
        case Role.ASSISTANT:
            text = strip_sources(text)
            calls = _render_calls(message)
            text = "\n".join(piece for piece in (text.rstrip(), calls) if piece.strip())
        case Role.TOOL if message.tool_call_id:
            text = f"Tool result ({_one_line(message.tool_call_id)}): {text}"
        case _:
            pass
    return _block(message.role, text) if text.strip() else ""


def _block(role: Role, text: str) -> str:
    return f"[{role.value}]\n{escape_headers(text).rstrip()}"


def escape_headers(text: str) -> str:
    r"""Put a backslash before what would read as the header of a block (`[user]` → `\[user]`)."""
    return _HEADER.sub(r"\1\2\\[", text) if "[" in text else text


def strip_sources(text: str) -> str:
    """Cut off the list of sources that we put under an earlier answer, from its heading on."""
    at = text.rfind(SOURCES_MARKER)
    if at < 0:
        return text
    head = text[:at]
    heading = _SOURCES_HEADING.search(head)
    return (head[: heading.start()] if heading else head).rstrip()


def _part_text(part: ContentPart) -> str:
    match part:
        case TextPart():
            return part.text
        case ImagePart():
            return "(attached image)"
        case FilePart():
            return f"(attached file: {' '.join(part.name.split())})"


def _render_calls(message: Message) -> str:
    if not message.tool_calls:
        return ""
    lines = ["<tool_calls>"]
    for call in message.tool_calls:
        arguments = _TAG_IN_JSON.sub(r"<\\/", call.arguments.strip() or "{}")
        lines += [
            "  <tool_call>",
            f"    <tool_name>{_one_line(call.name)}</tool_name>",
            f"    <parameters>{arguments}</parameters>",
            "  </tool_call>",
        ]
    return "\n".join([*lines, "</tool_calls>"])


def _one_line(text: str) -> str:
    return " ".join(text.replace("<", "").split())
