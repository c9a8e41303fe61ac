"""Admission: what a call takes of its client key's limits, and what is left of them."""

from enum import StrEnum

from msgspec import Struct

from grok2api.domain.ids import CallId


class LimitState(Struct, frozen=True):
    """One limit of a key, right after a call was admitted or refused.

    `resets_in_s` is when it is whole again if nothing more is taken.
    """

    limit: int
    remaining: int
    resets_in_s: float


class Admission(Struct, frozen=True, kw_only=True):
    """A call that was let in. `call_id` is "" where nothing was taken that could be given back.

    `requests` and `tokens` are the limits per minute, None where the key has none.
    """

    call_id: CallId
    requests: LimitState | None = None
    tokens: LimitState | None = None


class Refusal(Struct, frozen=True, kw_only=True):
    """A call that was not let in; nothing was taken.

    `which` says more of a budget ("tokens a day"). Had nothing else come, the call would be let in
    `retry_after_s` later; None: never, it needs more than the whole limit.
    """

    limit: "LimitName"
    which: str = ""
    retry_after_s: float | None
    requests: LimitState | None = None
    tokens: LimitState | None = None


class Used(Struct, frozen=True):
    """What calls took in some time, those under way included with what was reserved for them."""

    requests: int = 0
    tokens: int = 0
    units: int = 0


class KeyUse(Struct, frozen=True, kw_only=True):
    """What a client key uses of its limits now. Units are not counted by the minute."""

    open_calls: int = 0
    minute: Used = Used()
    day: Used = Used()
    week: Used = Used()
    month: Used = Used()


class LimitName(StrEnum):
    """The names of limits, as refusals and logs say them."""

    REQUESTS_PER_MINUTE = "requests_per_minute"
    TOKENS_PER_MINUTE = "tokens_per_minute"
    CONCURRENCY = "concurrency"
    BUDGET = "budget"
