"""Words and numbers as models write them, as JSON."""

import re
from typing import Final

import msgspec

_WORD = re.compile(r"[^\W\d][\w.-]*+")
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?", re.ASCII)
_INTEGER = re.compile(r"-?(?:0|[1-9]\d*)", re.ASCII)
_WORDS: Final = (
    dict.fromkeys(("true", "True", "TRUE"), "true")
    | dict.fromkeys(("false", "False", "FALSE"), "false")
    | dict.fromkeys(("null", "None", "undefined", "NaN", "Infinity"), "null")
)


def mend_bare(text: str, types: frozenset[str]) -> str | None:
    """Return a word or number outside quotes as JSON; None: it is neither."""
    value = _WORDS.get(text)
    if value is None:
        value = _mend_number(text)
    if value is None:
        return msgspec.json.encode(text).decode() if _WORD.fullmatch(text) else None
    if types == {"string"} and value != "null":
        return f'"{value}"'
    return value


def _mend_number(text: str) -> str | None:
    if _NUMBER.fullmatch(text):
        return text
    try:
        number = float(text)
    except ValueError:
        return None
    mended = msgspec.json.encode(number).decode()
    return None if mended == "null" else mended


def mend_string(text: str, types: frozenset[str]) -> str | None:
    """Return what a string stands for where the schema wants no string; None: nothing known."""
    bare = text.strip()
    if "number" in types and _NUMBER.fullmatch(bare):
        return bare
    if "integer" in types and _INTEGER.fullmatch(bare):
        return bare
    if "boolean" in types and bare.lower() in ("true", "false"):
        return bare.lower()
    if "null" in types and bare.lower() in ("null", "none", ""):
        return "null"
    return None
