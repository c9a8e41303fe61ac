"""Messages answers: domain events to wire bytes."""

import re
from collections.abc import Callable, Iterable

import msgspec
from msgspec import UNSET, UnsetType

from grok2api.dialects.anthropic_blocks import BlockWriter, format_stream_event, sign_thinking
from grok2api.dialects.errors import render_anthropic_error
from grok2api.dialects.findings import Findings
from grok2api.domain.answer import Answer, Usage
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
    ToolCall,
    ToolCallEnded,
    ToolCallStarted,
)
from grok2api.errors import GatewayError
from grok2api.wire.anthropic.messages import (
    MESSAGE_STOP,
    PING,
    ContentBlock,
    MessageBody,
    MessageDelta,
    MessageEnd,
    MessageStart,
    MessageUsage,
    SearchCitation,
    SearchSource,
    ServerToolUseBlock,
    TextBlock,
    ThinkingBlock,
    ToolUseBlock,
    WebSearchHit,
    WebSearchResultBlock,
)
from grok2api.wire.sse import format_event

_encode = msgspec.json.Encoder().encode
_INPUT = msgspec.json.Decoder(dict[str, object])
_NOT_OF_AN_ID = re.compile(r"[^A-Za-z0-9_-]")
_STOP_REASONS = {
    FinishReason.STOP: "end_turn",
    FinishReason.LENGTH: "max_tokens",
    FinishReason.TOOL_CALLS: "tool_use",
    FinishReason.CONTENT_FILTER: "refusal",
}


class AnswerFrame(msgspec.Struct, frozen=True, kw_only=True):
    """What is fixed for the life of one answer.

    `show_searches`: the client asked for web search and sees what the upstream searched for.
    """

    message_id: str
    model: str
    input_tokens: int
    count_tokens: Callable[[str], int]
    show_reasoning: bool = False
    show_searches: bool = False
    show_sources: bool = False


class StreamRenderer:
    """Renders one streamed answer; every method returns bytes ready to be sent."""

    __slots__ = (
        "_end",
        "_findings",
        "_frame",
        "_has_calls",
        "_has_text",
        "_is_open",
        "_reasoning",
        "_usage",
        "_visible",
        "_writer",
    )

    def __init__(self, frame: AnswerFrame) -> None:
        self._frame = frame
        self._writer = BlockWriter()
        self._findings = Findings()
        self._visible: list[str] = []
        self._reasoning: list[str] = []
        self._has_text = False
        self._has_calls = False
        self._is_open = False
        self._end = Finished()
        self._usage: Usage | None = None

    def keep_alive(self) -> bytes:
        """Return what breaks a silence; a ping is legal only in a stream that has begun."""
        return PING if self._is_open else self._open()

    def render(self, events: EventBatch) -> bytes:
        """Return the stream events for what arrived together, b"" while there is nothing to show.

        Reasoning that comes after the first text is not shown: people read one text.
        """
        self._usage = None
        for event in events:
            match event:
                case TextDelta():
                    self._visible.append(event.text)
                    self._has_text = self._has_text or bool(event.text)
                    self._writer.write_text(event.text)
                case ReasoningDelta():
                    self._reasoning.append(event.text)
                    if self._frame.show_reasoning and not self._has_text:
                        self._writer.write_thinking(event.text)
                case Finished():
                    self._end = event
                case _:
                    self._render_rare(event)
        data = self._writer.take()
        return self._open() + data if data and not self._is_open else data

    def finish(self) -> bytes:
        """Return the end of a complete answer."""
        findings = self._findings
        opening = b"" if self._is_open else self._open()
        self._writer.write_text(
            findings.markdown(has_text=self._has_text, show_sources=self._frame.show_sources)
        )
        self._writer.close()
        end = MessageEnd(
            stop_reason=_stop_reason(self._end, has_calls=self._has_calls),
            stop_sequence=self._end.stop_sequence or None,
            search_sources=_sources(findings),
        )
        usage = _usage_body(self.usage(), findings)
        return b"".join(
            (
                opening,
                self._writer.take(),
                format_stream_event(MessageDelta(end, usage)),
                MESSAGE_STOP,
            )
        )

    def fail(self, error: GatewayError, request_id: str) -> bytes:
        """Return the end of an answer that broke off; after the error comes nothing."""
        return format_event(render_anthropic_error(error, request_id).body, "error")

    def usage(self) -> Usage:
        """Return the tokens of all that came so far, reasoning included whether shown or not."""
        if self._usage is None:
            visible, reasoning = "".join(self._visible), "".join(self._reasoning)
            self._usage = _measure(visible, reasoning, self._frame)
        return self._usage

    def _render_rare(self, event: ChatEvent) -> None:
        match event:
            case ToolCallStarted():
                self._has_calls = True
                self._visible.append(event.name)
                self._writer.begin_call(_call_id(event.id), event.name)
            case ToolArguments():
                self._visible.append(event.text)
                self._writer.write_input(event.text)
            case ToolCallEnded():
                self._writer.close()
            case Citation():
                self._findings.add((event,))
                self._writer.cite(_citation(event))
            case SearchCall():
                self._render_search(event)
            case _:
                self._findings.add((event,))

    def _render_search(self, event: SearchCall) -> None:
        before = self._findings.searches.get(event.id)
        self._findings.add((event,))
        is_new = before is None or before.status is not SearchStatus.COMPLETED
        if self._frame.show_searches and is_new and event.status is SearchStatus.COMPLETED:
            used, found = _search_blocks(event, {})
            self._writer.add(used, input_json=_encode({"query": event.query}).decode())
            self._writer.add(found)

    def _open(self) -> bytes:
        self._is_open = True
        usage = MessageUsage(input_tokens=self._frame.input_tokens, output_tokens=0)
        start = MessageBody(id=self._frame.message_id, model=self._frame.model, usage=usage)
        return format_stream_event(MessageStart(start)) + PING


def measure_usage(answer: Answer, frame: AnswerFrame) -> Usage:
    """Return the tokens of a whole turn, as a stream of the same events would report them."""
    calls = "".join(call.name + call.arguments for call in answer.tool_calls)
    return _measure(answer.text + calls, answer.reasoning, frame)


def render_message(answer: Answer, frame: AnswerFrame, usage: Usage) -> bytes:
    """Return the body of a whole answer."""
    findings = Findings.of(answer)
    end = Finished(answer.finish_reason, answer.stop_sequence)
    return _encode(
        MessageBody(
            id=frame.message_id,
            model=frame.model,
            content=list(_blocks_of(answer, findings, frame)),
            stop_reason=_stop_reason(end, has_calls=bool(answer.tool_calls)),
            stop_sequence=answer.stop_sequence or None,
            usage=_usage_body(usage, findings),
            search_sources=_sources(findings),
        )
    )


def _blocks_of(answer: Answer, findings: Findings, frame: AnswerFrame) -> Iterable[ContentBlock]:
    if frame.show_reasoning and answer.reasoning:
        yield ThinkingBlock(answer.reasoning, sign_thinking(answer.reasoning))
    for search in answer.searches.values():
        if frame.show_searches and search.status is SearchStatus.COMPLETED:
            yield from _search_blocks(search, {"query": search.query})
    extra = findings.markdown(has_text=bool(answer.text), show_sources=frame.show_sources)
    if text := answer.text + extra:
        yield TextBlock(text, [_citation(mark) for mark in answer.citations] or None)
    for call in answer.tool_calls:
        yield ToolUseBlock(_call_id(call.id), call.name, _input_of(call))


def _search_blocks(
    search: SearchCall, given: dict[str, object]
) -> tuple[ServerToolUseBlock, WebSearchResultBlock]:
    use_id = "srvtoolu_" + _NOT_OF_AN_ID.sub("_", search.id)
    hits = [WebSearchHit(source.url, source.title or source.url) for source in search.sources]
    return ServerToolUseBlock(use_id, "web_search", given), WebSearchResultBlock(use_id, hits)


def _citation(mark: Citation) -> SearchCitation:
    return SearchCitation(mark.url, mark.title or mark.url)


def _call_id(call_id: str) -> str:
    return "toolu_" + _NOT_OF_AN_ID.sub("_", call_id.removeprefix("call_").removeprefix("toolu_"))


def _input_of(call: ToolCall) -> dict[str, object]:
    """Return the input of a call; that of one that was cut off is lost."""
    try:
        return _INPUT.decode(call.arguments)
    except (msgspec.DecodeError, RecursionError):
        return {}


def _stop_reason(end: Finished, *, has_calls: bool) -> str:
    if end.stop_sequence:
        return "stop_sequence"
    is_calling = has_calls and end.reason is FinishReason.STOP
    return _STOP_REASONS[FinishReason.TOOL_CALLS if is_calling else end.reason]


def _sources(findings: Findings) -> list[SearchSource] | UnsetType:
    return [SearchSource(s.url, s.title, s.kind.value) for s in findings.sources] or UNSET


def _measure(visible: str, reasoning: str, frame: AnswerFrame) -> Usage:
    thought = frame.count_tokens(reasoning)
    return Usage(
        prompt=frame.input_tokens,
        completion=frame.count_tokens(visible) + thought,
        reasoning=thought,
    )


def _usage_body(usage: Usage, findings: Findings) -> MessageUsage:
    searches = len(findings.searches)
    return MessageUsage(
        input_tokens=usage.prompt,
        output_tokens=usage.completion,
        server_tool_use=(
            {"web_search_requests": searches, "web_fetch_requests": 0} if searches else UNSET
        ),
    )
