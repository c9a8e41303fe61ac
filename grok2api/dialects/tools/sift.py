"""Sends the events of an answer through a sieve, so that its calls become events too."""

from collections.abc import Callable, Iterable

import msgspec

from grok2api.dialects.tools.listing import Catalog
from grok2api.dialects.tools.prompt import has_quoted_call, select_tools
from grok2api.dialects.tools.rules import Rules
from grok2api.dialects.tools.sieve import ToolSieve
from grok2api.domain.chat import (
    ChatEvent,
    ChatRequest,
    Citation,
    EventBatch,
    Finished,
    FinishReason,
    TextDelta,
)
from grok2api.domain.json_shape import Shape


class EventSieve:
    """Replaces calls in the text by their events; citations move with the text they stand in."""

    __slots__ = ("_sieve", "_waiting")

    def __init__(self, sieve: ToolSieve) -> None:
        self._sieve = sieve
        self._waiting: list[Citation] = []

    def take(self, events: Iterable[ChatEvent]) -> EventBatch:
        """Return what of `events` is certain now."""
        out: EventBatch = []
        for event in events:
            match event:
                case TextDelta():
                    out += self._sieve.feed(event.text)
                    self._release(out)
                case Citation():
                    self._waiting.append(event)
                    self._release(out)
                case Finished():
                    out += self._sieve.close()
                    self._release(out)
                    out.append(self._end(event))
                case _:
                    out.append(event)
        return out

    def _end(self, event: Finished) -> Finished:
        has_calls = self._sieve.output.call_count > 0
        is_plain = event.reason is FinishReason.STOP
        return Finished(FinishReason.TOOL_CALLS) if has_calls and is_plain else event

    def _release(self, out: EventBatch) -> None:
        output = self._sieve.output
        while self._waiting and self._waiting[0].end <= output.decided:
            mark = self._waiting.pop(0)
            cuts = output.cuts
            if all(end <= mark.start or begin >= mark.end for begin, end in cuts):
                shift = sum(end - begin for begin, end in cuts if end <= mark.start)
                out.append(
                    msgspec.structs.replace(mark, start=mark.start - shift, end=mark.end - shift)
                )


def build_sieve(request: ChatRequest, token: str, make_id: Callable[[], str]) -> EventSieve | None:
    """Return the sieve for the answer to `request`; None if it may call nothing."""
    tools = select_tools(request.tools, request.tool_choice)
    if not tools:
        return None
    shapes = {tool.name: None if tool.is_custom else Shape(tool.parameters) for tool in tools}
    rules = Rules(
        Catalog(shapes),
        token,
        needs_token=has_quoted_call(request),
        is_parallel=request.tool_choice.is_parallel,
    )
    return EventSieve(ToolSieve(rules, make_id))
