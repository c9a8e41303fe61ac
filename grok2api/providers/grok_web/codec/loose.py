"""Reading decoded JSON that nobody promised: a wrong type is the same as nothing."""

from collections.abc import Mapping
from types import MappingProxyType

Loose = Mapping[str, object]

NOTHING: Loose = MappingProxyType({})
_PERCENT_LIMIT = 1_000_000


def as_mapping(value: object) -> Loose:
    """Return `value` if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else NOTHING


def as_list(value: object) -> list[object]:
    """Return `value` if it is a JSON array, else an empty one."""
    return value if isinstance(value, list) else []


def as_text(value: object) -> str:
    """Return a string as it is, a number as its digits, anything else as nothing."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return ""


def first_text(source: Loose, *names: str) -> str:
    """Return the first member of `source` that holds text."""
    for name in names:
        text = as_text(source.get(name)).strip()
        if text:
            return text
    return ""


def as_percent(value: object) -> int | None:
    """Return a progress between 0 and 100, or None if `value` is no number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not -_PERCENT_LIMIT < value < _PERCENT_LIMIT:
        return None
    return max(0, min(100, int(value)))
