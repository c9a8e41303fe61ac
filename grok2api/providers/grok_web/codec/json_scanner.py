"""Finding JSON objects in a byte stream, however they are separated.

Objects may stand one per line, behind `data:`, or back to back; what is outside of them is skipped.
What comes out does not depend on how the bytes were cut.
"""

import re
from collections.abc import Callable
from typing import Final, Generic, TypeVar

MAX_OBJECT_BYTES: Final = 8 * 1024 * 1024

_END_MARK: Final = b"[DONE]"
_OUTSIDE_STRING = re.compile(rb'["{}]')
_INSIDE_STRING = re.compile(rb'["\\]')

T = TypeVar("T")


class JsonScanner(Generic[T]):
    """Cuts a byte stream into JSON objects and decodes them.

    `has_end_mark` says that `[DONE]` stood outside of every object, `is_too_large` that an object
    exceeded the limit; after either nothing more comes out. `malformed` counts the objects that
    `decode` refused.

    Args:
        decode: turns one object into a value; raises ValueError if it is not understood.
        limit_bytes: how large an object may be.
    """

    __slots__ = (
        "_at",
        "_decode",
        "_depth",
        "_in_string",
        "_limit",
        "_object",
        "_outside",
        "has_end_mark",
        "is_too_large",
        "malformed",
    )

    def __init__(
        self, decode: Callable[[bytes], T], *, limit_bytes: int = MAX_OBJECT_BYTES
    ) -> None:
        self._decode = decode
        self._limit = limit_bytes
        self._object = bytearray()
        self._at = 0
        self._depth = 0
        self._in_string = False
        self._outside = b""
        self.has_end_mark = False
        self.is_too_large = False
        self.malformed = 0

    @property
    def is_inside(self) -> bool:
        """Whether the bytes so far end inside an object."""
        return self._depth > 0

    def feed(self, data: bytes) -> list[T]:
        """Return the objects that `data` completes."""
        found: list[T] = []
        position = self._continue(data, found) if self._depth else 0
        size = len(data)
        while position < size and not (self.is_too_large or self.has_end_mark):
            start = data.find(b"{", position)
            self._look_outside(data[position : start if start >= 0 else size])
            if start < 0 or self.has_end_mark:
                break
            position = self._take_line(data, start, found) or self._begin(data, start, found)
        return found

    def _take_line(self, data: bytes, start: int, found: list[T]) -> int:
        """Take an object that fills its line, the usual case; return where it ended, or 0."""
        end = data.find(b"\n", start)
        if end < 0 or end - start > self._limit:
            return 0
        try:
            value = self._decode(data[start:end])
        except (ValueError, RecursionError):
            return 0
        found.append(value)
        return end

    def _begin(self, data: bytes, start: int, found: list[T]) -> int:
        self._object = bytearray()
        self._at = 0
        self._depth = 0
        self._in_string = False
        return start + self._continue(data[start:], found)

    def _continue(self, data: bytes, found: list[T]) -> int:
        """Go on with an object that has begun; return how much of `data` belongs to it."""
        before = len(self._object)
        self._object += data
        end = self._find_end()
        if (end or len(self._object)) > self._limit:
            self.is_too_large = True
            self._depth = 0
            self._object = bytearray()
            return len(data)
        if not end:
            return len(data)
        try:
            found.append(self._decode(bytes(self._object[:end])))
        except (ValueError, RecursionError):
            self.malformed += 1
        self._object = bytearray()
        return end - before

    def _find_end(self) -> int:
        """Return where the object ends, or 0 if it has not ended yet; remembers where it looked."""
        text, at = self._object, self._at
        while True:
            pattern = _INSIDE_STRING if self._in_string else _OUTSIDE_STRING
            match = pattern.search(text, at)
            if match is None:
                self._at = len(text)
                return 0
            at = match.end()
            mark = text[at - 1]
            if mark == 0x22:  # noqa: PLR2004 - a quotation mark
                self._in_string = not self._in_string
            elif mark == 0x5C:  # noqa: PLR2004 - a backslash hides the next character
                if at == len(text):
                    self._at = at - 1
                    return 0
                at += 1
            else:
                self._depth += 1 if mark == 0x7B else -1  # noqa: PLR2004 - an opening brace
                if self._depth == 0:
                    self._at = at
                    return at

    def _look_outside(self, skipped: bytes) -> None:
        if skipped == b"\n" or not skipped:
            self._outside = b""
            return
        seen = self._outside + skipped
        self.has_end_mark = _END_MARK in seen
        self._outside = seen[-(len(_END_MARK) - 1) :]
