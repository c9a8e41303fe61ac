"""How a call begins: the forms in which models write one, read from text that is still coming.

The form that the prompt asks for is

    <tool_calls token="…">
      <tool_call>
        <tool_name>look_up</tool_name>
        <parameters>{"order": "A-17"}</parameters>
      </tool_call>
    </tool_calls>

Understood as well: a call without its root, `<name>`, `<arguments>` and `<input>`, an object with
name and arguments inside the call, `<function_call>`, and `<invoke name="…">` with JSON in it.
"""

import re
from collections.abc import Collection
from enum import Enum, auto
from typing import Final

from msgspec import Struct

MAX_OPENING_CHARS: Final = 1024
"""More than this never stands before the arguments of a call."""

ROOTS: Final = ("tool_calls", "function_calls")
CALLS: Final = ("tool_call", "function_call", "invoke")
FENCE_CHARS: Final = 3
_NAMES: Final = ("tool_name", "name")
_BODIES: Final = ("parameters", "arguments", "input")
_KNOWN: Final = ROOTS + CALLS + _NAMES + _BODIES

_ATTRIBUTE = r"""\s+[a-z_]{1,20}\s*=\s*(?:"[^"<>]{0,200}"|'[^'<>]{0,200}')"""
_TAG = re.compile(rf"<(/?)([a-z_]{{1,20}})((?:{_ATTRIBUTE}){{0,8}})\s*>")
_TAG_BEGUN = re.compile(r"<(/?[a-z_]{0,20})(\s[^<>]{0,2000})?\Z")
_ATTRIBUTES = re.compile(r"""([a-z_]{1,20})\s*=\s*(?:"([^"]*)"|'([^']*)')""")
_NAME = re.compile(r"\s*([\w.:/-]{1,128})\s*</(?:tool_name|name)\s*>")
_NAME_BEGUN = re.compile(r"\s*[\w.:/-]{0,128}\s*(?:<(?:/[a-z_]{0,20}\s*)?)?\Z")
_WRAPPER = re.compile(r"\s*(?:```[\w-]{0,16}\s|<!\[CDATA\[)?\s*")
_WRAPPERS_BEGUN = ("```", "<![CDATA[")
_FENCE = re.compile(r"(?:```|~~~)[\w-]{0,16}[ \t]*\r?\n\s*(?=\S)")
_FENCE_BEGUN = re.compile(r"(?:`{1,2}|~{1,2}|(?:```|~~~)[\w-]{0,16}[ \t]*(?:\r?\n\s*|\r)?)\Z")
_BLANK = re.compile(r"\s*")
_LINE_END = re.compile(r"[ \t]*\r?\n")
_LINE_END_BEGUN = re.compile(r"[ \t]*\r?\Z")


class Body(Enum):
    """What follows an opening."""

    JSON = auto()
    """The arguments."""
    TEXT = auto()
    """The free text of a custom tool, up to the end of the call."""
    CALL = auto()
    """An object that holds name and arguments."""
    NOTHING = auto()
    """The end of a call without arguments."""


class Opening(Struct, frozen=True):
    """The beginning of a call. `body_at` is where its body begins; `stop` is what ends the body.

    `has_token`: it stands in a root that carries this request's token.
    """

    body: Body
    body_at: int
    name: str = ""
    stop: str = ""
    has_token: bool = False


class Misfit(Enum):
    """Why there is no opening."""

    TEXT = auto()
    """It is something else."""
    UNKNOWN = auto()
    """What decides has not come yet."""
    FOREIGN = auto()
    """A root with the token of another conversation: a quotation."""


class Tag(Struct, frozen=True):
    """A tag with what follows it."""

    name: str
    is_closing: bool
    attributes: dict[str, str]
    end: int


class Fence(Struct, frozen=True):
    """The mark of a code block: its length, 0 if there is none; and where the code begins, or 0."""

    length: int
    start: int = 0


class Grammar(Struct, frozen=True):
    """What is a call in this request: the names that may be called, and the token of its roots."""

    names: Collection[str]
    custom: Collection[str] = ()
    token: str = ""


def read_opening(text: str, at: int, grammar: Grammar) -> Opening | Misfit:
    """Read the opening of a call at `at`, where a `<` stands."""
    tag = _read_tag(text, at)
    has_token = False
    if isinstance(tag, Tag) and tag.name in ROOTS and not tag.is_closing:
        token = tag.attributes.get("token", "")
        if token and token != grammar.token:
            return Misfit.FOREIGN
        has_token = bool(token)
        tag = _read_tag(text, tag.end)
    if isinstance(tag, Misfit):
        return tag
    if tag.is_closing or tag.name not in CALLS:
        return Misfit.TEXT
    if tag.name == "invoke":
        return _read_invoke(text, tag, grammar, has_token=has_token)
    opening = _read_call(text, tag, grammar)
    if isinstance(opening, Misfit):
        return opening
    return Opening(opening.body, opening.body_at, opening.name, opening.stop, has_token)


def read_fence(text: str, *, is_final: bool) -> Fence | None:
    """Read the mark of a code block that `text` may begin with; None: more has to come."""
    found = _FENCE.match(text)
    if found is None and _FENCE_BEGUN.match(text) and not is_final:
        return None
    if text[:FENCE_CHARS] not in ("```", "~~~"):
        return Fence(0)
    is_near = found is not None and found.end() <= MAX_OPENING_CHARS
    return Fence(FENCE_CHARS, found.end() if found and is_near else 0)


def _read_invoke(text: str, tag: Tag, grammar: Grammar, *, has_token: bool) -> Opening | Misfit:
    name = tag.attributes.get("name", "")
    if name not in grammar.names:
        return Misfit.TEXT
    return _read_body(text, tag.end, name, "</invoke>", has_token=has_token)


def _read_call(text: str, call: Tag, grammar: Grammar) -> Opening | Misfit:
    stop = f"</{call.name}>"
    start = _skip_wrapper(text, call.end)
    if start is None:
        return Misfit.UNKNOWN
    if text[start] == "{":
        return Opening(Body.CALL, start, stop=stop)
    tag = _read_tag(text, start)
    if isinstance(tag, Misfit):
        return tag
    if tag.is_closing or tag.name not in _NAMES:
        return Misfit.TEXT
    return _read_named(text, tag.end, call, grammar)


def _read_named(text: str, at: int, call: Tag, grammar: Grammar) -> Opening | Misfit:
    found = _NAME.match(text, at)
    if found is None:
        return Misfit.UNKNOWN if _NAME_BEGUN.match(text, at) else Misfit.TEXT
    name = found[1]
    if name not in grammar.names:
        return Misfit.TEXT
    return _read_arguments(text, found.end(), name, call, is_custom=name in grammar.custom)


def _read_arguments(
    text: str, at: int, name: str, call: Tag, *, is_custom: bool
) -> Opening | Misfit:
    tag = _read_tag(text, at)
    if isinstance(tag, Misfit):
        return tag
    if tag.is_closing and tag.name == call.name:
        return Opening(Body.NOTHING, at, name)
    if tag.is_closing or tag.name not in _BODIES:
        return Misfit.TEXT
    if is_custom:
        return _read_text_body(text, tag.end, name)
    return _read_body(text, tag.end, name, f"</{tag.name}>", has_token=False)


def _read_text_body(text: str, at: int, name: str) -> Opening | Misfit:
    if _LINE_END_BEGUN.match(text, at):
        return Misfit.UNKNOWN
    line_end = _LINE_END.match(text, at)
    return Opening(Body.TEXT, line_end.end() if line_end else at, name)


def _read_body(text: str, at: int, name: str, stop: str, *, has_token: bool) -> Opening | Misfit:
    start = _skip_wrapper(text, at)
    if start is None:
        return Misfit.UNKNOWN
    if text[start] == "{":
        return Opening(Body.JSON, start, name, stop, has_token)
    rest = text[start : start + len(stop)]
    if rest == stop:
        return Opening(Body.NOTHING, start, name, stop, has_token)
    return Misfit.UNKNOWN if stop.startswith(rest) else Misfit.TEXT


def _skip_wrapper(text: str, at: int) -> int | None:
    """Skip blanks and what code is wrapped in; None: more has to come."""
    wrapper = _WRAPPER.match(text, at)
    start = wrapper.end() if wrapper else at
    rest = text[start : start + 32]
    is_begun = any(w.startswith(rest) or rest.startswith(w) for w in _WRAPPERS_BEGUN)
    return None if is_begun and start + len(rest) == len(text) else start


def _read_tag(text: str, at: int) -> Tag | Misfit:
    blank = _BLANK.match(text, at)
    start = blank.end() if blank else at
    if start == len(text):
        return Misfit.UNKNOWN
    tag = _TAG.match(text, start)
    if tag is not None:
        attributes = {name: a or b for name, a, b in _ATTRIBUTES.findall(tag[3])}
        return Tag(tag[2], bool(tag[1]), attributes, tag.end())
    begun = _TAG_BEGUN.match(text, start)
    if begun is None:
        return Misfit.TEXT
    name = begun[1].lstrip("/")
    fits = name in _KNOWN if begun[2] else any(known.startswith(name) for known in _KNOWN)
    return Misfit.UNKNOWN if fits else Misfit.TEXT
