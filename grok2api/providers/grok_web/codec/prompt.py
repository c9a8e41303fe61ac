"""Flattening a conversation into the one text that the upstream takes per turn.

Every message becomes a block: `[role]` on a line of its own, then its text; a blank line stands
between blocks. So that the text of one message cannot open a block of another role, a line in it
that reads as such a header gets a backslash before the bracket, which models read as "not a
header". Nothing else is changed.

Clients cut their histories: a result whose call is gone is told as one, and so is a call whose
result is missing.
"""

import re
from collections.abc import Iterator

from grok2api.dialects.tools.prompt import (
    build_format_instruction,
    build_instruction,
    one_word,
    render_calls,
)
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


def build_prompt(request: ChatRequest, token: str = "") -> str:
    """Return the prompt of `request`; `token` marks the calls of this one turn.

    Raises:
        InvalidRequestError: there is nothing in it.
    """
    blocks = [block for block in _History(request, token).blocks() if block]
    if not blocks:
        raise InvalidRequestError("There is no text in the messages.", param="messages")
    tools = build_instruction(request.tools, request.tool_choice, token) if request.tools else ""
    form = build_format_instruction(request.answer_format, may_call=bool(tools))
    for instruction in (form, tools):
        if instruction:
            blocks.insert(0, _block(Role.SYSTEM, instruction))
    return "\n\n".join(blocks)


def put_instruction_first(prompt: str, instruction: str) -> str:
    """Put the operator's own instruction at the head of a prompt, if there is one."""
    return f"{_block(Role.SYSTEM, instruction)}\n\n{prompt}" if instruction.strip() else prompt


class _History:
    """The messages of one request, with calls and results that find each other."""

    __slots__ = ("_answered", "_calls", "_custom", "_messages", "_token")

    def __init__(self, request: ChatRequest, token: str) -> None:
        self._messages = request.messages
        self._token = token
        self._custom = frozenset(tool.name for tool in request.tools if tool.is_custom)
        self._calls: dict[str, str] = {}
        self._answered = {m.tool_call_id for m in request.messages if m.role is Role.TOOL}

    def blocks(self) -> Iterator[str]:
        for message in self._messages:
            text = "\n".join(_part_text(part) for part in message.parts)
            match message.role:
                case Role.ASSISTANT:
                    yield from self._say_turn(message, text)
                case Role.TOOL:
                    yield self._say_result(message, text)
                case _:
                    yield _block(message.role, text) if text.strip() else ""

    def _say_turn(self, message: Message, text: str) -> Iterator[str]:
        calls = render_calls(message.tool_calls, self._custom, self._token)
        pieces = (strip_sources(text).rstrip(), calls if message.tool_calls else "")
        text = "\n".join(piece for piece in pieces if piece.strip())
        yield _block(message.role, text) if text else ""
        for call in message.tool_calls:
            # Old clients give no id: their results name the function.
            call_id = call.id or call.name
            self._calls[call_id] = call.name
            if call_id not in self._answered:
                yield _block(Role.TOOL, f"Tool result ({one_word(call_id)}): none was given.")

    def _say_result(self, message: Message, text: str) -> str:
        call_id = message.tool_call_id
        if not call_id and not text.strip():
            return ""
        label = one_word(call_id) or "no id"
        if call_id not in self._calls:
            label += ", its call is no longer shown"
        elif self._calls[call_id] != call_id:
            label += f", {one_word(self._calls[call_id])}"
        what = "Tool error" if message.is_error else "Tool result"
        return _block(Role.TOOL, f"{what} ({label}): {text}")


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
