"""JSON written piece by piece, with commas and keys that wait for the value they belong to."""

import msgspec

from grok2api.domain.json_shape import Shape

_ENDS = {"{": "}", "[": "]"}


class JsonWriter:
    """Holds what is written, what is open, and the shapes of what is open.

    `key` is the name of the member whose value comes next; `has_comma`: a comma belongs before it.
    A key or comma that no value follows is never written.
    """

    __slots__ = ("_levels", "_out", "_shape", "has_comma", "key")

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._levels: list[tuple[str, Shape]] = []
        self._out: list[str] = []
        self.key: str | None = None
        self.has_comma = False

    @property
    def kind(self) -> str:
        """What is open: "{", "[" or nothing."""
        return self._levels[-1][0] if self._levels else ""

    @property
    def depth(self) -> int:
        return len(self._levels)

    def value_shape(self) -> Shape:
        """Return the shape of the next value."""
        if not self._levels:
            return self._shape
        kind, shape = self._levels[-1]
        return shape.item() if kind == "[" else shape.member(self.key or "")

    def begin_value(self) -> None:
        """Write what belongs before a value."""
        if self.has_comma:
            self._out.append(",")
            self.has_comma = False
        if self.key is not None:
            self._out.append(msgspec.json.encode(self.key).decode() + ":")
            self.key = None

    def write(self, text: str) -> None:
        """Write valid JSON, or a piece of it."""
        self._out.append(text)

    def write_value(self, text: str) -> None:
        """Write a whole value."""
        self.begin_value()
        self._out.append(text)

    def open(self, kind: str) -> None:
        """Begin an object or array."""
        shape = self.value_shape()
        self.write_value(kind)
        self._levels.append((kind, shape))

    def close(self, end: str) -> bool:
        """Close up to what `end` closes; False: there is no such thing."""
        if end not in (_ENDS[kind] for kind, _ in self._levels):
            return False
        self.key = None
        self.has_comma = False
        while self._levels:
            written = _ENDS[self._levels.pop()[0]]
            self._out.append(written)
            if written == end:
                break
        return True

    def close_all(self) -> None:
        """Close all that is open."""
        while self._levels:
            self._out.append(_ENDS[self._levels.pop()[0]])

    def take(self) -> str:
        """Return what was written since the last call."""
        out = "".join(self._out)
        self._out.clear()
        return out
