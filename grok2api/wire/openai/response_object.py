"""The Responses API as on the wire: the response object and its output items."""

from typing import Any, Literal

from msgspec import UNSET, Raw, Struct, UnsetType


class URLCitation(Struct, frozen=True, kw_only=True):
    """A citation mark in the text: characters `start_index` to `end_index`, end exclusive."""

    type: Literal["url_citation"] = "url_citation"
    url: str
    title: str
    start_index: int
    end_index: int


class OutputText(Struct, frozen=True, kw_only=True):
    """The text of a message."""

    type: Literal["output_text"] = "output_text"
    text: str = ""
    annotations: list[URLCitation] = []
    logprobs: list[Any] = []


class MessageItem(Struct, frozen=True, kw_only=True):
    """What the model says."""

    id: str
    type: Literal["message"] = "message"
    status: str
    role: Literal["assistant"] = "assistant"
    content: list[OutputText]


class SummaryText(Struct, frozen=True, kw_only=True):
    """One part of the reasoning."""

    type: Literal["summary_text"] = "summary_text"
    text: str = ""


class ReasoningItem(Struct, frozen=True, kw_only=True):
    """What the model thought."""

    id: str
    type: Literal["reasoning"] = "reasoning"
    summary: list[SummaryText]
    status: str


class FunctionCallItem(Struct, frozen=True, kw_only=True):
    """A call of a function."""

    id: str
    type: Literal["function_call"] = "function_call"
    status: str
    arguments: str
    call_id: str
    name: str
    namespace: str | UnsetType = UNSET


class CustomCallItem(Struct, frozen=True, kw_only=True):
    """A call of a custom tool."""

    id: str
    type: Literal["custom_tool_call"] = "custom_tool_call"
    status: str
    input: str
    call_id: str
    name: str
    namespace: str | UnsetType = UNSET


class SearchSourceURL(Struct, frozen=True, kw_only=True):
    """A page that a search found."""

    type: Literal["url"] = "url"
    url: str


class SearchAction(Struct, frozen=True, kw_only=True):
    """What was searched for."""

    type: Literal["search"] = "search"
    query: str
    sources: list[SearchSourceURL] | UnsetType = UNSET


class SearchItem(Struct, frozen=True, kw_only=True):
    """A search that the upstream ran by itself."""

    id: str
    type: Literal["web_search_call"] = "web_search_call"
    status: str
    action: SearchAction


class CompactionItem(Struct, frozen=True, kw_only=True):
    """A conversation in short, sealed; only we can read it."""

    id: str
    type: Literal["compaction"] = "compaction"
    encrypted_content: str


OutputItem = (
    MessageItem | ReasoningItem | FunctionCallItem | CustomCallItem | SearchItem | CompactionItem
)


class InputTokensDetails(Struct, frozen=True):
    """What the input tokens are made of."""

    cached_tokens: int = 0
    cache_write_tokens: int = 0


class OutputTokensDetails(Struct, frozen=True):
    """What the output tokens are made of."""

    reasoning_tokens: int


class ResponseUsage(Struct, frozen=True):
    """Tokens of the turn."""

    input_tokens: int
    input_tokens_details: InputTokensDetails
    output_tokens: int
    output_tokens_details: OutputTokensDetails
    total_tokens: int


class ResponseFault(Struct, frozen=True):
    """Why a response failed."""

    code: str
    message: str


class IncompleteDetails(Struct, frozen=True):
    """Why a response is not whole."""

    reason: str


class ReasoningEcho(Struct, frozen=True):
    """The reasoning options of the request."""

    effort: str | None
    summary: str | None


class SearchSource(Struct, frozen=True):
    """A search hit; `type` is `web` or `x_post`."""

    url: str
    title: str
    type: str


class ResponseBody(Struct, frozen=True, kw_only=True):
    """A response. What the request said is repeated as it came (`Raw`)."""

    id: str
    object: Literal["response"] = "response"
    created_at: int
    status: str
    completed_at: int | None = None
    background: bool = False
    error: ResponseFault | None = None
    incomplete_details: IncompleteDetails | None = None
    instructions: str | None = None
    max_output_tokens: int | None = None
    max_tool_calls: None = None
    model: str
    output: list[OutputItem] = []
    parallel_tool_calls: bool = True
    previous_response_id: str | None = None
    prompt_cache_key: str | None = None
    reasoning: ReasoningEcho
    safety_identifier: str | None = None
    service_tier: str = "default"
    store: bool
    temperature: float | None = None
    text: Raw
    tool_choice: Raw
    tools: list[Raw]
    top_logprobs: int = 0
    top_p: float | None = None
    truncation: str = "disabled"
    usage: ResponseUsage | None = None
    user: str | None = None
    metadata: Raw
    search_sources: list[SearchSource] | UnsetType = UNSET


class CompactedBody(Struct, frozen=True, kw_only=True):
    """What `POST /v1/responses/compact` answers."""

    id: str
    object: Literal["response.compaction"] = "response.compaction"
    created_at: int
    output: list[OutputItem]
    usage: ResponseUsage


class DeletedBody(Struct, frozen=True, kw_only=True):
    """What a deletion answers."""

    id: str
    object: Literal["response"] = "response"
    deleted: bool = True


class ItemList(Struct, frozen=True, kw_only=True):
    """A page of input items."""

    object: Literal["list"] = "list"
    data: list[Raw]
    first_id: str | None
    last_id: str | None
    has_more: bool
