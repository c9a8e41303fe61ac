"""Content blocks of a streamed Messages answer: one after the other, each closed."""

import base64
import hashlib

import msgspec

from grok2api.wire.anthropic.messages import (
    BlockDelta,
    BlockDeltaEvent,
    BlockStart,
    BlockStop,
    CitationsDelta,
    ContentBlock,
    InputJSONDelta,
    SearchCitation,
    SignatureDelta,
    StreamEvent,
    TextBlock,
    TextDelta,
    ThinkingBlock,
    ThinkingDelta,
    ToolUseBlock,
)
from grok2api.wire.sse import format_event

_encode = msgspec.json.Encoder().encode


def format_stream_event(event: StreamEvent) -> bytes:
    """Return the bytes of one event, named as its type."""
    return format_event(_encode(event), str(type(event).__struct_config__.tag))


def sign_thinking(thinking: str) -> str:
    """Return the signature of a thinking block.

    Thinking that comes back is dropped from the prompt, so nothing would be gained by a secret:
    any value is accepted, and any worker gives the same one for the same text.
    """
    digest = hashlib.sha256(b"grok2api thinking\0" + thinking.encode("utf-8", "surrogatepass"))
    return base64.b64encode(digest.digest()).decode()


class BlockWriter:
    """Writes blocks; what belongs to another block than the open one closes that first.

    Pieces of one kind that come together leave as one delta.
    """

    __slots__ = ("_index", "_open", "_out", "_pieces", "_thinking")

    def __init__(self) -> None:
        self._index = 0
        self._open: type[ContentBlock] | None = None
        self._out: list[bytes] = []
        self._pieces: list[str] = []
        self._thinking: list[str] = []

    def write_text(self, text: str) -> None:
        """Add visible text."""
        if text:
            self._continue(TextBlock(""))
            self._pieces.append(text)

    def write_thinking(self, text: str) -> None:
        """Add thinking."""
        if text:
            self._continue(ThinkingBlock("", ""))
            self._pieces.append(text)
            self._thinking.append(text)

    def cite(self, citation: SearchCitation) -> None:
        """Add a citation to the text."""
        self._continue(TextBlock(""))
        self._flush()
        self._emit(BlockDeltaEvent(self._index, CitationsDelta(citation)))

    def begin_call(self, call_id: str, name: str) -> None:
        """Begin a call of a tool."""
        self._begin(ToolUseBlock(call_id, name, {}))

    def write_input(self, text: str) -> None:
        """Add to the input of the call that is open."""
        if text and self._open is ToolUseBlock:
            self._pieces.append(text)

    def add(self, block: ContentBlock, *, input_json: str = "") -> None:
        """Add a block that begins whole, or with its input alone to follow."""
        self._begin(block)
        if input_json:
            self._emit(BlockDeltaEvent(self._index, InputJSONDelta(input_json)))
        self.close()

    def close(self) -> None:
        """Close the block that is open, if any."""
        if self._open is None:
            return
        self._flush()
        if self._open is ThinkingBlock:
            signature = sign_thinking("".join(self._thinking))
            self._thinking.clear()
            self._emit(BlockDeltaEvent(self._index, SignatureDelta(signature)))
        self._emit(BlockStop(self._index))
        self._open = None
        self._index += 1

    def take(self) -> bytes:
        """Return what has been written since the last time."""
        self._flush()
        data = b"".join(self._out)
        self._out.clear()
        return data

    def _continue(self, block: ContentBlock) -> None:
        if self._open is not type(block):
            self._begin(block)

    def _begin(self, block: ContentBlock) -> None:
        self.close()
        self._open = type(block)
        self._emit(BlockStart(self._index, block))

    def _flush(self) -> None:
        if not self._pieces:
            return
        text = "".join(self._pieces)
        self._pieces.clear()
        self._emit(BlockDeltaEvent(self._index, self._delta(text)))

    def _delta(self, text: str) -> BlockDelta:
        if self._open is ThinkingBlock:
            return ThinkingDelta(text)
        return TextDelta(text) if self._open is TextBlock else InputJSONDelta(text)

    def _emit(self, event: StreamEvent) -> None:
        self._out.append(format_stream_event(event))
