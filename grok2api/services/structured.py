"""What an answer has to be, enforced: a call that is required, JSON of a given form.

The upstream knows neither. The prompt asks for it; here an answer that fails is held back and asked
for once more, and a second failure is told as one.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final, Protocol

import msgspec

from grok2api.domain.chat import (
    VISIBLE_EVENTS,
    ChatRequest,
    Citation,
    EventBatch,
    Finished,
    Message,
    Role,
    TextDelta,
    TextPart,
    ToolCallStarted,
)
from grok2api.domain.client_key import ClientKey
from grok2api.domain.json_answer import JsonReader
from grok2api.domain.json_schema import SchemaError
from grok2api.domain.model import Route
from grok2api.domain.tools import ChoiceKind, FormatKind
from grok2api.errors import InvalidRequestError, UpstreamRejectedError
from grok2api.services.dispatch import Dispatcher, TurnRecord

PIECE_CHARS: Final = 2048
"""How a text that was held back is streamed."""


class _Failing(Protocol):
    """Sees an answer go by, and holds back what must not be seen before it is known to be right.

    `problem` is what is wrong with the whole answer, "" for nothing; `text` what it said.
    """

    code: str
    problem: str

    @property
    def text(self) -> str: ...

    @property
    def reminder(self) -> str: ...

    def take(self, batch: EventBatch) -> list[EventBatch]: ...


class _CallDemand:
    """A call is required: text is held back until one begins."""

    code = "tool_call_required_failed"

    def __init__(self, names: tuple[str, ...]) -> None:
        self._which = f"the function {names[0]}" if len(names) == 1 else "a function"
        self._held: EventBatch = []
        self._is_met = False
        self.problem = ""

    @property
    def text(self) -> str:
        return "".join(e.text for e in self._held if isinstance(e, TextDelta))

    @property
    def reminder(self) -> str:
        return (
            f"You had to call {self._which}, and did not. Write the tool_calls block now, exactly "
            "in the form that was described at the beginning, and nothing else."
        )

    def take(self, batch: EventBatch) -> list[EventBatch]:
        out: EventBatch = []
        for event in batch:
            match event:
                case ToolCallStarted() if not self._is_met:
                    self._is_met = True
                    out += [*self._held, event]
                case TextDelta() | Citation() if not self._is_met:
                    self._held.append(event)
                case Finished() if not self._is_met:
                    self.problem = f"it does not call {self._which}"
                case _:
                    out.append(event)
        return [out]


class _FormatDemand:
    """The text has to be JSON: it is held back until all of it is there and right."""

    code = "structured_output_failed"

    def __init__(self, reader: JsonReader) -> None:
        self._reader = reader
        self._held: EventBatch = []
        self._has_calls = False
        self.problem = ""

    @property
    def text(self) -> str:
        """The text without citation marks, which no JSON survives."""
        whole = "".join(e.text for e in self._held if isinstance(e, TextDelta))
        kept, at = [], 0
        for mark in (e for e in self._held if isinstance(e, Citation)):
            kept.append(whole[at : mark.start])
            at = mark.end
        return "".join([*kept, whole[at:]])

    @property
    def reminder(self) -> str:
        return (
            f"Your answer cannot be used: {self.problem}. Answer again with the JSON alone, in the "
            "form that was described at the beginning."
        )

    def take(self, batch: EventBatch) -> list[EventBatch]:
        out: list[EventBatch] = [[]]
        for event in batch:
            match event:
                case ToolCallStarted() if not self._has_calls:
                    # An answer that calls tools is not the one whose form was asked for.
                    self._has_calls = True
                    out[-1] += [*self._held, event]
                case TextDelta() | Citation() if not self._has_calls:
                    self._held.append(event)
                case Finished() if not self._has_calls:
                    out += self._finish(event)
                case _:
                    out[-1].append(event)
        return out

    def _finish(self, event: Finished) -> list[EventBatch]:
        found = self._reader.read(self.text)
        self.problem = found.problem
        if found.problem:
            return []
        starts = range(0, len(found.text), PIECE_CHARS)
        out: list[EventBatch] = [[TextDelta(found.text[at : at + PIECE_CHARS])] for at in starts]
        return [*out, [event]]


class _Gate:
    """Holds back what no client sees until something comes that one does.

    An answer that fails before that can still be refused with a status of its own.
    """

    def __init__(self) -> None:
        self._held: EventBatch | None = []

    def take(self, batch: EventBatch) -> EventBatch:
        if self._held is None:
            return batch
        self._held += batch
        if not any(isinstance(event, VISIBLE_EVENTS) for event in batch):
            return []
        passed, self._held = self._held, None
        return passed


class Enforcer:
    """Streams answers that have to be something in particular."""

    __slots__ = ("_dispatcher",)

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher

    async def stream(
        self,
        request: ChatRequest,
        route: Route,
        record: TurnRecord,
        caller: ClientKey | None = None,
    ) -> AsyncGenerator[EventBatch, None]:
        """Yield the answer to `request` as `Dispatcher.stream` does, if need be of a second turn.

        Raises:
            InvalidRequestError: the schema cannot be used.
            UpstreamRejectedError: the second answer fails too.
            GatewayError: as `Dispatcher.stream`.
        """
        asked = request
        while True:
            demand, gate = _build_demand(request), _Gate()
            async with aclosing(self._dispatcher.stream(asked, route, record, caller)) as batches:
                async for batch in batches:
                    for shown in demand.take(batch):
                        if passed := gate.take(shown):
                            yield passed
            if not demand.problem:
                return
            if asked is not request:
                raise UpstreamRejectedError(
                    f"The model's answer cannot be used, also when asked again: {demand.problem}.",
                    code=demand.code,
                )
            # The client has seen nothing of the answer: the second one may move between accounts.
            record.is_committed = False
            asked = _ask_again(request, demand)


def is_demanding(request: ChatRequest) -> bool:
    """Whether `request` wants more of the answer than to be one."""
    is_call_required = bool(request.tools) and request.tool_choice.kind is ChoiceKind.REQUIRED
    return is_call_required or request.answer_format.kind is not FormatKind.TEXT


def _build_demand(request: ChatRequest) -> _Failing:
    if request.tools and request.tool_choice.kind is ChoiceKind.REQUIRED:
        return _CallDemand(request.tool_choice.names)
    try:
        return _FormatDemand(JsonReader(request.answer_format))
    except SchemaError as problem:
        raise InvalidRequestError(
            f"The schema of the answer cannot be used: {problem}.",
            code="invalid_json_schema",
        ) from None


def _ask_again(request: ChatRequest, demand: _Failing) -> ChatRequest:
    said = [Message(Role.ASSISTANT, (TextPart(demand.text),))] if demand.text.strip() else []
    reminder = Message(Role.USER, (TextPart(demand.reminder),))
    return msgspec.structs.replace(request, messages=(*request.messages, *said, reminder))
