"""Files of credentials: lists, and the JSON that gateways export.

JSON may be a string, a record (see `records`), a list of both, an object that holds such lists by
pool, or such an object inside another. Records may also stand one a line.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec
from msgspec import Struct

from grok2api.providers.base import ImportFinding, ImportRefusal
from grok2api.providers.grok_web.records import Parse, is_record, read_record

EXPORT_VERSION: Final = 1
"""The version of our own export that this release reads."""

_LIST_NAMES: Final = frozenset({"accounts", "tokens", "items", "data"})
_PUNCTUATION: Final = "[]{}, \t"
_ENDS: Final = {"[": "]", "{": "}"}
_BLANK: Final = "\ufeff \t\r\n"
_MAX_DEPTH: Final = 6


class _Item(Struct):
    """Something that should be a credential. `pool` is the name of the list it stands in."""

    value: object
    pool: str = ""


def read_import(text: str, parse: Parse) -> list[ImportFinding]:
    """Read a file; `line` counts its lines, or the items of a JSON file, from 1.

    Of a JSON file that is cut off or damaged nothing is taken: a token may be cut off too, and the
    pool that it stands in is not sure.
    """
    plain = text.strip(_BLANK)
    if plain[:1] in _ENDS and plain[-1] != _ENDS[plain[0]]:
        return [ImportRefusal(1, f"The JSON is cut off: it begins with {plain[0]} and never ends.")]
    found = _decode(plain)
    if found is None and plain[:1] in _ENDS and not _is_list_of_lines(plain):
        return [ImportRefusal(1, "The JSON is damaged; nothing of it was taken.")]
    if isinstance(found, dict) and _is_of_another_version(found):
        why = f"The export has a version that this release cannot read; it reads {EXPORT_VERSION}."
        return [ImportRefusal(1, why)]
    numbered: Iterable[tuple[int, _Item]]
    if found is None:
        numbered = _number_lines(text)
    else:
        numbered = enumerate(_flatten(found, "", _MAX_DEPTH), start=1)
    return [_read_item(number, item, parse) for number, item in numbered]


def _decode(plain: str) -> object | None:
    if not plain.startswith(("[", "{", '"')):
        return None
    try:
        value: object = msgspec.json.decode(plain)
    except (ValueError, RecursionError):
        return None
    return value


def _is_list_of_lines(plain: str) -> bool:
    """Whether it is an object a line, or tokens in brackets with a comma too many."""
    if plain.startswith("["):
        return "{" not in plain and plain.strip(_PUNCTUATION) != ""
    return isinstance(_decode(plain.partition("\n")[0]), dict)


def _is_of_another_version(found: dict[str, object]) -> bool:
    version = found.get("version")
    return type(version) is int and version != EXPORT_VERSION and "accounts" in found


def _number_lines(text: str) -> Iterator[tuple[int, _Item]]:
    for number, line in enumerate(text.splitlines(), start=1):
        plain = line.strip("\ufeff \t")
        if plain.startswith("#") or not plain.strip(_PUNCTUATION):
            continue
        found = _decode(plain) if plain.startswith("{") else None
        yield number, _Item(found if isinstance(found, dict) else plain)


def _flatten(value: object, pool: str, depth: int) -> Iterator[_Item]:
    """Yield the credentials in decoded JSON, with the name of the pool they stand under."""
    if isinstance(value, list) and depth:
        for inner in value:
            yield from _flatten(inner, pool, depth - 1)
    elif isinstance(value, dict) and depth and not is_record(value):
        has_list = any(name.lower() in _LIST_NAMES for name in value)
        for name, inner in value.items():
            is_list_name = name.lower() in _LIST_NAMES
            if has_list and not is_list_name and not isinstance(inner, list | dict):
                continue  # "version", "status" and the like, beside the list
            yield from _flatten(inner, pool if is_list_name else name, depth - 1)
    else:
        yield _Item(value, pool)


def _read_item(number: int, item: _Item, parse: Parse) -> ImportFinding:
    record = item.value if isinstance(item.value, dict) else {"token": item.value}
    return read_record(number, record, parse, pool=item.pool)
