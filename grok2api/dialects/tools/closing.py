"""How a call ends: what closes it, read from text that is still coming."""

import re
from enum import Enum, auto

from msgspec import Struct

_ROOT_END = re.compile(r"</(?:tool_calls|function_calls)\s*>")
_ROOT_END_BEGUN = re.compile(r"<(?:/[a-z_]{0,20}\s*)?\Z")
_CLOSER = re.compile(
    r"\s*(?:</(?:parameters|arguments|input|tool_call|function_call|invoke)\s*>|\]\]>)"
)
_OUTER_CLOSER = re.compile(rf"\s*{_ROOT_END.pattern}")
_FENCE_CLOSER = re.compile(r"\s*(?:```|~~~)")
_CLOSER_BEGUN = re.compile(r"\s*(?:<(?:/[a-z_]{0,20}\s*)?|\]{1,2}|`{1,2}|~{1,2})?\Z")
_TEXT_END = re.compile(
    r"\r?\n?</(?:input|parameters|arguments)\s*>\s*</(?:tool_call|function_call)>"
)
_TEXT_END_BEGUN = re.compile(
    r"\r?\n?(?:<(?:/(?:[a-z_]{1,10}\s*(?:>\s*(?:<(?:/[a-z_]{0,13})?)?)?)?)?)?\Z"
)


class Closer(Enum):
    """What closes a call, or something around it."""

    CALL = auto()
    ROOT = auto()
    FENCE = auto()
    NOTHING = auto()
    """Something else follows."""
    UNKNOWN = auto()
    """What decides has not come yet."""


class TextEnd(Struct, frozen=True):
    """The text of a custom tool goes on up to `until` for certain; behind its end is `end`."""

    until: int
    end: int | None = None


def read_closer(text: str, *, has_fence: bool, is_final: bool) -> tuple[Closer, int]:
    """Return what `text` begins with, and its length."""
    if found := _CLOSER.match(text):
        return Closer.CALL, found.end()
    if found := _OUTER_CLOSER.match(text):
        return Closer.ROOT, found.end()
    if has_fence and (found := _FENCE_CLOSER.match(text)):
        return Closer.FENCE, found.end()
    if _CLOSER_BEGUN.match(text) and not is_final:
        return Closer.UNKNOWN, 0
    return Closer.NOTHING, 0


def read_root_end(text: str, *, is_final: bool) -> int | None:
    """Return how long the end of a root is that `text` begins with; None: wait; 0: it is none."""
    if found := _ROOT_END.match(text):
        return found.end()
    return None if _ROOT_END_BEGUN.match(text) and not is_final else 0


def find_text_end(text: str, at: int, *, is_final: bool) -> TextEnd:
    """Find the end of a custom tool's text, from `at` on."""
    if found := _TEXT_END.search(text, at):
        return TextEnd(found.start(), found.end())
    begun = None if is_final else _TEXT_END_BEGUN.search(text, at)
    return TextEnd(begun.start() if begun else len(text))
