"""Chat Completions as on the wire: request, answer, chunk."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from grok2api.wire.openai.chat_tools import (
    FunctionBody,
    FunctionOut,
    NamedTool,
    RequestTool,
    ResponseFormat,
    ToolCallOut,
    ToolChoiceBody,
)
from grok2api.wire.openai.media_config import ImageConfig, VideoConfig

_NOTHING = Raw(b"")


# -- the request. Unknown fields are ignored, and null is as good as absent.


class FunctionCall(Struct, frozen=True):
    """The function of a tool call. Some clients send arguments that are not encoded as text."""

    name: str = ""
    arguments: str | dict[str, Any] | None = None


class CustomCall(Struct, frozen=True):
    """The free-form tool of a tool call."""

    name: str = ""
    input: str = ""


class RequestToolCall(Struct, frozen=True):
    """A tool call that an assistant message repeats."""

    id: str | None = None
    function: FunctionCall | None = None
    custom: CustomCall | None = None


class RequestMessage(Struct, frozen=True):
    """One message. Parts are decoded one by one, so that an unknown type does no harm."""

    role: str
    content: str | list[Raw] | None = None
    tool_calls: list[RequestToolCall] | None = None
    tool_call_id: str | None = None
    name: str | None = None
    function_call: FunctionCall | None = None


class PartType(Struct, frozen=True):
    """What kind of content part this is."""

    type: str = "text"


class TextBody(Struct, frozen=True):
    """Part `text`."""

    text: str | None = None


class RefusalBody(Struct, frozen=True):
    """Part `refusal`."""

    refusal: str | None = None


class ImageURL(Struct, frozen=True):
    """Where an image is."""

    url: str


class ImageBody(Struct, frozen=True):
    """Part `image_url`."""

    image_url: ImageURL | str


class FileFields(Struct, frozen=True):
    """A file: its content, where it is, or the id of an upload."""

    file_data: str | None = None
    file_url: str | None = None
    file_id: str | None = None
    filename: str | None = None


class FileBody(Struct, frozen=True):
    """Part `file`."""

    file: FileFields


class ThinkingBody(Struct, frozen=True):
    """Whether thinking is wanted, as Anthropic's clients and some others say it."""

    type: str = "enabled"


class StreamOptions(Struct, frozen=True):
    """Options of a streamed answer."""

    include_usage: bool | None = None


class ChatCompletionRequest(Struct, frozen=True, kw_only=True):
    """What clients post.

    The fields that are `Raw` are accepted without effect, but for the last two: these may tell
    which conversation this is, whatever else is in them. `functions` and `function_call` are what
    older clients send for `tools` and `tool_choice`.
    """

    model: Annotated[str, Meta(min_length=1, max_length=200)]
    messages: list[RequestMessage]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    reasoning_effort: str | None = None
    thinking: ThinkingBody | None = None
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Meta(ge=1)] | None = None
    stop: str | list[str] | None = None
    n: Annotated[int, Meta(ge=1)] | None = None
    response_format: ResponseFormat | None = None
    user: str | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    tools: list[RequestTool] | None = None
    tool_choice: str | ToolChoiceBody | None = None
    parallel_tool_calls: bool | None = None
    functions: list[FunctionBody] | None = None
    function_call: str | NamedTool | None = None
    image_config: ImageConfig | None = None
    video_config: VideoConfig | None = None
    seed: Raw = _NOTHING
    logprobs: Raw = _NOTHING
    top_logprobs: Raw = _NOTHING
    logit_bias: Raw = _NOTHING
    frequency_penalty: Raw = _NOTHING
    presence_penalty: Raw = _NOTHING
    modalities: Raw = _NOTHING
    audio: Raw = _NOTHING
    prediction: Raw = _NOTHING
    verbosity: Raw = _NOTHING
    web_search_options: Raw = _NOTHING
    search_parameters: Raw = _NOTHING
    safety_identifier: Raw = _NOTHING
    prompt_cache_retention: Raw = _NOTHING
    top_k: Raw = _NOTHING
    min_p: Raw = _NOTHING
    repetition_penalty: Raw = _NOTHING
    moderation: Raw = _NOTHING
    service_tier: Raw = _NOTHING
    store: Raw = _NOTHING
    metadata: Raw = _NOTHING
    prompt_cache_key: Raw = _NOTHING


class MetadataFields(Struct, frozen=True):
    """What is read of `metadata`."""

    user_id: str = ""


# -- the answer


class URLCitation(Struct, frozen=True):
    """A citation mark in the text: characters `start_index` to `end_index`, end exclusive."""

    url: str
    title: str
    start_index: int
    end_index: int


class Annotation(Struct, frozen=True, kw_only=True):
    """A note about the text. In deltas `index` says which one, as accumulating clients need it."""

    index: int | UnsetType = UNSET
    type: Literal["url_citation"] = "url_citation"
    url_citation: URLCitation


class SearchSource(Struct, frozen=True):
    """A search hit; `type` is `web` or `x_post`."""

    url: str
    title: str
    type: str


class PromptTokensDetails(Struct, frozen=True, kw_only=True):
    """What the prompt tokens are made of."""

    cached_tokens: int = 0
    text_tokens: int
    audio_tokens: int = 0
    image_tokens: int = 0


class CompletionTokensDetails(Struct, frozen=True, kw_only=True):
    """What the completion tokens are made of."""

    text_tokens: int
    audio_tokens: int = 0
    reasoning_tokens: int


class UsageBody(Struct, frozen=True):
    """Tokens of the turn."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokensDetails
    completion_tokens_details: CompletionTokensDetails


class Delta(Struct, frozen=True, kw_only=True):
    """What a chunk adds to the message."""

    role: Literal["assistant"] | UnsetType = UNSET
    content: str | UnsetType = UNSET
    reasoning_content: str | UnsetType = UNSET
    annotations: list[Annotation] | UnsetType = UNSET
    tool_calls: list[ToolCallOut] | UnsetType = UNSET
    function_call: FunctionOut | UnsetType = UNSET


class ChunkChoice(Struct, frozen=True, kw_only=True):
    """The one choice of a chunk."""

    index: int = 0
    delta: Delta
    finish_reason: str | None = None


class ChatCompletionChunk(Struct, frozen=True, kw_only=True):
    """One event of a streamed answer."""

    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int
    model: str
    choices: list[ChunkChoice]
    usage: UsageBody | UnsetType | None = UNSET
    citations: list[str] | UnsetType = UNSET
    search_sources: list[SearchSource] | UnsetType = UNSET
    server_side_tool_usage: dict[str, int] | UnsetType = UNSET


class CompletionMessage(Struct, frozen=True, kw_only=True):
    """The answer itself. `content` is null where there are calls only."""

    role: Literal["assistant"] = "assistant"
    content: str | None
    refusal: str | None = None
    reasoning_content: str | UnsetType = UNSET
    annotations: list[Annotation] | UnsetType = UNSET
    tool_calls: list[ToolCallOut] | UnsetType = UNSET
    function_call: FunctionOut | UnsetType = UNSET


class CompletionChoice(Struct, frozen=True, kw_only=True):
    """The one choice of an answer."""

    index: int = 0
    message: CompletionMessage
    logprobs: None = None
    finish_reason: str


class ChatCompletion(Struct, frozen=True, kw_only=True):
    """A whole answer."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[CompletionChoice]
    usage: UsageBody
    citations: list[str] | UnsetType = UNSET
    search_sources: list[SearchSource] | UnsetType = UNSET
    server_side_tool_usage: dict[str, int] | UnsetType = UNSET
