"""One chat turn: what is asked, the events that answer it, and their fold into one answer."""

from enum import StrEnum

from msgspec import Struct

from grok2api.domain.affinity import Affinity, AffinityHints
from grok2api.domain.files import InputFile
from grok2api.domain.images import ImageWish
from grok2api.domain.tools import AnswerFormat, Tool, ToolChoice
from grok2api.domain.video import VideoWish


class Role(StrEnum):
    """Who says a message."""

    SYSTEM = "system"
    DEVELOPER = "developer"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


class TextPart(Struct, frozen=True, tag="text"):
    """Plain text."""

    text: str


class ImagePart(Struct, frozen=True, tag="image"):
    """An image the client gave, by URL or data URI."""

    url: str


class FilePart(Struct, frozen=True, tag="file"):
    """A document the client gave, by URL or data URI."""

    url: str
    name: str = ""


ContentPart = TextPart | ImagePart | FilePart


class ToolCall(Struct, frozen=True):
    """A call the model asked for. `arguments` is JSON text, free text for a custom tool."""

    id: str
    name: str
    arguments: str


class Message(Struct, frozen=True):
    """One message of the conversation.

    A message of role tool is the result of the call `tool_call_id`; `is_error`: the call failed.
    """

    role: Role
    parts: tuple[ContentPart, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""
    is_error: bool = False


class ChatRequest(Struct, frozen=True, kw_only=True):
    """What a client asks for, in no dialect.

    `stream` and `show_reasoning` are None where the client did not say. `max_output_tokens` and
    `stop` are applied by us, since the upstream knows neither. `images` and `video` count with
    models that make such. `affinity` is the conversation, "" for none; `hints` are what the body
    says of it. `files` are there once it is dispatched: all that its parts name, whose `url` is
    then the `ref` of one of them. `public_url` is where the client reaches us, for links in the
    answer; "" where that cannot be told.
    """

    model: str
    messages: tuple[Message, ...]
    stream: bool | None = None
    include_usage: bool = False
    show_reasoning: bool | None = None
    max_output_tokens: int | None = None
    stop: tuple[str, ...] = ()
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice = ToolChoice()
    answer_format: AnswerFormat = AnswerFormat()
    hints: AffinityHints = AffinityHints()
    affinity: Affinity = Affinity()
    files: tuple[InputFile, ...] = ()
    images: ImageWish = ImageWish()
    video: VideoWish = VideoWish()
    public_url: str = ""


class SourceKind(StrEnum):
    """Where a search hit comes from."""

    WEB = "web"
    X_POST = "x_post"


class SearchKind(StrEnum):
    """A search the upstream ran by itself."""

    WEB = "web_search"
    X = "x_search"


class SearchStatus(StrEnum):
    """How far a search is."""

    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"


class FinishReason(StrEnum):
    """Why an answer ended."""

    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"
    CONTENT_FILTER = "content_filter"


class TextDelta(Struct, frozen=True, tag="text", gc=False):
    """More of the visible answer."""

    text: str


class ReasoningDelta(Struct, frozen=True, tag="reasoning", gc=False):
    """More of the thinking. `agent` names the speaker where several think in parallel."""

    text: str
    agent: str = ""


class Source(Struct, frozen=True, tag="source", gc=False):
    """A search hit."""

    url: str
    title: str
    kind: SourceKind = SourceKind.WEB


class Citation(Struct, frozen=True, tag="citation", gc=False):
    """A citation mark that was just written into the text.

    `start` and `end` are offsets in characters of the whole visible text, end exclusive.
    """

    number: int
    url: str
    title: str
    start: int
    end: int


class SearchCall(Struct, frozen=True, tag="search_call"):
    """A search the upstream runs or ran; the same `id` comes again when it is completed."""

    id: str
    kind: SearchKind
    query: str
    status: SearchStatus
    sources: tuple[Source, ...] = ()


class ImageProgress(Struct, frozen=True, tag="image_progress", gc=False):
    """A generated image is `percent` done."""

    image_id: str
    percent: int


class ImageReady(Struct, frozen=True, tag="image", gc=False):
    """A generated image, finished and not withheld.

    `url` is the upstream's, or a link to where it is kept, or holds the picture itself (`data:`).
    `is_bare`: it is shown as a URL alone, not as a picture.
    """

    image_id: str
    url: str
    is_bare: bool = False


class ConversationOpened(Struct, frozen=True, tag="conversation", gc=False):
    """The upstream's id of this conversation."""

    id: str


class ParentKnown(Struct, frozen=True, tag="parent", gc=False):
    """The id to name as parent in the next turn."""

    id: str


class ToolCallStarted(Struct, frozen=True, tag="tool_call", gc=False):
    """The model begins a call; arguments follow. `index` counts an answer's calls from 0."""

    index: int
    id: str
    name: str


class ToolArguments(Struct, frozen=True, tag="tool_arguments", gc=False):
    """More of a call's arguments."""

    index: int
    text: str


class ToolCallEnded(Struct, frozen=True, tag="tool_call_end", gc=False):
    """A call is complete: its arguments are valid JSON, or free text for a custom tool."""

    index: int


class Finished(Struct, frozen=True, tag="finished", gc=False):
    """The answer is complete; nothing follows. `stop_sequence` is the one that ended it, or ""."""

    reason: FinishReason = FinishReason.STOP
    stop_sequence: str = ""


ChatEvent = (
    TextDelta
    | ReasoningDelta
    | Source
    | Citation
    | SearchCall
    | ImageProgress
    | ImageReady
    | ToolCallStarted
    | ToolArguments
    | ToolCallEnded
    | ConversationOpened
    | ParentKnown
    | Finished
)

EventBatch = list[ChatEvent]
"""Events that arrived together: one upstream read becomes one write to the client."""

# What a client can see; before the first of these, another account may still be tried.
VISIBLE_EVENTS = (
    TextDelta,
    ReasoningDelta,
    SearchCall,
    ImageProgress,
    ImageReady,
    ToolCallStarted,
    Finished,
)
