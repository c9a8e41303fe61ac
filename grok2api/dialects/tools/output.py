"""What a sieve gives out: text without the blanks around calls, calls in their order."""

from collections.abc import Callable
from typing import Final

from grok2api.domain.chat import (
    EventBatch,
    TextDelta,
    ToolArguments,
    ToolCallEnded,
    ToolCallStarted,
)

MAX_BLANKS: Final = 256
"""How many blanks are held: more are text, whatever follows."""


class Output:
    """Collects events, and remembers which characters of the text were left out.

    Blanks are held until it is known that text follows: those beside a call are left out.
    """

    __slots__ = (
        "_arguments",
        "_blank",
        "_events",
        "_is_parallel",
        "_make_id",
        "_texts",
        "call_count",
        "cuts",
        "decided",
        "has_text",
        "is_at_margin",
        "is_open",
    )

    def __init__(self, make_id: Callable[[], str], *, is_parallel: bool) -> None:
        self._make_id = make_id
        self._is_parallel = is_parallel
        self._events: EventBatch = []
        self._texts: list[str] = []
        self._blank = ""
        self._arguments = ""
        self.call_count = 0
        self.decided = 0
        """Characters of the text that were given out or left out."""
        self.cuts: list[tuple[int, int]] = []
        """Ranges of them that were left out, in order."""
        self.has_text = False
        self.is_at_margin = True
        """Whether a line begins here, blanks aside."""
        self.is_open = False
        """Whether a call has been begun."""

    def take(self) -> EventBatch:
        """Return the events since the last call."""
        self._flush_text()
        events, self._events = self._events, []
        return events

    def say(self, text: str) -> None:
        """Give out text."""
        line = text[text.rfind("\n") + 1 :]
        self.is_at_margin = ("\n" in text or self.is_at_margin) and not line.strip(" \t")
        whole = self._blank + text
        kept = whole.rstrip()
        if len(whole) - len(kept) > MAX_BLANKS:
            kept = whole[:-MAX_BLANKS]
        self._blank = whole[len(kept) :]
        if not kept:
            return
        if not self.has_text and self.call_count:
            first = len(kept) - len(kept.lstrip())
            self._leave_out(first)
            kept = kept[first:]
            if not kept:
                return
        self.has_text = self.has_text or not kept.isspace()
        self.decided += len(kept)
        self._texts.append(kept)

    def cut(self, count: int) -> None:
        """Leave out the next `count` characters: they are part of a call."""
        self._leave_out(len(self._blank))
        self._blank = ""
        self._leave_out(count)
        self.is_at_margin = True

    def end(self) -> None:
        """Give out the blanks at the end, unless there was a call."""
        blank, self._blank = self._blank, ""
        if self.call_count:
            self._leave_out(len(blank))
        elif blank:
            self.decided += len(blank)
            self._texts.append(blank)

    def add_arguments(self, text: str) -> int:
        """Add to the arguments of the call; return how many wait to be given out."""
        self._arguments += text
        if self.is_open:
            self._flush_arguments()
        return len(self._arguments)

    def withdraw_arguments(self) -> str:
        """Take back arguments that were not given out."""
        arguments, self._arguments = self._arguments, ""
        return arguments

    def start(self, name: str) -> None:
        """Begin a call, unless that has been done."""
        if self.is_open:
            return
        self.is_open = True
        if not self._is_left_out:
            self._flush_text()
            self._events.append(ToolCallStarted(self.call_count, self._make_id(), name))
        self._flush_arguments()

    def finish_call(self) -> None:
        """End the call."""
        if not self._is_left_out:
            self._events.append(ToolCallEnded(self.call_count))
        self.is_open = False
        self.call_count += 1

    @property
    def _is_left_out(self) -> bool:
        return self.call_count > 0 and not self._is_parallel

    def _flush_arguments(self) -> None:
        if self._arguments and not self._is_left_out:
            self._events.append(ToolArguments(self.call_count, self._arguments))
        self._arguments = ""

    def _flush_text(self) -> None:
        if self._texts:
            self._events.append(TextDelta("".join(self._texts)))
            self._texts.clear()

    def _leave_out(self, count: int) -> None:
        if not count:
            return
        end = self.decided + count
        if self.cuts and self.cuts[-1][1] == self.decided:
            self.cuts[-1] = (self.cuts[-1][0], end)
        else:
            self.cuts.append((self.decided, end))
        self.decided = end
