"""Messages answers as on the wire: whole, and the events of a streamed one."""

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType, field


class MessageUsage(Struct, frozen=True, kw_only=True):
    """Tokens of the turn so far. Nothing is ever cached for the client."""

    input_tokens: int
    cache_creation_input_tokens: int = 0
    cache_read_input_tokens: int = 0
    output_tokens: int
    server_tool_use: dict[str, int] | UnsetType = UNSET


class SearchCitation(Struct, frozen=True, tag_field="type", tag="web_search_result_location"):
    """A page that the text before it refers to."""

    url: str
    title: str
    encrypted_index: str = ""
    cited_text: str = ""


class TextBlock(Struct, frozen=True, tag_field="type", tag="text"):
    """Visible text."""

    text: str
    citations: list[SearchCitation] | None = None


class ThinkingBlock(Struct, frozen=True, tag_field="type", tag="thinking"):
    """Thinking, with what proves it ours."""

    thinking: str
    signature: str


class ToolUseBlock(Struct, frozen=True, tag_field="type", tag="tool_use"):
    """A call of one of the client's tools."""

    id: str
    name: str
    input: dict[str, Any]


class ServerToolUseBlock(Struct, frozen=True, tag_field="type", tag="server_tool_use"):
    """A search that the upstream ran by itself."""

    id: str
    name: str
    input: dict[str, Any]


class WebSearchHit(Struct, frozen=True, tag_field="type", tag="web_search_result"):
    """A page that was found."""

    url: str
    title: str
    encrypted_content: str = ""
    page_age: str | None = None


class WebSearchResultBlock(Struct, frozen=True, tag_field="type", tag="web_search_tool_result"):
    """What a search has found."""

    tool_use_id: str
    content: list[WebSearchHit]


ContentBlock = TextBlock | ThinkingBlock | ToolUseBlock | ServerToolUseBlock | WebSearchResultBlock


class SearchSource(Struct, frozen=True):
    """A search hit, as Chat Completions tell it; `type` is `web` or `x_post`. Ours."""

    url: str
    title: str
    type: str


class MessageBody(Struct, frozen=True, kw_only=True, tag_field="type", tag="message"):
    """An answer: whole, or as a stream begins it."""

    id: str
    role: Literal["assistant"] = "assistant"
    model: str
    content: list[ContentBlock] = field(default_factory=list)
    stop_reason: str | None = None
    stop_sequence: str | None = None
    usage: MessageUsage
    search_sources: list[SearchSource] | UnsetType = UNSET


class TextDelta(Struct, frozen=True, tag_field="type", tag="text_delta"):
    """More text."""

    text: str


class ThinkingDelta(Struct, frozen=True, tag_field="type", tag="thinking_delta"):
    """More thinking."""

    thinking: str


class SignatureDelta(Struct, frozen=True, tag_field="type", tag="signature_delta"):
    """The end of thinking."""

    signature: str


class InputJSONDelta(Struct, frozen=True, tag_field="type", tag="input_json_delta"):
    """More of a call's input, as text."""

    partial_json: str


class CitationsDelta(Struct, frozen=True, tag_field="type", tag="citations_delta"):
    """One more citation of the text block."""

    citation: SearchCitation


BlockDelta = TextDelta | ThinkingDelta | SignatureDelta | InputJSONDelta | CitationsDelta


class MessageStart(Struct, frozen=True, tag_field="type", tag="message_start"):
    """A stream begins."""

    message: MessageBody


class BlockStart(Struct, frozen=True, tag_field="type", tag="content_block_start"):
    """A block begins, still empty."""

    index: int
    content_block: ContentBlock


class BlockDeltaEvent(Struct, frozen=True, tag_field="type", tag="content_block_delta"):
    """A block grows."""

    index: int
    delta: BlockDelta


class BlockStop(Struct, frozen=True, tag_field="type", tag="content_block_stop"):
    """A block is complete."""

    index: int


class MessageEnd(Struct, frozen=True, kw_only=True):
    """Why the answer ended."""

    stop_reason: str
    stop_sequence: str | None = None
    search_sources: list[SearchSource] | UnsetType = UNSET


class MessageDelta(Struct, frozen=True, tag_field="type", tag="message_delta"):
    """The answer is complete; the usage is that of all of it."""

    delta: MessageEnd
    usage: MessageUsage


StreamEvent = MessageStart | BlockStart | BlockDeltaEvent | BlockStop | MessageDelta

PING = b'event: ping\ndata: {"type":"ping"}\n\n'
MESSAGE_STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'


class TokenCount(Struct, frozen=True):
    """The answer to a question for the size of a request."""

    input_tokens: int
