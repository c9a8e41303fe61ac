"""The Responses API as on the wire: what clients post."""

from typing import Annotated, Any

from msgspec import Meta, Raw, Struct

_NOTHING = Raw(b"")


# Unknown fields are ignored, and null is as good as absent.


class ReasoningOptions(Struct, frozen=True):
    """How much thinking, and whether it is told. `generate_summary` is the older name."""

    effort: str | None = None
    summary: str | None = None
    generate_summary: str | None = None


class TextFormat(Struct, frozen=True):
    """What form the text shall have."""

    type: str = "text"
    name: str | None = None
    schema: dict[str, Any] | None = None
    strict: bool | None = None


class TextOptions(Struct, frozen=True):
    """How the text shall be."""

    format: TextFormat | None = None
    verbosity: str | None = None


class ResponsesRequest(Struct, frozen=True, kw_only=True):
    """What clients post. Items, tools and what may be anything are decoded later."""

    model: Annotated[str, Meta(min_length=1, max_length=200)]
    input: str | list[Raw] | None = None
    instructions: str | None = None
    stream: bool | None = None
    background: bool | None = None
    store: bool | None = None
    previous_response_id: str | None = None
    max_output_tokens: Annotated[int, Meta(ge=1)] | None = None
    reasoning: ReasoningOptions | None = None
    text: TextOptions | None = None
    tools: list[Raw] | None = None
    tool_choice: Raw = _NOTHING
    parallel_tool_calls: bool | None = None
    include: list[str] | None = None
    metadata: Raw = _NOTHING
    truncation: str | None = None
    prompt_cache_key: str | None = None
    safety_identifier: str | None = None
    user: str | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    conversation: Raw = _NOTHING
    prompt: Raw = _NOTHING
    max_tool_calls: Raw = _NOTHING
    top_logprobs: Raw = _NOTHING
    service_tier: Raw = _NOTHING
    prompt_cache_retention: Raw = _NOTHING
    context_management: Raw = _NOTHING
    moderation: Raw = _NOTHING


class InputItem(Struct, frozen=True, kw_only=True):
    """One input item of any type; each type uses some of the fields.

    `content` and `output` are text or a list of parts, which are decoded one by one.
    """

    type: str | None = None
    id: str | None = None
    role: str | None = None
    content: str | list[Raw] | None = None
    call_id: str | None = None
    name: str | None = None
    namespace: str | None = None
    arguments: str | dict[str, Any] | None = None
    input: str | None = None
    output: Raw = _NOTHING
    encrypted_content: str | None = None


class InputPart(Struct, frozen=True, kw_only=True):
    """One part of a message or of a call's output."""

    type: str = "input_text"
    text: str | None = None
    refusal: str | None = None
    image_url: Raw = _NOTHING
    file_data: str | None = None
    file_url: str | None = None
    file_id: str | None = None
    filename: str | None = None


class ImageAddress(Struct, frozen=True):
    """An image as the chat API writes it."""

    url: str


class ToolFormat(Struct, frozen=True, kw_only=True):
    """What a custom tool takes: any text, or what a grammar describes."""

    type: str = "text"
    definition: str | None = None


class FunctionBody(Struct, frozen=True, kw_only=True):
    """A function in the nested form of the chat API."""

    name: Annotated[str, Meta(min_length=1, max_length=256)]
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class ToolBody(Struct, frozen=True, kw_only=True):
    """One tool of any type. A `namespace` holds `tools` of its own."""

    type: str
    name: str | None = None
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None
    function: FunctionBody | None = None
    format: ToolFormat | None = None
    tools: list[Raw] | None = None


class ToolChoiceBody(Struct, frozen=True, kw_only=True):
    """A tool choice that is no plain word; also an entry of `tools` of `allowed_tools`."""

    type: str = "function"
    name: str | None = None
    namespace: str | None = None
    function: FunctionBody | None = None
    mode: str | None = None
    tools: "list[ToolChoiceBody] | None" = None
