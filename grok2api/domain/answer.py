"""One whole answer: events folded together, and what it cost."""

from collections.abc import Iterable

from msgspec import Struct, field

from grok2api.domain.chat import (
    ChatEvent,
    Citation,
    ConversationOpened,
    Finished,
    FinishReason,
    ImageReady,
    ParentKnown,
    ReasoningDelta,
    SearchCall,
    Source,
    TextDelta,
    ToolArguments,
    ToolCall,
    ToolCallStarted,
)


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
    tool_calls: list[ToolCall] = field(default_factory=list)
    conversation_id: str = ""
    parent_id: str = ""
    finish_reason: FinishReason = FinishReason.STOP
    stop_sequence: str = ""


class AnswerFold:
    """Folds events into an `Answer`, one batch at a time."""

    __slots__ = ("_answer", "_arguments", "_reasoning", "_text")

    def __init__(self) -> None:
        self._answer = Answer()
        self._arguments: list[list[str]] = []
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
            case ToolCallStarted():
                answer.tool_calls.append(ToolCall(event.id, event.name, ""))
                self._arguments.append([])
            case ToolArguments():
                self._arguments[event.index].append(event.text)
            case ConversationOpened():
                answer.conversation_id = event.id
            case ParentKnown():
                answer.parent_id = event.id
            case Finished():
                answer.finish_reason = event.reason
                answer.stop_sequence = event.stop_sequence
            case _:
                pass

    def answer(self) -> Answer:
        """Return all that came so far."""
        self._answer.text = "".join(self._text)
        self._answer.reasoning = "".join(self._reasoning)
        self._answer.tool_calls = [
            ToolCall(call.id, call.name, "".join(pieces))
            for call, pieces in zip(self._answer.tool_calls, self._arguments, strict=True)
        ]
        return self._answer
