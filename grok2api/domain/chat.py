"""One chat turn: what is asked, the events that answer it, and their fold into one answer."""

from collections.abc import Iterable
from enum import StrEnum

from msgspec import Struct, field

from grok2api.domain.affinity import Affinity, AffinityHints


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
    """A function call the model asked for. `arguments` is JSON text."""

    id: str
    name: str
    arguments: str


class Message(Struct, frozen=True):
    """One message of the conversation."""

    role: Role
    parts: tuple[ContentPart, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""


class ChatRequest(Struct, frozen=True, kw_only=True):
    """What a client asks for, in no dialect.

    `show_reasoning` is None where the client did not say. `max_output_tokens` and `stop` are
    applied by us, since the upstream knows neither. `affinity` is the conversation,
    "" for none; `hints` are what the body says of it.
    """

    model: str
    messages: tuple[Message, ...]
    stream: bool | None = None
    include_usage: bool = False
    show_reasoning: bool | None = None
    max_output_tokens: int | None = None
    stop: tuple[str, ...] = ()
    hints: AffinityHints = AffinityHints()
    affinity: Affinity = Affinity()


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
    """A generated image, finished and not withheld. `url` is the upstream's."""

    image_id: str
    url: str


class ConversationOpened(Struct, frozen=True, tag="conversation", gc=False):
    """The upstream's id of this conversation."""

    id: str


class ParentKnown(Struct, frozen=True, tag="parent", gc=False):
    """The id to name as parent in the next turn."""

    id: str


class Finished(Struct, frozen=True, tag="finished", gc=False):
    """The answer is complete; nothing follows."""

    reason: FinishReason = FinishReason.STOP


ChatEvent = (
    TextDelta
    | ReasoningDelta
    | Source
    | Citation
    | SearchCall
    | ImageProgress
    | ImageReady
    | ConversationOpened
    | ParentKnown
    | Finished
)

EventBatch = list[ChatEvent]
"""Events that arrived together: one upstream read becomes one write to the client."""

# What a client can see; before the first of these, another account may still be tried.
VISIBLE_EVENTS = (TextDelta, ReasoningDelta, SearchCall, ImageProgress, ImageReady, Finished)


class Usage(Struct, frozen=True):
    """Tokens of one turn. `completion` includes `reasoning`; `is_estimate`: counted by us."""

    prompt: int = 0
    completion: int = 0
    reasoning: int = 0
    is_estimate: bool = True


class Answer(Struct, kw_only=True):
    """A whole turn, folded from its events."""

    text: str = ""
    reasoning: str = ""
    citations: list[Citation] = field(default_factory=list)
    sources: list[Source] = field(default_factory=list)
    searches: dict[str, SearchCall] = field(default_factory=dict)
    images: list[ImageReady] = field(default_factory=list)
    conversation_id: str = ""
    parent_id: str = ""
    finish_reason: FinishReason = FinishReason.STOP


class AnswerFold:
    """Folds events into an `Answer`, one batch at a time."""

    __slots__ = ("_answer", "_reasoning", "_text")

    def __init__(self) -> None:
        self._answer = Answer()
        self._text: list[str] = []
        self._reasoning: list[str] = []

    def add(self, events: Iterable[ChatEvent]) -> None:
        """Take the next events."""
        for event in events:
            match event:
                case TextDelta():
                    self._text.append(event.text)
                case ReasoningDelta():
                    self._reasoning.append(event.text)
                case _:
                    self._add_rare(event)

    def _add_rare(self, event: ChatEvent) -> None:
        answer = self._answer
        match event:
            case Citation():
                answer.citations.append(event)
            case Source():
                answer.sources.append(event)
            case SearchCall():
                answer.searches[event.id] = event
            case ImageReady():
                answer.images.append(event)
            case ConversationOpened():
                answer.conversation_id = event.id
            case ParentKnown():
                answer.parent_id = event.id
            case Finished():
                answer.finish_reason = event.reason
            case _:
                pass

    def answer(self) -> Answer:
        """Return all that came so far."""
        self._answer.text = "".join(self._text)
        self._answer.reasoning = "".join(self._reasoning)
        return self._answer
