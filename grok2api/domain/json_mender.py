"""JSON as models write it, made valid while it comes.

What is valid stays as it is, but for blanks between values. Mended are: raw line ends and wrong
escapes in strings, quotes that were not escaped, single quotes, bare keys and words, commas too
many or too few, brackets that were left open; and, where the schema says so, numbers, booleans and
whole values that were given as strings, or the other way round.
"""

import re
from enum import Enum, auto
from typing import Final

import msgspec

from grok2api.domain.json_quotes import Quote, QuoteSearch, mend_escape, read_quote
from grok2api.domain.json_shape import ANY, Shape
from grok2api.domain.json_values import mend_bare, mend_string
from grok2api.domain.json_writer import JsonWriter

MAX_DEPTH: Final = 128

_BLANK = re.compile(r"\s*+")
# What needs no thought in a string: all but quotes, escapes, control characters and `<`.
_PLAIN = re.compile(r"[^\"'\\\x00-\x1f<]*+")
_BARE = re.compile(r"[^\s,\]}:\"'{\[<]++")
_BARE_KEY = re.compile(r"[A-Za-z_$][\w$-]*+")


class _Need(Enum):
    """What may come next."""

    VALUE = auto()
    KEY = auto()
    COLON = auto()
    COMMA = auto()


class JsonMender:
    """Takes text in which a JSON value begins, gives out valid JSON as soon as it is certain.

    `stop` is a mark that ends the value wherever it was left open. `is_done` says that the value is
    whole, `is_broken` that it cannot be mended; `finish` makes even that valid. `quote` is what the
    string that is open ends with, "" for none.
    """

    __slots__ = (
        "_held",
        "_need",
        "_search",
        "_writer",
        "is_broken",
        "is_done",
        "quote",
        "stop",
    )

    def __init__(self, shape: Shape = ANY, *, stop: str = "") -> None:
        self.stop = stop
        self._writer = JsonWriter(shape)
        self._need = _Need.VALUE
        self.quote = ""
        self._held: list[str] | None = None
        self._search = QuoteSearch()
        self.is_done = False
        self.is_broken = False

    def feed(self, text: str, *, is_final: bool = False) -> int:
        """Take `text` and return how much of it was used.

        The rest has to come again, with what follows. `is_final`: nothing follows.
        """
        at = 0
        while at < len(text) and not self.is_done and not self.is_broken:
            use = self._take_string if self.quote else self._take_between
            after = use(text, at, is_final)
            if after == at:
                break
            at = after
        self._search.base += at
        return at

    def take(self) -> str:
        """Return what has become certain since the last call."""
        return self._writer.take()

    def finish(self) -> None:
        """Close whatever is open."""
        if self.quote:
            self._close_string()
        self._writer.close_all()
        self.is_done = True

    # -- between strings

    def _take_between(self, text: str, at: int, is_final: bool) -> int:  # noqa: FBT001
        blank = _BLANK.match(text, at)
        start = blank.end() if blank else at
        if start == len(text):
            return start
        char = text[start]
        if char == "<" and self.stop:
            return self._meet_mark(text, start, is_final)
        match self._need:
            case _Need.VALUE:
                return self._take_value(text, start, is_final)
            case _Need.KEY:
                return self._take_key(text, start, is_final)
            case _Need.COLON:
                self._need = _Need.VALUE
                self.is_broken = char != ":"
                return start + 1
            case _Need.COMMA:
                return self._take_comma(text, start, is_final)

    def _meet_mark(self, text: str, at: int, is_final: bool) -> int:  # noqa: FBT001
        rest = text[at : at + len(self.stop)]
        if rest == self.stop:
            self.finish()
        elif is_final or not self.stop.startswith(rest):
            self.is_broken = True
        return at

    def _take_value(self, text: str, at: int, is_final: bool) -> int:  # noqa: FBT001
        char = text[at]
        if char in "{[":
            self._writer.open(char)
            self._need = _Need.KEY if char == "{" else _Need.VALUE
            self.is_broken = self._writer.depth > MAX_DEPTH
        elif char in "\"'":
            self.quote = char
            types = self._writer.value_shape().types()
            if types and "string" not in types:
                self._held = []
            else:
                self._writer.write_value('"')
        elif char in "]}":
            return self._take_end(char, at)
        elif char == "," and self._writer.kind and self._writer.key is None:
            pass
        else:
            return self._take_bare(text, at, is_final)
        return at + 1

    def _take_bare(self, text: str, at: int, is_final: bool) -> int:  # noqa: FBT001
        bare = _BARE.match(text, at)
        if bare is None:
            self.is_broken = True
            return at
        if bare.end() == len(text) and not is_final:
            return at
        value = mend_bare(bare[0], self._writer.value_shape().types())
        if value is None:
            self.is_broken = True
            return at
        self._writer.write_value(value)
        self._end_value()
        return bare.end()

    def _take_key(self, text: str, at: int, is_final: bool) -> int:  # noqa: FBT001
        char = text[at]
        if char in "\"'":
            self.quote = char
            self._held = []
            return at + 1
        if char in "]}":
            return self._take_end(char, at)
        if char == ",":
            return at + 1
        bare = _BARE_KEY.match(text, at)
        if bare is None:
            self.is_broken = True
            return at
        if bare.end() == len(text) and not is_final:
            return at
        self._writer.key = bare[0]
        self._need = _Need.COLON
        return bare.end()

    def _take_comma(self, text: str, at: int, is_final: bool) -> int:  # noqa: FBT001
        if text[at] in "]}":
            return self._take_end(text[at], at)
        self._writer.has_comma = True
        self._need = _Need.KEY if self._writer.kind == "{" else _Need.VALUE
        # Anything else is what a comma is missing before.
        return at + 1 if text[at] == "," else self._take_between(text, at, is_final)

    def _take_end(self, char: str, at: int) -> int:
        if not self._writer.close(char):
            self.is_broken = True
            return at
        self._end_value()
        return at + 1

    # -- strings

    def _take_string(self, text: str, at: int, is_final: bool) -> int:  # noqa: FBT001
        plain = _PLAIN.match(text, at)
        if plain and plain.end() > at:
            self._put(plain[0])
            return plain.end()
        char = text[at]
        if char == "\\":
            mended, used = mend_escape(text, at, is_final=is_final)
            self._put(mended)
            return at + used
        if char == self.quote:
            return self._meet_quote(text, at, is_final)
        if char == "<" and self.stop:
            return self._meet_mark_in_string(text, at, is_final)
        self._put(msgspec.json.encode(char).decode()[1:-1])
        return at + 1

    def _meet_quote(self, text: str, at: int, is_final: bool) -> int:  # noqa: FBT001
        match self._read_quote(text, at, is_final):
            case Quote.END:
                self._close_string()
            case Quote.CONTENT:
                self._put('\\"' if self.quote == '"' else "'")
            case Quote.UNKNOWN:
                return at
        return at + 1

    def _read_quote(self, text: str, at: int, is_final: bool) -> Quote:  # noqa: FBT001
        """Tell whether the quote at `at` ends the string. In valid JSON every one does."""
        kind = self._writer.kind
        return read_quote(
            text,
            at,
            kind=":" if self._need is _Need.KEY else kind,
            stop=self.stop,
            is_final=is_final,
        )

    def _meet_mark_in_string(self, text: str, at: int, is_final: bool) -> int:  # noqa: FBT001
        """Tell a mark that is content from one behind a string that was left open."""
        rest = text[at : at + len(self.stop)]
        if not self.stop.startswith(rest) or (is_final and rest != self.stop):
            self._put("<")
            return at + 1
        if rest != self.stop:
            return at
        if self._search.is_inside(at):
            self._put("<")
            return at + 1
        quote_at = self._search.find(text, at, self.quote)
        verdict = Quote.UNKNOWN if quote_at is None else self._read_quote(text, quote_at, is_final)
        if verdict is Quote.END:
            self._search.close()
            self._put("<")
            return at + 1
        if verdict is Quote.CONTENT or is_final:
            self.finish()
        return at

    def _put(self, text: str) -> None:
        if self._held is None:
            self._writer.write(text)
        else:
            self._held.append(text)

    def _close_string(self) -> None:
        self.quote = ""
        if self._held is None:
            self._writer.write('"')
            self._end_value()
            return
        content = f'"{"".join(self._held)}"'
        self._held = None
        if self._need is _Need.KEY:
            self._writer.key = msgspec.json.decode(content)
            self._need = _Need.COLON
            return
        shape, text = self._writer.value_shape(), msgspec.json.decode(content)
        value = mend_string(text, shape.types()) or _mend_inner(text, shape)
        self._writer.write_value(content if value is None else value)
        self._end_value()

    def _end_value(self) -> None:
        self._need = _Need.COMMA
        self.is_done = not self._writer.kind


def mend_json(text: str, shape: Shape = ANY) -> str | None:
    """Return the JSON value that `text` begins with, made valid; None if there is none."""
    mender = JsonMender(shape)
    mender.feed(text, is_final=True)
    if mender.is_broken or not text.strip():
        return None
    if not mender.is_done:
        mender.finish()
    return mender.take() or None


def _mend_inner(text: str, shape: Shape) -> str | None:
    """Return an object or array that was given as a string; None: the schema wants neither."""
    start, types = text.lstrip()[:1], shape.types()
    if (start == "{" and "object" in types) or (start == "[" and "array" in types):
        return mend_json(text, shape)
    return None
