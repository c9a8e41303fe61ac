"""One account as this gateway's export, its older versions or other gateways write it down.

Values may be JSON, or texts as Redis and SQLite keep them; what is not named here stays behind.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

import msgspec
from msgspec import Struct

from grok2api.domain.account import Credentials, ProviderKind, Status, Tier
from grok2api.providers.base import ImportEntry, ImportFinding, ImportRefusal, ImportSkip
from grok2api.providers.grok_web.quota_records import read_windows

MAX_TAGS: Final = 32
MAX_TAG_CHARS: Final = 64
MAX_REASON_CHARS: Final = 200

Parse = Callable[[str], Credentials]

_TOKEN_NAMES: Final = ("token", "sso", "session")
_TIER_NAMES: Final = ("tier", "pool")
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
_UNKNOWN_STATUS: Final = (
    "It names a status that is not known; use active, cooling, exhausted, expired or disabled."
)
_UNKNOWN_KIND: Final = "It is of a kind that this release does not know."
_NO_SESSION: Final = "It holds no session; export it again with --with-secrets."
_NO_TEXT: Final = "It is not a text."
MAX_LIMIT: Final = 1000
_NOTHING: Final = ("", "None", "null", "0")
_REASON_WORD: Final = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_IMPORTED: Final = "imported"
_MILLISECONDS_FROM: Final = 100_000_000_000
"""Numbers from here on are milliseconds since epoch: as seconds they would be the year 5138."""
_YEAR_2100_S: Final = 4_102_444_800.0


class _State(Struct, frozen=True):
    """What the source says about whether the account may be used."""

    status: Status
    reason: str = ""
    until_s: float = 0.0


def is_record(value: Mapping[str, object]) -> bool:
    """Whether an object of a JSON file is an account, not a list of pools."""
    return any(name in value for name in _TOKEN_NAMES) or ("id" in value and "mask" in value)


def read_record(
    line: int, record: Mapping[str, object], parse: Parse, *, pool: str = ""
) -> ImportFinding:
    """Read one account; `pool` is its tier's name where the record has none."""
    if str(record.get("deleted_at") or "") not in _NOTHING:
        return ImportSkip(line)
    try:
        state = _read_state(record)
        return ImportEntry(
            line,
            _read_credentials(record, parse),
            _read_tier(record, pool),
            _read_tags(record.get("tags")),
            status=state.status,
            reason=state.reason,
            until_s=state.until_s,
            created_at_s=_read_moment_s(record.get("created_at")),
            max_concurrency=_read_limit(record.get("max_concurrency")),
            windows=read_windows(_read_extra(record.get("quota")), _read_moment_s),
        )
    except ValueError as error:
        return ImportRefusal(line, str(error))


def _read_credentials(record: Mapping[str, object], parse: Parse) -> Credentials:
    if record.get("kind", ProviderKind.GROK_WEB.value) != ProviderKind.GROK_WEB.value:
        raise ValueError(_UNKNOWN_KIND)
    token = next((record[name] for name in _TOKEN_NAMES if record.get(name)), "")
    cookies = record.get("cookies") or ""
    if not (isinstance(token, str) and isinstance(cookies, str)):
        raise ValueError(_NO_TEXT)  # noqa: TRY004 -- what was imported is wrong, not the caller
    if not token and "mask" in record:
        raise ValueError(_NO_SESSION)
    found = parse(token)
    return parse(f"sso={found.session}; {cookies}") if cookies else found


def _read_tier(record: Mapping[str, object], pool: str) -> Tier | None:
    named = next((record[name] for name in _TIER_NAMES if record.get(name)), pool)
    key = named.lower().replace("-", "").replace("_", "") if isinstance(named, str) else "?"
    if key not in _TIERS:
        raise ValueError(_UNKNOWN_TIER)
    return _TIERS[key]


def _read_state(record: Mapping[str, object]) -> _State:
    word = record.get("status") or Status.ACTIVE.value
    try:
        status = Status(word.lower() if isinstance(word, str) else "?")
    except ValueError:
        raise ValueError(_UNKNOWN_STATUS) from None
    if status is Status.ACTIVE:
        return _State(status)
    until_s = 0.0
    if status in {Status.COOLING, Status.EXHAUSTED}:
        until = record.get("until") or _read_extra(record.get("ext")).get("cooldown_until")
        until_s = _read_moment_s(until) or 0.0
        if not until_s:
            return _State(Status.ACTIVE)  # nobody says until when: the upstream will
    return _State(status, _read_reason(record), until_s)


def _read_reason(record: Mapping[str, object]) -> str:
    own = record.get("reason")
    if isinstance(own, str) and own.isprintable():
        return own[:MAX_REASON_CHARS]
    foreign = record.get("state_reason")
    # Anything but a word may be a whole error body.
    is_word = isinstance(foreign, str) and _REASON_WORD.fullmatch(foreign)
    return str(foreign) if is_word else _IMPORTED


def _read_limit(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MAX_LIMIT:
        return value
    return None


def _read_extra(value: object) -> Mapping[str, object]:
    found = _decode_text(value) if isinstance(value, str) else value
    return found if isinstance(found, dict) else {}


def _read_tags(value: object) -> tuple[str, ...]:
    given = value
    if isinstance(value, str):
        given = _decode_text(value) if value.lstrip().startswith("[") else value.split(",")
    if not isinstance(given, list):
        return ()
    texts = (tag.strip()[:MAX_TAG_CHARS].strip() for tag in given if isinstance(tag, str))
    return tuple(dict.fromkeys(tag for tag in texts if tag and tag.isprintable()))[:MAX_TAGS]


def _read_moment_s(value: object) -> float | None:
    """Return seconds since epoch of an ISO 8601 text, or of a number of seconds or milliseconds."""
    if isinstance(value, str):
        number = _decode_text(value) if value.isdecimal() else _parse_iso(value)
    else:
        number = value
    if isinstance(number, bool) or not isinstance(number, int | float):
        return None
    seconds = number / 1000 if _MILLISECONDS_FROM <= number < _YEAR_2100_S * 1000 else number
    return float(seconds) if 0 <= seconds < _YEAR_2100_S else None


def _parse_iso(text: str) -> float | None:
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
    except (ValueError, OverflowError):
        return None


def _decode_text(text: str) -> object:
    try:
        value: object = msgspec.json.decode(text)
    except (ValueError, RecursionError):
        return None
    return value
