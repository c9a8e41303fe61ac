"""Responses answers: domain events to wire events, and the response that they make."""

from collections.abc import Callable, Mapping
from typing import ClassVar, Protocol

from msgspec import UNSET, Struct, structs

from grok2api.dialects.findings import Findings
from grok2api.dialects.openai_response_calls import OpenCall, ToolName
from grok2api.dialects.openai_response_items import OpenMessage, OpenReasoning, write_search
from grok2api.dialects.openai_response_log import (
    COMPLETED,
    INCOMPLETE,
    ResponseLog,
    encode_body,
)
from grok2api.domain.answer import Usage
from grok2api.domain.chat import (
    ChatEvent,
    Citation,
    EventBatch,
    Finished,
    FinishReason,
    ReasoningDelta,
    SearchCall,
    SearchStatus,
    TextDelta,
    ToolArguments,
    ToolCallEnded,
    ToolCallStarted,
)
from grok2api.errors import GatewayError
from grok2api.wire.openai.response_object import ResponseBody, SearchSource
from grok2api.wire.sse import KEEP_ALIVE


class Renderer(Protocol):
    """Makes a response of events. Every method that returns bytes returns whole events."""

    @property
    def log(self) -> ResponseLog:
        """What was written so far."""
        ...

    def render(self, events: EventBatch) -> bytes:
        """Return the events for what arrived together."""
        ...

    def finish(self, completed_s: int) -> bytes:
        """Return the end of a response that came to its end."""
        ...

    def fail(self, error: GatewayError, request_id: str) -> bytes:
        """Return the end of a response that broke off."""
        ...

    def usage(self) -> Usage:
        """Return the tokens of all that came so far."""
        ...


class ResponseView(Struct, frozen=True, kw_only=True):
    """What a client wants to see of an answer, and how it calls its tools.

    `tool_names` are by the names that the model knows.
    """

    show_reasoning: bool
    show_sources: bool = False
    shows_searches: bool = False
    shows_search_sources: bool = False
    tool_names: Mapping[str, ToolName] = {}


class ResponseRenderer:
    """Renders one response, streamed or not: what is not streamed is the fold of the stream.

    One item is written after the other; only calls may overlap. Reasoning that comes after the
    first text or call is not shown, because clients take these to be the end of it.
    """

    KEEP_ALIVE: ClassVar[bytes] = KEEP_ALIVE

    __slots__ = (
        "_calls",
        "_count_tokens",
        "_counted",
        "_findings",
        "_has_answer",
        "_item_key",
        "_marks",
        "_message",
        "_number",
        "_prompt_tokens",
        "_reason",
        "_reasoning",
        "_searches",
        "_searches_written",
        "_texts",
        "_thoughts",
        "_view",
        "_written_chars",
        "log",
    )

    def __init__(
        self,
        body: ResponseBody,
        view: ResponseView,
        *,
        prompt_tokens: int,
        count_tokens: Callable[[str], int],
    ) -> None:
        self.log = ResponseLog(body)
        self._view = view
        self._item_key = item_key(body.id)
        self._prompt_tokens = prompt_tokens
        self._count_tokens = count_tokens
        self._counted: list[str] = []
        self._thoughts: list[str] = []
        self._findings = Findings()
        self._reason = FinishReason.STOP
        self._texts: list[str] = []
        self._marks: list[Citation] = []
        self._message: OpenMessage | None = None
        self._reasoning: OpenReasoning | None = None
        self._calls: dict[int, OpenCall] = {}
        self._searches: dict[str, SearchCall] = {}
        self._searches_written: set[str] = set()
        self._written_chars = 0
        self._number = 0
        self._has_answer = False

    def render(self, events: EventBatch) -> bytes:
        """Return the events for what arrived together; text in one piece where it can be."""
        self.log.begin()
        for event in events:
            if isinstance(event, TextDelta):
                self._texts.append(event.text)
            elif isinstance(event, Citation):
                self._marks.append(event)
                self._findings.add((event,))
            else:
                self._take(event)
        self._write_text()
        return self.log.take()

    def finish(self, completed_s: int) -> bytes:
        """Return the end of the response: what follows the text, then its last event."""
        self.log.begin()
        status = INCOMPLETE if self._reason is FinishReason.LENGTH else COMPLETED
        has_text = self._message is not None and self._message.length > 0
        extra = self._findings.markdown(has_text=has_text, show_sources=self._view.show_sources)
        if extra or not self._has_answer:
            self._open_message()
        if self._message is not None and extra:
            self._message.add(extra)
        self._close_reasoning(status)
        self._close_message(status)
        for call in self._calls.values():
            call.close(INCOMPLETE)
        for search_id in list(self._searches):
            self._write_search(search_id)
        self._tell_sources()
        self.log.end(self._reason, self.usage(), completed_s)
        return self.log.take()

    def fail(self, error: GatewayError, request_id: str) -> bytes:
        """Return the end of a response that broke off, with all that there is of it.

        Items that were open get no end of their own: clients keep only what has one.
        """
        for item in (self._reasoning, self._message, *self._calls.values()):
            if item is not None:
                item.leave()
        self.log.fail(error, request_id, self.usage())
        return self.log.take()

    def usage(self) -> Usage:
        """Return the tokens of all that came so far, reasoning included whether shown or not."""
        thought = self._count_tokens("".join(self._thoughts))
        said = self._count_tokens("".join(self._counted))
        return Usage(prompt=self._prompt_tokens, completion=said + thought, reasoning=thought)

    def _take(self, event: ChatEvent) -> None:
        match event:
            case ReasoningDelta():
                self._think(event)
            case ToolCallStarted():
                self._write_text()
                self._start_call(event)
            case ToolArguments():
                self._counted.append(event.text)
                if event.text:
                    self._calls[event.index].add(event.text)
            case ToolCallEnded():
                self._calls.pop(event.index).close()
            case SearchCall():
                self._search(event)
            case Finished():
                self._reason = event.reason
            case _:
                self._findings.add((event,))

    def _think(self, event: ReasoningDelta) -> None:
        self._thoughts.append(event.text)
        has_answer = self._has_answer or any(self._texts)
        if not event.text or has_answer or not self._view.show_reasoning:
            return
        if self._reasoning is None:
            self._reasoning = OpenReasoning(self.log, self._new_id("rs"))
        self._reasoning.add(event.text, event.agent)

    def _start_call(self, event: ToolCallStarted) -> None:
        self._has_answer = True
        self._close_reasoning()
        self._close_message()
        name = self._view.tool_names.get(event.name) or ToolName(event.name)
        self._counted.append(event.name)
        item_id = self._new_id("ctc" if name.is_custom else "fc")
        self._calls[event.index] = OpenCall(self.log, item_id, event.id, name)

    def _search(self, event: SearchCall) -> None:
        self._findings.add((event,))
        if not self._view.shows_searches or event.id in self._searches_written:
            return
        self._searches[event.id] = event
        # An item inside of another confuses clients; what finds no gap is written at the end.
        is_free = self._message is None and not any(self._texts) and not self._calls
        if is_free and event.status is SearchStatus.COMPLETED:
            self._close_reasoning()
            self._write_search(event.id)

    def _write_search(self, search_id: str) -> None:
        self._searches_written.add(search_id)
        write_search(
            self.log,
            self._new_id("ws"),
            self._searches.pop(search_id),
            shows_sources=self._view.shows_search_sources,
        )

    def _write_text(self) -> None:
        text, marks = "".join(self._texts), list(self._marks)
        self._texts.clear()
        self._marks.clear()
        if text:
            self._counted.append(text)
            self._open_message().add(text)
            self._written_chars += len(text)
        if self._message is not None:
            for mark in marks:
                self._message.cite(mark)

    def _open_message(self) -> OpenMessage:
        if self._message is None:
            self._has_answer = True
            self._close_reasoning()
            self._message = OpenMessage(self.log, self._new_id("msg"), self._written_chars)
        return self._message

    def _close_message(self, status: str = COMPLETED) -> None:
        if self._message is not None:
            self._message.close(status)
            self._message = None

    def _close_reasoning(self, status: str = COMPLETED) -> None:
        if self._reasoning is not None:
            self._reasoning.close(status)
            self._reasoning = None

    def _tell_sources(self) -> None:
        sources = [SearchSource(s.url, s.title, s.kind.value) for s in self._findings.sources]
        self.log.body = structs.replace(self.log.body, search_sources=sources or UNSET)

    def _new_id(self, prefix: str) -> str:
        self._number += 1
        return f"{prefix}_{self._item_key}_{self._number}"


def item_key(response_id: str) -> str:
    """Return the part of a response's id by which its items are found."""
    return response_id.partition("_")[2]


def render_body(renderer: Renderer) -> bytes:
    """Return the response as it is now."""
    return encode_body(renderer.log.body)
