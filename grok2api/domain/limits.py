"""Stop sequences and output limits, applied to events because the upstream knows neither."""

from collections.abc import Callable, Sequence

from grok2api.domain.chat import (
    ChatEvent,
    Citation,
    EventBatch,
    Finished,
    FinishReason,
    TextDelta,
    ToolCallStarted,
)

_BLOCK_CHARS = 512


class OutputLimiter:
    """Cuts the visible text at the first stop sequence, or where it would exceed a token limit.

    Only text counts and is searched; reasoning passes. The result does not depend on how the text
    was split into events. `is_done` turns True as soon as nothing more can be wanted of the
    upstream: it may be closed. It stays False when the upstream ended by itself.
    """

    __slots__ = ("_emitted_chars", "_held", "_is_over", "_meter", "_stop", "_waiting", "is_done")

    def __init__(
        self, stop: Sequence[str], max_tokens: int | None, count_tokens: Callable[[str], int]
    ) -> None:
        self._stop = tuple(sequence for sequence in stop if sequence)
        self._meter = None if max_tokens is None else _TokenMeter(max_tokens, count_tokens)
        self._held = ""
        self._waiting: list[Citation] = []
        self._emitted_chars = 0
        self._is_over = False
        self.is_done = False

    def feed(self, events: Sequence[ChatEvent]) -> EventBatch:
        """Return what of `events` may be shown now.

        Text that could begin a stop sequence is held back until it is known; a citation waits for
        its mark. After a cut comes `Finished` with the reason, then nothing.
        """
        out: EventBatch = []
        for event in events:
            if self._is_over:
                break
            match event:
                case TextDelta():
                    self._add_text(event.text, out)
                case Citation() if event.end > self._emitted_chars:
                    self._waiting.append(event)
                case Finished():
                    self._finish(event, out)
                case ToolCallStarted():
                    # What is held stands before the call, and no stop sequence spans one.
                    held, self._held = self._held, ""
                    self._emit(held, out)
                    if not self._is_over:
                        out.append(event)
                    self.is_done = self._is_over
                case _:
                    out.append(event)
        return out

    def _add_text(self, text: str, out: EventBatch) -> None:
        text = self._held + text
        found = self._find_stop(text)
        if found is None:
            keep_from = len(text) - self._count_held(text)
            self._held = text[keep_from:]
            self._emit(text[:keep_from], out)
        else:
            self._held = ""
            found_at, sequence = found
            self._emit(text[:found_at], out)
            self._cut(Finished(FinishReason.STOP, sequence), out)
        self.is_done = self._is_over

    def _finish(self, event: Finished, out: EventBatch) -> None:
        self._emit(self._held, out)
        if not self._is_over:
            out += self._waiting
            out.append(event)
            self._is_over = True

    def _find_stop(self, text: str) -> tuple[int, str] | None:
        """Where to cut, and why: the sequence that is complete first, whatever the split."""
        matches = [
            (start + len(sequence), start, sequence)
            for sequence in self._stop
            if (start := text.find(sequence)) >= 0
        ]
        return min(matches)[1:] if matches else None

    def _count_held(self, text: str) -> int:
        longest = 0
        for sequence in self._stop:
            for size in range(min(len(sequence) - 1, len(text)), longest, -1):
                if text.endswith(sequence[:size]):
                    longest = size
                    break
        return longest

    def _emit(self, text: str, out: EventBatch) -> None:
        fits = len(text) if self._meter is None else self._meter.take(text)
        if fits:
            self._emitted_chars += fits
            out.append(TextDelta(text[:fits]))
            while self._waiting and self._waiting[0].end <= self._emitted_chars:
                out.append(self._waiting.pop(0))
        if fits < len(text):
            self._cut(Finished(FinishReason.LENGTH), out)

    def _cut(self, end: Finished, out: EventBatch) -> None:
        if not self._is_over:
            self._is_over = True
            out.append(end)


class _TokenMeter:
    """Counts tokens in blocks of fixed size, so that a long text is not counted again and again.

    `count` must never give less for a longer text; then the place of the cut is unique.
    """

    __slots__ = ("_block", "_count", "_max", "_used")

    def __init__(self, max_tokens: int, count: Callable[[str], int]) -> None:
        self._max = max_tokens
        self._count = count
        self._used = 0
        self._block = ""

    def take(self, text: str) -> int:
        """Return how many characters of `text` still fit, and count them as used."""
        taken = 0
        while taken < len(text):
            piece = text[taken : taken + _BLOCK_CHARS - len(self._block)]
            tokens = self._count(self._block + piece)
            if self._used + tokens > self._max:
                return taken + self._fitting(piece)
            self._block += piece
            taken += len(piece)
            if len(self._block) == _BLOCK_CHARS:
                self._used += tokens
                self._block = ""
        return taken

    def _fitting(self, piece: str) -> int:
        low, high = 0, len(piece) - 1
        while low < high:
            middle = (low + high + 1) // 2
            if self._used + self._count(self._block + piece[:middle]) <= self._max:
                low = middle
            else:
                high = middle - 1
        return low
