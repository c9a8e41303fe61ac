"""Messages requests as on the wire. Unknown fields are ignored, and null is as good as absent."""

from typing import Annotated, Any

from msgspec import Meta, Raw, Struct

_NOTHING = Raw(b"")


class RequestMessage(Struct, frozen=True):
    """One message. Blocks are decoded one by one, so that an unknown type does no harm."""

    role: str
    content: str | list[Raw] | None = None


class ToolChoiceBody(Struct, frozen=True):
    """Whether tools are called: `auto`, `any`, `tool` (by name) or `none`."""

    type: str = "auto"
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class ThinkingBody(Struct, frozen=True):
    """Whether thinking is wanted; `display` `omitted`: wanted, but not to be seen."""

    type: str = "disabled"
    display: str | None = None


class OutputFormat(Struct, frozen=True):
    """The form of the answer: `json_schema`, or none that we know."""

    type: str = ""
    schema: dict[str, Any] = {}


class OutputConfig(Struct, frozen=True):
    """How to answer."""

    format: OutputFormat | None = None
    effort: str | None = None


class MessagesRequest(Struct, frozen=True, kw_only=True):
    """What clients post, also to have it counted.

    The fields that are `Raw` are accepted without effect; only `metadata` may tell which
    conversation this is.
    """

    model: Annotated[str, Meta(min_length=1, max_length=200)]
    messages: list[RequestMessage]
    system: str | list[Raw] | None = None
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    stop_sequences: list[str] | None = None
    stream: bool | None = None
    tools: list[Raw] | None = None
    tool_choice: ToolChoiceBody | str | None = None
    thinking: ThinkingBody | None = None
    output_config: OutputConfig | None = None
    output_format: OutputFormat | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_k: Raw = _NOTHING
    service_tier: Raw = _NOTHING
    speed: Raw = _NOTHING
    container: Raw = _NOTHING
    context_management: Raw = _NOTHING
    mcp_servers: Raw = _NOTHING
    inference_geo: Raw = _NOTHING
    cache_control: Raw = _NOTHING
    metadata: Raw = _NOTHING


class MetadataFields(Struct, frozen=True):
    """What is read of `metadata`."""

    user_id: str | None = None


class BlockType(Struct, frozen=True):
    """What kind of content block, source or tool this is."""

    type: str = ""


class TextBody(Struct, frozen=True):
    """Block `text`."""

    text: str | None = None


class SourceBody(Struct, frozen=True):
    """Where a picture or a document is: one of `base64`, `text`, `url`, `content` and `file`."""

    type: str = ""
    media_type: str | None = None
    data: str | None = None
    url: str | None = None
    content: str | list[Raw] | None = None


class ImageBody(Struct, frozen=True):
    """Block `image`."""

    source: SourceBody


class DocumentBody(Struct, frozen=True):
    """Block `document`."""

    source: SourceBody
    title: str | None = None
    context: str | None = None


class SearchResultBody(Struct, frozen=True):
    """Block `search_result`: what the client itself has found."""

    source: str = ""
    title: str = ""
    content: str | list[Raw] | None = None


class ToolUseBody(Struct, frozen=True):
    """Block `tool_use` of an earlier answer."""

    id: str
    name: str
    input: Raw = _NOTHING


class ToolResultBody(Struct, frozen=True):
    """Block `tool_result`."""

    tool_use_id: str
    content: str | list[Raw] | None = None
    is_error: bool | None = None


class ToolReferenceBody(Struct, frozen=True):
    """Block `tool_reference` in a result: a tool that the client's own search has found."""

    tool_name: str


class ToolBody(Struct, frozen=True):
    """A tool. One with `input_schema` is the client's, whatever its type."""

    name: str = ""
    type: str | None = None
    description: str | None = None
    input_schema: dict[str, Any] | None = None
    strict: bool | None = None
