"""Server-Sent Events: an incremental parser, and what our own streams are made of."""

from msgspec import Struct

DONE = b"data: [DONE]\n\n"
"""How OpenAI chat streams end."""
KEEP_ALIVE = b": keep-alive\n\n"
"""A comment: clients skip it, proxies see that the stream lives."""

_BOM = b"\xef\xbb\xbf"


class SSETooLargeError(ValueError):
    """One event is larger than allowed."""


class SSEEvent(Struct, frozen=True):
    """One event. `id` is the last id seen in the stream, as the standard has it."""

    event: str
    data: str
    id: str = ""


def format_event(data: bytes, event: str = "", *, event_id: str = "") -> bytes:
    """Frame `data`, which must hold no line break (JSON as we encode it has none)."""
    name = b"event: %b\n" % event.encode() if event else b""
    mark = b"id: %b\n" % event_id.encode() if event_id else b""
    return b"%b%bdata: %b\n\n" % (mark, name, data)


class SSEParser:
    """Feed it bytes in any split; it returns the events they complete.

    Lines may end in CR, LF or CRLF. Comments and unknown fields are skipped, as is an event that
    never ends.
    """

    __slots__ = (
        "_data",
        "_event",
        "_has_begun",
        "_id",
        "_is_after_cr",
        "_limit_bytes",
        "_line",
        "_size_bytes",
    )

    def __init__(self, limit_bytes: int = 8 << 20) -> None:
        self._limit_bytes = limit_bytes
        self._line = bytearray()
        self._data: list[str] = []
        self._event = ""
        self._id = ""
        self._size_bytes = 0
        self._is_after_cr = False
        self._has_begun = False

    def feed(self, chunk: bytes) -> list[SSEEvent]:
        """Take the next bytes and return the events that are complete now.

        Raises:
            SSETooLargeError: an event exceeds the limit; the parser is of no use any more.
        """
        if not self._has_begun:
            chunk = self._skip_bom(chunk)
        if self._is_after_cr and chunk:
            self._is_after_cr = False
            chunk = chunk.removeprefix(b"\n")
        if b"\r" in chunk:
            self._is_after_cr = chunk.endswith(b"\r")
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        first, *others = chunk.split(b"\n")
        self._line += first
        events: list[SSEEvent] = []
        for start in others:
            self._take_line(bytes(self._line), events)
            self._line = bytearray(start)
        if self._size_bytes + len(self._line) > self._limit_bytes:
            raise SSETooLargeError
        return events

    def _skip_bom(self, chunk: bytes) -> bytes:
        start = bytes(self._line) + chunk
        self._line.clear()
        self._has_begun = not (len(start) < len(_BOM) and _BOM.startswith(start))
        if not self._has_begun:
            self._line += start
            return b""
        return start.removeprefix(_BOM)

    def _take_line(self, line: bytes, events: list[SSEEvent]) -> None:
        if not line:
            if self._data:
                data = "\n".join(self._data)
                events.append(SSEEvent(self._event or "message", data, self._id))
            self._data, self._event, self._size_bytes = [], "", 0
            return
        name, _, raw = line.partition(b":")
        value = raw.removeprefix(b" ").decode("utf-8", "replace")
        match name:
            case b"data":
                self._data.append(value)
                self._size_bytes += len(line)
                if self._size_bytes > self._limit_bytes:
                    raise SSETooLargeError
            case b"event":
                self._event = value
            case b"id" if "\0" not in value:
                self._id = value
            case _:
                pass
