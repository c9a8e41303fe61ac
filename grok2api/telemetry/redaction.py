"""Keeps secrets out of log lines: by the name of a key, and by the shape of a text."""

import re
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

REDACTED = "[redacted]"
MAX_TEXT_CHARS = 8192
MAX_ITEMS = 64
MAX_DEPTH = 6

_SECRET_NAMES = re.compile(
    r"authorization|cookie|token|secret|passw|api[-_]?key|app[-_]?key|sso|private|credential|session",
    re.IGNORECASE,
)
_PUBLIC_NAMES = frozenset(
    {
        "cached_tokens",
        "input_tokens",
        "max_tokens",
        "output_tokens",
        "reasoning_tokens",
        "session_id",
        "token_type",
        "total_tokens",
    }
)
_SECRET_SHAPES = re.compile(
    r"(?:sk|gw|xai|ghp|pk)-[A-Za-z0-9_\-]{12,}"  # API keys
    r"|eyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}(?:\.[A-Za-z0-9_\-]+)?"  # JSON web tokens
    r"|\bbearer\s+[^\s\"',;]{6,}"
    r"|\bbasic\s+[A-Za-z0-9+/=]{8,}"
    # Cookies and headers, in every notation: a=b, a: b, "a": "b"
    r"|\b(?:sso(?:-rw)?|cf_clearance|sessionid|__cf_bm|x-(?:api-key|statsig-id)"
    r"|(?:access|refresh|id)_token|(?:api|app)[-_]key|client_secret|password)"
    r"[\"']?\s*[=:]\s*[\"']?[^;,\s\"']{4,}"
    r"|(?<=://)[^/\s:@]*:[^/\s]+(?=@)"  # user:password@ in URLs (Redis, proxies)
    r"|[?&](?:key|token|sig|view|secret)=[^&\s\"']+",
    re.IGNORECASE,
)

_BREAKS = " \t\r\n\"';,<>{}()[]"
_LONGEST_WORD = 2048


def redact_text(text: str) -> str:
    """Return `text` without what looks like a secret, of a long one only beginning and end."""
    if len(text) <= MAX_TEXT_CHARS:
        return _SECRET_SHAPES.sub(REDACTED, text)
    # Cut first, so that a huge text costs no more than a long one. The cut may halve a secret or
    # part it from its name, and so hide its shape: what it goes through goes too, and what touches
    # it. The end of a traceback says what went wrong.
    half = MAX_TEXT_CHARS // 2
    end, start = _around(text, half)[0], _around(text, len(text) - half)[1]
    head, tail = _without_last_word(text[:end]), _without_half_word(text, start)
    head, tail = (_SECRET_SHAPES.sub(REDACTED, part) for part in (head, tail))
    return f"{head}…[{len(text)} characters]…{tail}"


def _around(text: str, place: int) -> tuple[int, int]:
    """Return where the secret that a place lies in begins and ends; the place, if in none."""
    near = (max(0, place - _LONGEST_WORD), place + _LONGEST_WORD)
    for found in _SECRET_SHAPES.finditer(text, *near):
        if found.start() < place < found.end():
            return found.span()
    return place, place


def _without_last_word(text: str) -> str:
    last = max(map(text.rfind, _BREAKS))
    return text[: max(last + 1, len(text) - _LONGEST_WORD)]


def _without_half_word(text: str, start: int) -> str:
    """Return `text` from `start`, or from the end of the word that this is in."""
    if start and text[start - 1] in _BREAKS:
        return text[start:]
    word = text[start : start + _LONGEST_WORD]
    found = [place for mark in _BREAKS if (place := word.find(mark)) >= 0]
    return text[start + min([*found, _LONGEST_WORD]) :]


def redact(value: Any, depth: int = 0) -> Any:
    """Return a copy of `value` that is safe to write down."""
    if isinstance(value, str):
        return redact_text(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{len(value)} bytes>"
    if isinstance(value, Mapping | list | tuple | set | frozenset):
        return _redact_items(value, depth) if depth < MAX_DEPTH else "…"
    try:
        return redact_text(str(value))
    except Exception:  # noqa: BLE001 - a line with less is better than a request that fails
        return f"<{type(value).__name__}>"


def _redact_items(value: Mapping[Any, Any] | Iterable[Any], depth: int) -> Any:
    if isinstance(value, Mapping):
        named = islice(value.items(), MAX_ITEMS)
        return {str(name): _redact_named(str(name), item, depth) for name, item in named}
    return [redact(item, depth + 1) for item in islice(value, MAX_ITEMS)]


def _redact_named(name: str, value: Any, depth: int) -> Any:
    if isinstance(value, bool | int | float) or value is None:
        return value
    if name not in _PUBLIC_NAMES and _SECRET_NAMES.search(name):
        return REDACTED
    return redact(value, depth + 1)
