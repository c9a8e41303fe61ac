"""Finds calls in the text of an answer while it comes; everything else stays text, in its order."""

import re
from collections.abc import Callable
from typing import Final

from grok2api.dialects.tools.closing import (
    Closer,
    find_text_end,
    read_closer,
    read_root_end,
)
from grok2api.dialects.tools.grammar import (
    FENCE_CHARS,
    MAX_OPENING_CHARS,
    Body,
    Misfit,
    Opening,
    read_fence,
    read_opening,
)
from grok2api.dialects.tools.listing import MAX_LISTING_CHARS, PlainCall
from grok2api.dialects.tools.output import Output
from grok2api.dialects.tools.rules import Rules
from grok2api.domain.chat import EventBatch
from grok2api.domain.json_mender import JsonMender
from grok2api.domain.json_shape import ANY

STREAM_AFTER_CHARS: Final = 512
"""A call shorter than this is given out when it is whole, so that a malformed one can be text."""

_MARK = re.compile(r"[<\[{`~]")


class ToolSieve:
    """Turns text into `TextDelta` and the events of calls, the same for every split of it.

    No character of what is no call is lost, but for the blanks between text and a call. Nothing
    that comes makes it raise.
    """

    __slots__ = (
        "_buffer",
        "_fences",
        "_grammar",
        "_has_root",
        "_in_code",
        "_is_fenced",
        "_is_quoted",
        "_mender",
        "_name",
        "_open",
        "_rules",
        "_start_at",
        "_step",
        "_used",
        "output",
    )

    def __init__(self, rules: Rules, make_id: Callable[[], str]) -> None:
        self._rules = rules
        self._grammar = rules.grammar
        self.output = Output(make_id, is_parallel=rules.is_parallel)
        self._buffer = ""
        self._used = self._start_at = 0
        self._step: Callable[[bool], bool] = self._scan
        self._mender = JsonMender()
        self._name = ""
        self._fences = 0
        self._is_fenced = self._in_code = self._is_quoted = self._has_root = False

    def feed(self, text: str) -> EventBatch:
        """Take the next piece of text; return what is certain now."""
        self._buffer += text
        while self._step(False):
            pass
        return self.output.take()

    def close(self) -> EventBatch:
        """Take the end of the text; return what is left."""
        while self._step(True):
            pass
        self.output.end()
        return self.output.take()

    def _scan(self, is_final: bool) -> bool:  # noqa: FBT001
        at = self._find_mark()
        self._say(at)
        if not self._buffer:
            return False
        char = self._buffer[0]
        if char == "<":
            return self._weigh_tag(is_final)
        if char in "`~":
            return self._weigh_fence(is_final)
        if self._rules.needs_token or self._is_quoted or self._in_code:
            return self._say(1)
        return self._begin_listing(0)

    def _find_mark(self) -> int:
        """Return where a call may begin: at a tag anywhere, at all else where a line begins."""
        text = self._buffer
        for mark in _MARK.finditer(text):
            at = mark.start()
            line = text.rfind("\n", 0, at)
            is_at_margin = not text[line + 1 : at].strip(" \t") and (
                line >= 0 or self.output.is_at_margin
            )
            if mark[0] == "<" or is_at_margin:
                return at
        return len(text)

    def _weigh_tag(self, is_final: bool) -> bool:  # noqa: FBT001
        if self._is_quoted:
            length = read_root_end(self._buffer, is_final=is_final)
            if length is None:
                return False
            if length:
                self._is_quoted = False
                return self._say(length)
        opening = read_opening(self._buffer, 0, self._grammar)
        if opening is Misfit.FOREIGN:
            self._is_quoted = True
        if opening is Misfit.UNKNOWN and self._may_wait(is_final):
            return False
        if isinstance(opening, Misfit) or not self._is_trusted(opening):
            return self._say(1)
        return self._begin(opening)

    def _is_trusted(self, opening: Opening) -> bool:
        if opening.body_at > MAX_OPENING_CHARS:
            return False
        if opening.has_token:
            self._is_quoted = self._in_code = False
            self._has_root = True
        return self._has_root or not (self._rules.needs_token or self._is_quoted or self._in_code)

    def _may_wait(self, is_final: bool) -> bool:  # noqa: FBT001
        return not is_final and len(self._buffer) < MAX_OPENING_CHARS

    def _weigh_fence(self, is_final: bool) -> bool:  # noqa: FBT001
        """A call may stand in a code block if nothing was said before; else code is code."""
        fence = read_fence(self._buffer, is_final=is_final or not self._may_wait(is_final))
        if fence is None:
            return False
        if not fence.length:
            return self._say(1)
        if self._in_code:
            self._in_code = False
            return self._say(fence.length)
        if not fence.start or self.output.has_text or self._is_quoted:
            return self._quote_code()
        return self._weigh_fenced(fence.start, is_final)

    def _weigh_fenced(self, start: int, is_final: bool) -> bool:  # noqa: FBT001
        if self._buffer[start] != "<":
            self._is_fenced = self._buffer[start] in "[{" and not self._rules.needs_token
            return self._begin_listing(start) if self._is_fenced else self._quote_code()
        opening = read_opening(self._buffer, start, self._grammar)
        if opening is Misfit.UNKNOWN and self._may_wait(is_final):
            return False
        if isinstance(opening, Misfit) or not self._is_trusted(opening):
            return self._quote_code()
        self._is_fenced = True
        return self._begin(opening)

    def _quote_code(self) -> bool:
        self._in_code = True
        self._is_fenced = False
        return self._say(FENCE_CHARS)

    def _say(self, count: int) -> bool:
        self.output.say(self._buffer[:count])
        self._buffer = self._buffer[count:]
        return True

    def _begin(self, opening: Opening) -> bool:
        self._used = self._start_at = opening.body_at
        self._fences = self._buffer[: opening.body_at].count("```")
        self._name = opening.name
        match opening.body:
            case Body.JSON:
                shape = self._rules.catalog.shapes[opening.name] or ANY
                self._mender = JsonMender(shape, stop=opening.stop)
                self._step = self._read_arguments
            case Body.TEXT:
                self._step = self._read_text
            case Body.CALL:
                self._mender = JsonMender(stop=opening.stop)
                self._step = self._read_whole
            case Body.NOTHING:
                is_custom = self._rules.catalog.shapes[opening.name] is None
                return self._give_out([PlainCall(opening.name, "" if is_custom else "{}")])
        return True

    def _begin_listing(self, start: int) -> bool:
        self._used = self._start_at = start
        self._fences = self._buffer[:start].count("```")
        self._mender = JsonMender()
        self._step = self._read_whole
        self._name = ""
        return True

    def _read_arguments(self, is_final: bool) -> bool:  # noqa: FBT001
        mender, output = self._mender, self.output
        self._used += mender.feed(self._buffer[self._used :], is_final=is_final)
        is_long = output.add_arguments(mender.take()) >= STREAM_AFTER_CHARS or output.is_open
        if not is_long and (mender.is_broken or (is_final and mender.quote)):
            return self._give_up()
        if mender.is_broken or (is_final and not mender.is_done):
            mender.finish()
            output.add_arguments(mender.take())
        if mender.is_done:
            output.start(self._name)
            output.finish_call()
            return self._leave_call()
        if is_long:
            output.start(self._name)
            self._cut()
        return False

    def _read_text(self, is_final: bool) -> bool:  # noqa: FBT001
        output = self.output
        found = find_text_end(self._buffer, self._used, is_final=is_final)
        until, end = found.until, found.end
        waiting = output.add_arguments(self._buffer[self._used : until])
        is_long = waiting >= STREAM_AFTER_CHARS or output.is_open
        self._used = until
        if end is None and is_final and not is_long:
            return self._give_up()
        if end is not None or is_final:
            self._used = until if end is None else end
            if not is_long:
                text = output.withdraw_arguments()
                return self._give_out([self._rules.catalog.read_text(self._name, text)])
            output.start(self._name)
            output.finish_call()
            return self._leave_call()
        if is_long:
            output.start(self._name)
            self._cut()
        return False

    def _read_whole(self, is_final: bool) -> bool:  # noqa: FBT001
        """Read JSON that holds name and arguments, of one call or of several."""
        mender, catalog = self._mender, self._rules.catalog
        is_listing = not mender.stop
        if is_listing and not catalog.fits_head(self._buffer[self._start_at :]):
            return self._give_up()
        self._used += mender.feed(self._buffer[self._used :], is_final=is_final)
        is_over = mender.is_done or is_final
        is_hopeless = mender.is_broken or (is_final and mender.quote)
        if is_hopeless or self._used - self._start_at > MAX_LISTING_CHARS:
            return self._give_up()
        if not is_over:
            return False
        text = self._buffer[self._start_at : self._used]
        call = None if is_listing else catalog.read_call(text)
        calls = catalog.read_calls(text) if is_listing else [call] if call else None
        return self._give_out(calls) if calls else self._give_up()

    def _give_out(self, calls: list[PlainCall]) -> bool:
        for call in calls:
            self.output.add_arguments(call.arguments)
            self.output.start(call.name)
            self.output.finish_call()
        return self._leave_call()

    def _give_up(self) -> bool:
        """Take what was held for text; what is in it may still be a call."""
        self.output.withdraw_arguments()
        self._step = self._scan
        return self._quote_code() if self._is_fenced else self._say(1)

    def _leave_call(self) -> bool:
        self._cut()
        self._step = self._read_closing
        self._fences += self._is_fenced and not self._fences
        self._is_fenced = False
        return True

    def _cut(self) -> None:
        self.output.cut(self._used)
        self._buffer = self._buffer[self._used :]
        self._used = 0

    def _read_closing(self, is_final: bool) -> bool:  # noqa: FBT001
        """Pass over what closes a call; then there may be another, or text."""
        closer, length = read_closer(self._buffer, has_fence=self._fences > 0, is_final=is_final)
        if closer is Closer.UNKNOWN:
            return False
        if closer is Closer.NOTHING:
            self._step = self._scan
            return bool(self._buffer)
        self._has_root &= closer is not Closer.ROOT
        self._fences -= closer is Closer.FENCE
        self._used = length
        self._cut()
        return True
