"""Quotes and escapes in the strings of JSON that models write."""

import re
from enum import Enum, auto
from typing import Final

_UP_TO_QUOTE: Final = {
    quote: re.compile(rf"(?:[^\\{quote}]++|\\.)*+", re.DOTALL) for quote in "\"'"
}
_BLANK = re.compile(r"\s*+")
_KEY_FOLLOWS = re.compile(r"[A-Za-z_$][\w$-]*+\s*+(:?)")
_UNICODE = re.compile(r"\\u([0-9A-Fa-f]{4})")
_UNICODE_CHARS: Final = 6
_HIGH: Final = range(0xD800, 0xDC00)
_LOW: Final = range(0xDC00, 0xE000)
_SIMPLE: Final = frozenset('"\\/bfnrt')


class Quote(Enum):
    """What a quote in a string is."""

    END = auto()
    CONTENT = auto()
    UNKNOWN = auto()
    """What decides has not come yet."""


def read_quote(text: str, at: int, *, kind: str, stop: str, is_final: bool) -> Quote:
    """Tell whether the quote at `at` ends its string, by what follows.

    `kind` is where the string stands: ":" a key, "{" a member, "[" an item, "" alone. `stop` is the
    mark behind the whole value, "" for none.
    """
    if not kind:
        return Quote.END
    end = _skip_blank(text, at + 1)
    if end == len(text):
        return Quote.END if is_final else Quote.UNKNOWN
    char = text[end]
    if char == "," and kind == "{":
        return _read_comma(text, end + 1, is_final=is_final)
    if char == "<" and stop and kind != ":":
        return _read_stop(text[end : end + len(stop)], stop, is_final=is_final)
    return Quote.END if char in (":" if kind == ":" else ",}]") else Quote.CONTENT


def _read_stop(rest: str, stop: str, *, is_final: bool) -> Quote:
    if rest == stop:
        return Quote.END
    return Quote.UNKNOWN if stop.startswith(rest) and not is_final else Quote.CONTENT


def _read_comma(text: str, at: int, *, is_final: bool) -> Quote:
    """After a member comes a key: a comma before anything else belongs to a sentence."""
    end = _skip_blank(text, at)
    if end == len(text):
        return Quote.END if is_final else Quote.UNKNOWN
    if text[end] in "\"'}],":
        return Quote.END
    key = _KEY_FOLLOWS.match(text, end)
    if key is None:
        return Quote.CONTENT
    if not key[1] and key.end() == len(text):
        return Quote.END if is_final else Quote.UNKNOWN
    return Quote.END if key[1] else Quote.CONTENT


class QuoteSearch:
    """Finds the quote that closes a string, from marks in it; what was looked at is not again.

    `base` counts the characters before the text that is looked at.
    """

    __slots__ = ("_closed_at", "_seen", "base")

    def __init__(self) -> None:
        self.base = self._seen = self._closed_at = 0

    def is_inside(self, at: int) -> bool:
        """Whether `at` is known to stand in a string that closes."""
        return self.base + at < self._closed_at

    def find(self, text: str, at: int, quote: str) -> int | None:
        """Return where the next `quote` from `at` on stands that is not escaped; None: not yet."""
        start = max(at, self._seen - self.base)
        found = _UP_TO_QUOTE[quote].match(text, start)
        end = found.end() if found else start
        self._seen = self.base + end
        return end if text[end : end + 1] == quote else None

    def close(self) -> None:
        """Take what was found last for the end of the string."""
        self._closed_at = self._seen


def mend_escape(text: str, at: int, *, is_final: bool) -> tuple[str, int]:
    """Return a valid escape for the one at `at`, and how many characters it was; 0: wait."""
    if at + 1 == len(text):
        return ("\\\\", 1) if is_final else ("", 0)
    char = text[at + 1]
    if char in _SIMPLE:
        return text[at : at + 2], 2
    if char == "'":
        return "'", 2
    if char == "u":
        return _mend_unicode(text, at, is_final=is_final)
    # Anything else, such as the \d of a regular expression: a backslash, and then that.
    return "\\\\", 1


def _mend_unicode(text: str, at: int, *, is_final: bool) -> tuple[str, int]:
    found = _UNICODE.match(text, at)
    if found is None:
        is_cut = len(text) - at < _UNICODE_CHARS and not is_final
        return ("", 0) if is_cut else ("\\\\", 1)
    code = int(found[1], 16)
    if code in _LOW:
        return "\\ufffd", _UNICODE_CHARS
    if code not in _HIGH:
        return found[0], _UNICODE_CHARS
    if len(text) - at < 2 * _UNICODE_CHARS and not is_final:
        return "", 0
    second = _UNICODE.match(text, at + _UNICODE_CHARS)
    if second is not None and int(second[1], 16) in _LOW:
        return found[0] + second[0], 2 * _UNICODE_CHARS
    return "\\ufffd", _UNICODE_CHARS


def _skip_blank(text: str, at: int) -> int:
    blank = _BLANK.match(text, at)
    return blank.end() if blank else at
