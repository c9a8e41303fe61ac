"""A client key as administrative routes show it, and as they take changes of it."""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from grok2api.domain.admission import KeyUse, Used
from grok2api.domain.client_key import Budget, ClientKey, KeyLimits
from grok2api.domain.ids import ClientKeyId
from grok2api.errors import InvalidRequestError
from grok2api.services.key_changes import KeyChanges

MAX_MOMENT_MS: Final = 253_402_300_799_000
"""The end of the year 9999."""

Texts = Annotated[list[str], Meta(max_length=1000)]
_LIMITS: Final = KeyLimits.__struct_fields__


class LimitsView(Struct, frozen=True, kw_only=True):
    """What a key may use at most; 0: no limit."""

    requests_per_minute: int
    tokens_per_minute: int
    concurrency: int
    day: Used
    week: Used
    month: Used


class KeyView(Struct, frozen=True, kw_only=True):
    """A client key; of the key itself only a hint. Times are ms since epoch.

    `use` is what it uses of its limits now. A key of `source` `settings` is changed there.
    """

    id: ClientKeyId
    name: str
    hint: str
    source: Literal["store", "settings"]
    state: Literal["active", "disabled", "expired"]
    enabled: bool
    created_at: int | None
    expires_at: int | None
    weight: int
    tags: tuple[str, ...]
    models: tuple[str, ...]
    networks: tuple[str, ...]
    limits: LimitsView
    use: KeyUse


class NewKeyView(KeyView, frozen=True, kw_only=True):
    """A key that was made just now: the only time that it is shown itself."""

    key: str


class BudgetBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A budget; it replaces the one there was."""

    requests: int = 0
    tokens: int = 0
    units: int = 0


class LimitsBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Limits that are to be others."""

    requests_per_minute: int | UnsetType = UNSET
    tokens_per_minute: int | UnsetType = UNSET
    concurrency: int | UnsetType = UNSET
    day: BudgetBody | UnsetType = UNSET
    week: BudgetBody | UnsetType = UNSET
    month: BudgetBody | UnsetType = UNSET


class KeyBody(Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be different; what is not named stays. `expires_at` null: never."""

    name: str | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    weight: int | UnsetType = UNSET
    tags: Texts | UnsetType = UNSET
    expires_at: Annotated[int, Meta(ge=0, le=MAX_MOMENT_MS)] | UnsetType | None = UNSET
    models: Texts | UnsetType = UNSET
    networks: Texts | UnsetType = UNSET
    limits: LimitsBody | UnsetType = UNSET


def read_changes(body: KeyBody) -> KeyChanges:
    """Return the changes that a body asks for."""
    given: dict[str, object] = {
        "name": body.name,
        "is_enabled": body.enabled,
        "weight": body.weight,
        **{
            name: value if isinstance(value, UnsetType) else tuple(value)
            for name, value in (
                ("tags", body.tags),
                ("models", body.models),
                ("networks", body.networks),
            )
        },
    }
    if not isinstance(body.expires_at, UnsetType):
        given["expires_at_s"] = (body.expires_at or 0) / 1000
    if not isinstance(body.limits, UnsetType):
        for name in _LIMITS:
            value = getattr(body.limits, name)
            given[name] = (
                Budget(requests=value.requests, tokens=value.tokens, units=value.units)
                if isinstance(value, BudgetBody)
                else value
            )
    return KeyChanges(**{name: value for name, value in given.items() if value is not UNSET})  # type: ignore[arg-type]


def name_field(error: InvalidRequestError) -> InvalidRequestError:
    """Return the error with the name that its field has in bodies."""
    first, dot, rest = (error.param or "").partition(".")
    known = {"is_enabled": "enabled", "expires_at_s": "expires_at"}
    named = f"limits.{first}" if first in _LIMITS else known.get(first, first)
    return InvalidRequestError(
        error.message, param=f"{named}{dot}{rest}" or None, code=error.code or "invalid_value"
    )


def show_key(key: ClientKey, use: KeyUse, *, is_configured: bool, now_s: float) -> KeyView:
    """Return what is shown of a key."""
    is_expired = bool(key.expires_at_s) and key.expires_at_s <= now_s
    limits = key.limits
    return KeyView(
        id=key.id,
        name=key.name,
        hint=key.hint,
        source="settings" if is_configured else "store",
        state="disabled" if not key.is_enabled else "expired" if is_expired else "active",
        enabled=key.is_enabled,
        created_at=round(key.created_at_s * 1000) or None,
        expires_at=round(key.expires_at_s * 1000) or None,
        weight=key.weight,
        tags=key.tags,
        models=key.models,
        networks=key.networks,
        limits=LimitsView(
            requests_per_minute=limits.requests_per_minute,
            tokens_per_minute=limits.tokens_per_minute,
            concurrency=limits.concurrency,
            day=_show_budget(limits.day),
            week=_show_budget(limits.week),
            month=_show_budget(limits.month),
        ),
        use=use,
    )


def show_new_key(view: KeyView, plain: str) -> NewKeyView:
    """Return what is shown of a key that was made just now."""
    return NewKeyView(**msgspec.structs.asdict(view), key=plain)


def _show_budget(budget: Budget) -> Used:
    return Used(budget.requests, budget.tokens, budget.units)
