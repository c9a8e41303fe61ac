"""Files of credentials: lists, and the JSON that other gateways export.

JSON may be a string, an object (`{"token": …}` or `{"sso": …}`, with `tier` or `pool`, `tags`), a
list of both, or an object that holds such lists by pool.
"""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

import msgspec
from msgspec import Struct

from grok2api.domain.account import Credentials, Tier
from grok2api.providers.base import ImportEntry, ImportRefusal

MAX_TAGS: Final = 32
MAX_TAG_CHARS: Final = 64

_TOKEN_NAMES: Final = ("token", "sso", "session")
_TIER_NAMES: Final = ("tier", "pool")
_LIST_NAMES: Final = frozenset({"accounts", "tokens", "items", "data"})
_TIERS: Final[Mapping[str, Tier | None]] = MappingProxyType(
    {
        "": None,
        "auto": None,
        "basic": Tier.BASIC,
        "ssobasic": Tier.BASIC,
        "super": Tier.SUPER,
        "ssosuper": Tier.SUPER,
        "heavy": Tier.HEAVY,
        "ssoheavy": Tier.HEAVY,
    }
)
_UNKNOWN_TIER: Final = "It names a tier that is not known; use basic, super or heavy."
_PUNCTUATION: Final = "[]{}, \t"
_MAX_DEPTH: Final = 6

Parse = Callable[[str], Credentials]


class _Item(Struct):
    """Something that should be a credential. `pool` is the name of the list it stands in."""

    value: object
    pool: str = ""


def read_import(text: str, parse: Parse) -> list[ImportEntry | ImportRefusal]:
    """Read a file; `line` counts its lines, or the items of a JSON file, from 1.

    A credential that stands twice is refused the second time.
    """
    found = _decode(text)
    numbered = (
        _number_lines(text)
        if found is None
        else list(enumerate(_flatten(found, "", _MAX_DEPTH), start=1))
    )
    results: list[ImportEntry | ImportRefusal] = []
    first_seen: dict[str, int] = {}
    for number, item in numbered:
        result = _read_item(number, item, parse)
        if isinstance(result, ImportEntry):
            first = first_seen.setdefault(result.credentials.session, number)
            if first != number:
                result = ImportRefusal(number, f"It is the same as number {first}.")
        results.append(result)
    return results


def _decode(text: str) -> object | None:
    plain = text.strip("\ufeff \t\r\n")
    if not plain.startswith(("[", "{", '"')):
        return None
    try:
        value: object = msgspec.json.decode(plain)
    except (ValueError, RecursionError):
        return None
    return value


def _number_lines(text: str) -> list[tuple[int, _Item]]:
    numbered = []
    for number, line in enumerate(text.splitlines(), start=1):
        plain = line.strip("\ufeff \t")
        if plain.startswith("#") or not plain.strip(_PUNCTUATION):
            continue
        found = _decode(plain) if plain.startswith("{") else None
        value = found if isinstance(found, dict) else plain
        numbered.append((number, _Item(value)))
    return numbered


def _flatten(value: object, pool: str, depth: int) -> Iterator[_Item]:
    """Yield the credentials in decoded JSON, with the name of the pool they stand under."""
    if isinstance(value, list) and depth:
        for inner in value:
            yield from _flatten(inner, pool, depth - 1)
    elif isinstance(value, dict) and depth and not any(name in value for name in _TOKEN_NAMES):
        for name, inner in value.items():
            is_list_name = name.lower() in _LIST_NAMES
            yield from _flatten(inner, pool if is_list_name else name, depth - 1)
    else:
        yield _Item(value, pool)


def _read_item(number: int, item: _Item, parse: Parse) -> ImportEntry | ImportRefusal:
    record = item.value if isinstance(item.value, dict) else {"token": item.value}
    token = next((record[name] for name in _TOKEN_NAMES if record.get(name)), "")
    if not isinstance(token, str):
        return ImportRefusal(number, "It is not a text.")
    named = next((record[name] for name in _TIER_NAMES if record.get(name)), item.pool)
    key = named.lower().replace("-", "").replace("_", "") if isinstance(named, str) else "?"
    if key not in _TIERS:
        return ImportRefusal(number, _UNKNOWN_TIER)
    try:
        credentials = parse(token)
    except ValueError as error:
        return ImportRefusal(number, str(error))
    return ImportEntry(number, credentials, _TIERS[key], _read_tags(record.get("tags")))


def _read_tags(value: object) -> tuple[str, ...]:
    given = value.split(",") if isinstance(value, str) else value
    if not isinstance(given, list):
        return ()
    tags = [tag.strip()[:MAX_TAG_CHARS] for tag in given if isinstance(tag, str) and tag.strip()]
    return tuple(dict.fromkeys(tags))[:MAX_TAGS]
