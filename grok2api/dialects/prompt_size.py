"""How many tokens a prompt has: text as counted, pictures and documents by rule of thumb."""

import base64
import binascii
import re
from collections.abc import Callable

import msgspec

from grok2api.domain.chat import ChatRequest, ContentPart, FilePart, ImagePart, TextPart
from grok2api.domain.image_size import read_image_size
from grok2api.domain.tools import Tool

OVERHEAD_TOKENS = 4
"""What the form of any request costs."""
TOOL_OVERHEAD_TOKENS = 12

# A picture is scaled down to a long edge of 1568 pixels at most, and costs one token for 750 of
# its pixels, up to 1600.
MAX_IMAGE_TOKENS = 1600
_LONG_EDGE = 1568
_PIXELS_A_TOKEN = 750

# A page of a document has about 2000 tokens and 80 kB.
LEAST_FILE_TOKENS = 1500
_FILE_BYTES_A_TOKEN = 40

_HEAD_CHARS = 4 * 65_536
_PICTURE = re.compile(r"data:image/[a-z.+-]{1,40};base64,[A-Za-z0-9+/]+=*")

_encode = msgspec.json.Encoder().encode


def count_input_tokens(request: ChatRequest, count_tokens: Callable[[str], int]) -> int:
    """Count all that the model is given: messages, calls, pictures, documents, tools, a schema."""
    total = OVERHEAD_TOKENS
    for message in request.messages:
        total += sum(_count_part(part, count_tokens) for part in message.parts)
        total += sum(count_tokens(call.name + call.arguments) for call in message.tool_calls)
    if request.answer_format.schema:
        total += count_tokens(_encode(request.answer_format.schema).decode())
    return total + sum(_count_tool(tool, count_tokens) for tool in request.tools)


def count_text_tokens(text: str, count_tokens: Callable[[str], int]) -> int:
    """Count a text; a picture that is written out in it counts as a picture, not as letters."""
    if ";base64," not in text:
        return count_tokens(text)
    pictures = sum(_count_image(found[0]) for found in _PICTURE.finditer(text))
    return count_tokens(_PICTURE.sub("", text)) + pictures


def _count_tool(tool: Tool, count_tokens: Callable[[str], int]) -> int:
    given = _encode(tool.parameters).decode() if tool.parameters else tool.grammar
    return TOOL_OVERHEAD_TOKENS + count_tokens(f"{tool.name}\n{tool.description}\n{given}")


def _count_part(part: ContentPart, count_tokens: Callable[[str], int]) -> int:
    match part:
        case TextPart():
            return count_tokens(part.text)
        case ImagePart():
            return _count_image(part.url)
        case FilePart():
            held_bytes = len(part.url) * 3 // 4 if part.url.startswith("data:") else 0
            return max(LEAST_FILE_TOKENS, held_bytes // _FILE_BYTES_A_TOKEN)


def _count_image(url: str) -> int:
    """Return the tokens of a picture; one that is elsewhere or unreadable counts as a large one."""
    head, _, data = url.partition(";base64,")
    if not head.startswith("data:"):
        return MAX_IMAGE_TOKENS
    try:
        size = read_image_size(base64.b64decode(data[:_HEAD_CHARS]))
    except (binascii.Error, ValueError):
        size = None
    return count_image_tokens(size)


def count_image_tokens(size: tuple[int, int] | None) -> int:
    """Return the tokens of a picture of this width and height; an unknown one counts as large."""
    if size is None:
        return MAX_IMAGE_TOKENS
    scale = min(1.0, _LONG_EDGE / max(1, *size))
    pixels = size[0] * scale * size[1] * scale
    return min(MAX_IMAGE_TOKENS, max(1, round(pixels / _PIXELS_A_TOKEN)))
