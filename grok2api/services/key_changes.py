"""Changes to client keys: checked as a whole before anything of them is stored."""

from collections.abc import Callable, Collection, Iterable
from functools import partial
from typing import Any, Final

import msgspec
from msgspec import UNSET, Struct, UnsetType

from grok2api.config.networks import read_network
from grok2api.domain.client_key import MAX_WEIGHT, Budget, ClientKey
from grok2api.errors import InvalidRequestError
from grok2api.services.account_actions import clean_tags
from grok2api.services.key_rules import matches_model

MAX_NAME_CHARS: Final = 100
MAX_RULES: Final = 100
"""Models and networks of one key."""
MAX_LIMIT: Final = 1_000_000_000_000
_LATEST_S: Final = 253_402_300_799.0
"""The end of the year 9999."""
_ANYTHING = "*"
_OF_KEY = ("name", "is_enabled", "weight", "tags", "expires_at_s", "models", "networks")
_OF_LIMITS = ("requests_per_minute", "tokens_per_minute", "concurrency", "day", "week", "month")


class KeyChanges(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What shall be different; what is not named stays. 0 and empty: no limit, as in `ClientKey`.

    A budget is replaced as a whole.
    """

    name: str | UnsetType = UNSET
    is_enabled: bool | UnsetType = UNSET
    weight: int | UnsetType = UNSET
    tags: tuple[str, ...] | UnsetType = UNSET
    expires_at_s: float | UnsetType = UNSET
    models: tuple[str, ...] | UnsetType = UNSET
    networks: tuple[str, ...] | UnsetType = UNSET
    requests_per_minute: int | UnsetType = UNSET
    tokens_per_minute: int | UnsetType = UNSET
    concurrency: int | UnsetType = UNSET
    day: Budget | UnsetType = UNSET
    week: Budget | UnsetType = UNSET
    month: Budget | UnsetType = UNSET


UNCHANGED: Final = KeyChanges()


def check_changes(changes: KeyChanges, *, models: Collection[str], now_s: float) -> KeyChanges:
    """Return `changes` in their usual form: names trimmed, networks as such, nothing twice.

    Raises:
        InvalidRequestError: a value does not hold; `param` names its field.
    """
    checks: dict[str, Callable[[Any], Any]] = {
        "name": _check_name,
        "weight": _check_weight,
        "tags": clean_tags,
        "expires_at_s": partial(_check_expiry, now_s=now_s),
        "models": partial(_check_models, models=models),
        "networks": lambda given: _check_all(map(_parse_network, given), "networks"),
        **{name: partial(_check_limit, param=name) for name in _OF_LIMITS},
    }
    given = _named(changes, checks)
    return msgspec.structs.replace(changes, **{name: checks[name](given[name]) for name in given})


def apply_changes(key: ClientKey, changes: KeyChanges) -> ClientKey:
    """Return `key` with checked changes."""
    limits = msgspec.structs.replace(key.limits, **_named(changes, _OF_LIMITS))
    return msgspec.structs.replace(key, limits=limits, **_named(changes, _OF_KEY))


def _named(changes: KeyChanges, names: Iterable[str]) -> dict[str, Any]:
    given = {name: getattr(changes, name) for name in names}
    return {name: value for name, value in given.items() if value is not UNSET}


def _check_limit(value: int | Budget, param: str) -> int | Budget:
    if isinstance(value, Budget):
        for part in value.__struct_fields__:
            _check_limit(getattr(value, part), f"{param}.{part}")
    elif not 0 <= value <= MAX_LIMIT:
        raise _wrong(param, f"'{param}' is a number from 0 (no limit) to {MAX_LIMIT}.")
    return value


def _check_weight(weight: int) -> int:
    if not 1 <= weight <= MAX_WEIGHT:
        raise _wrong("weight", f"A weight is a number from 1 to {MAX_WEIGHT}.")
    return weight


def _check_name(given: str) -> str:
    name = given.strip()
    if not (name and name.isprintable() and len(name) <= MAX_NAME_CHARS):
        raise _wrong("name", f"A name has 1 to {MAX_NAME_CHARS} printable characters.")
    return name


def _check_expiry(expires_at_s: float, now_s: float) -> float:
    if expires_at_s != 0 and not now_s < expires_at_s <= _LATEST_S:
        raise _wrong("expires_at_s", "A key expires at a time to come; 0: never.")
    return expires_at_s


def _check_all(rules: Iterable[str], param: str) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(rules))
    if len(found) > MAX_RULES:
        raise _wrong(param, f"More than {MAX_RULES} {param} are too many.")
    return found


def _check_models(rules: tuple[str, ...], models: Collection[str]) -> tuple[str, ...]:
    for rule in rules:
        if not rule.endswith(_ANYTHING) and not any(matches_model(name, rule) for name in models):
            raise _wrong(
                "models",
                f"'{rule[:80]}' is no model here; `GET /v1/models` lists them, "
                "and a name that ends in * stands for all that begin so.",
            )
    return _check_all(rules, "models")


def _parse_network(text: str) -> str:
    try:
        return str(read_network(text.strip()))
    except ValueError:
        raise _wrong(
            "networks", f"'{text[:80]}' is no network such as 10.0.0.0/8 or 2001:db8::/32."
        ) from None


def _wrong(param: str, message: str) -> InvalidRequestError:
    return InvalidRequestError(message, param=param, code="invalid_value")
