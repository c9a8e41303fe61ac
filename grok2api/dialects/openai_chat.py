"""Chat Completions answers: domain events to wire bytes."""

from collections.abc import Callable
from typing import ClassVar

import msgspec
from msgspec import UNSET, Struct

from grok2api.dialects.errors import render_openai_error
from grok2api.dialects.findings import Findings
from grok2api.dialects.openai_chat_parts import (
    measure,
    render_annotation,
    render_annotations,
    render_extras,
    render_reason,
    render_usage,
)
from grok2api.dialects.openai_chat_request import (
    CHAT_REQUEST_DECODER,
    ignored_fields,
    parse_request,
)
from grok2api.dialects.openai_chat_tools import FUNCTIONS_ONLY, CallDeltas, CallStyle
from grok2api.domain.answer import Answer, Usage
from grok2api.domain.chat import (
    EventBatch,
    Finished,
    FinishReason,
    ReasoningDelta,
    TextDelta,
    ToolArguments,
    ToolCallEnded,
    ToolCallStarted,
)
from grok2api.errors import GatewayError
from grok2api.wire.openai.chat import (
    ChatCompletion,
    ChatCompletionChunk,
    ChunkChoice,
    CompletionChoice,
    CompletionMessage,
    Delta,
)
from grok2api.wire.sse import DONE, KEEP_ALIVE, format_event

__all__ = [
    "CHAT_REQUEST_DECODER",
    "CallStyle",
    "StreamRenderer",
    "ignored_fields",
    "measure_usage",
    "parse_request",
    "render_completion",
]

_encode = msgspec.json.Encoder().encode
_PLACE = "\N{OBJECT REPLACEMENT CHARACTER}here"


class StreamRenderer:
    """Renders one streamed answer; every method returns bytes ready to be sent.

    Text and reasoning are spliced between bytes that were encoded once for the request. Offsets of
    citations count the text alone, so images and the list of sources follow after all text.
    """

    KEEP_ALIVE: ClassVar[bytes] = KEEP_ALIVE

    __slots__ = (
        "_base",
        "_calls",
        "_count_tokens",
        "_findings",
        "_finish_reason",
        "_has_text",
        "_include_usage",
        "_is_legacy",
        "_is_open",
        "_prompt_tokens",
        "_reasoning",
        "_reasoning_frame",
        "_show_reasoning",
        "_show_sources",
        "_text",
        "_text_frame",
        "_usage",
    )

    def __init__(  # noqa: PLR0913 - all of it is fixed for the life of one answer
        self,
        completion_id: str,
        created_s: int,
        model: str,
        *,
        include_usage: bool,
        show_reasoning: bool,
        prompt_tokens: int,
        count_tokens: Callable[[str], int],
        show_sources: bool = False,
        calls: CallStyle = FUNCTIONS_ONLY,
    ) -> None:
        self._calls = CallDeltas(calls)
        self._is_legacy = calls.is_legacy
        self._base = ChatCompletionChunk(
            id=completion_id,
            created=created_s,
            model=model,
            choices=[],
            usage=None if include_usage else UNSET,
        )
        self._include_usage = include_usage
        self._show_reasoning = show_reasoning
        self._show_sources = show_sources
        self._prompt_tokens = prompt_tokens
        self._count_tokens = count_tokens
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._has_text = False
        self._is_open = False
        self._findings = Findings()
        self._finish_reason = FinishReason.STOP
        self._usage: Usage | None = None
        self._text_frame = self._frame(Delta(content=_PLACE))
        self._reasoning_frame = self._frame(Delta(reasoning_content=_PLACE))

    def render(self, events: EventBatch) -> bytes:
        """Return the chunks for what arrived together: at most one for each kind of content.

        Returns b"" while there is nothing to show. Reasoning that comes after the first text is
        not shown, because clients take text to be the end of it.
        """
        self._usage = None
        out: list[bytes] = []
        pieces = _Pieces([], [], len(self._findings.citations))
        for event in events:
            if isinstance(event, TextDelta):
                pieces.texts.append(event.text)
                self._has_text = self._has_text or bool(event.text)
            elif isinstance(event, ReasoningDelta):
                self._reasoning.append(event.text)
                if self._show_reasoning and not self._has_text:
                    pieces.thoughts.append(event.text)
            elif isinstance(event, ToolCallStarted | ToolArguments | ToolCallEnded):
                pieces = self._flush(pieces, out)
                if (delta := self._calls.render(event)) is not None:
                    out.append(self._chunk(delta))
            elif isinstance(event, Finished):
                self._finish_reason = event.reason
            else:
                self._findings.add((event,))
        self._flush(pieces, out)
        if out and not self._is_open:
            out.insert(0, self._open())
        return b"".join(out)

    def _flush(self, pieces: "_Pieces", out: list[bytes]) -> "_Pieces":
        """Render what was collected up to here; return an empty collection."""
        if thought := "".join(pieces.thoughts):
            out.append(self._splice(self._reasoning_frame, thought))
        if text := "".join(pieces.texts):
            self._text.append(text)
            out.append(self._splice(self._text_frame, text))
        if marks := self._findings.citations[pieces.marks_before :]:
            out.append(
                self._chunk(Delta(annotations=render_annotations(marks, pieces.marks_before)))
            )
        return _Pieces([], [], len(self._findings.citations))

    def finish(self) -> bytes:
        """Return the end of a complete answer: images, sources, finish reason, usage, `[DONE]`."""
        out = [] if self._is_open else [self._open()]
        # Behind calls a list would be the beginning of another text.
        show_sources = self._show_sources and not self._calls.text
        extra = self._findings.markdown(has_text=self._has_text, show_sources=show_sources)
        if extra:
            out.append(self._splice(self._text_frame, extra))
        reason = render_reason(self._finish_reason, is_legacy=self._is_legacy)
        last = self._with_choice(Delta(), reason)
        urls, sources, tools = render_extras(self._findings)
        out.append(
            format_event(
                _encode(
                    msgspec.structs.replace(
                        last, citations=urls, search_sources=sources, server_side_tool_usage=tools
                    )
                )
            )
        )
        if self._include_usage:
            usage = render_usage(self.usage())
            out.append(format_event(_encode(msgspec.structs.replace(self._base, usage=usage))))
        out.append(DONE)
        return b"".join(out)

    def fail(self, error: GatewayError, request_id: str) -> bytes:
        """Return the end of an answer that broke off: the error, then `[DONE]`."""
        return format_event(render_openai_error(error, request_id).body) + DONE

    def usage(self) -> Usage:
        """Return the tokens of all that came so far, reasoning included whether shown or not."""
        if self._usage is None:
            text, reasoning = "".join(self._text), "".join(self._reasoning)
            text += "".join(self._calls.text)
            self._usage = measure(text, reasoning, self._prompt_tokens, self._count_tokens)
        return self._usage

    def _open(self) -> bytes:
        self._is_open = True
        return self._chunk(Delta(role="assistant", content=""))

    def _with_choice(self, delta: Delta, finish_reason: str | None = None) -> ChatCompletionChunk:
        choice = ChunkChoice(delta=delta, finish_reason=finish_reason)
        return msgspec.structs.replace(self._base, choices=[choice])

    def _chunk(self, delta: Delta) -> bytes:
        return format_event(_encode(self._with_choice(delta)))

    def _frame(self, delta: Delta) -> tuple[bytes, bytes]:
        head, _, tail = self._chunk(delta).rpartition(_encode(_PLACE))
        return head, tail

    @staticmethod
    def _splice(frame: tuple[bytes, bytes], text: str) -> bytes:
        return frame[0] + _encode(text) + frame[1]


def measure_usage(
    answer: Answer, *, prompt_tokens: int, count_tokens: Callable[[str], int]
) -> Usage:
    """Return the tokens of a whole turn, as a stream of the same events would report them."""
    calls = "".join(call.name + call.arguments for call in answer.tool_calls)
    return measure(answer.text + calls, answer.reasoning, prompt_tokens, count_tokens)


def render_completion(  # noqa: PLR0913 - what an answer says about itself
    answer: Answer,
    *,
    completion_id: str,
    created_s: int,
    model: str,
    show_reasoning: bool,
    usage: Usage,
    show_sources: bool = False,
    calls: CallStyle = FUNCTIONS_ONLY,
) -> bytes:
    """Return the body of a whole answer."""
    findings = Findings.of(answer)
    rendered = [calls.render(call) for call in answer.tool_calls]
    extra = findings.markdown(
        has_text=bool(answer.text), show_sources=show_sources and not rendered
    )
    text = answer.text + extra
    message = CompletionMessage(
        content=text if text or not rendered else None,
        tool_calls=(not calls.is_legacy and rendered) or UNSET,
        function_call=rendered[0].function if calls.is_legacy and rendered else UNSET,
        reasoning_content=(answer.reasoning if show_reasoning else "") or UNSET,
        annotations=[render_annotation(mark) for mark in answer.citations] or UNSET,
    )
    urls, sources, tools = render_extras(findings)
    return _encode(
        ChatCompletion(
            id=completion_id,
            created=created_s,
            model=model,
            choices=[
                CompletionChoice(
                    message=message,
                    finish_reason=render_reason(answer.finish_reason, is_legacy=calls.is_legacy),
                )
            ],
            usage=render_usage(usage),
            citations=urls,
            search_sources=sources,
            server_side_tool_usage=tools,
        )
    )


class _Pieces(Struct, frozen=True):
    """What came together, up to a call; `marks_before`: citations that were shown before it."""

    texts: list[str]
    thoughts: list[str]
    marks_before: int
