"""What scripts of `lua/account` are given as one argument, msgpack: names are the scripts' own.

Times are ms, as everywhere below this line.
"""

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

from grok2api.domain.account import Mode, Pool, Tier
from grok2api.domain.quota import PLANS, Plan, QuotaReport, Source, Window
from grok2api.domain.selection import SelectionPolicy, Wish
from grok2api.store import keys

_ENCODER = msgspec.msgpack.Encoder()


class AcquireRequest(Struct, frozen=True):
    """What `acquire` needs to know; it keeps it as it is while the request waits."""

    lease_id: str
    pools: Sequence[str]
    modes: Sequence[str]
    units: int
    tags: Sequence[str]
    exclude: Sequence[str]
    session: str
    starts_session: bool
    key: str
    weight: int
    strategy: str
    limit: int
    ttl_ms: int
    session_ttl_ms: int
    wait_ms: int
    max_waiting: int
    max_waiting_per_key: int
    demand_ms: int


class ReleaseRequest(Struct, frozen=True):
    """How a lease ended; `include/apply_outcome.lua` says what each outcome does."""

    outcome: str
    is_used: bool
    is_suspicious: bool
    cooldown_ms: int
    base_ms: int
    max_ms: int
    reason: str


class WindowDraft(Struct, frozen=True, omit_defaults=True):
    """A window as an account is made with; without `total` nobody knows what is left.

    `once`: `total` is only what was left when it was told; at the window's end nobody knows more.
    """

    length: int
    left: int | None = None
    total: int | None = None
    source: str | None = None
    once: bool = False
    at: int | None = None
    reset: int | None = None


class AccountDraft(Struct, frozen=True):
    """A new account. `limit` 0 is the general one."""

    pool: str
    mask: str
    made_ms: int
    tags: Sequence[str]
    status: str
    cooldown_ms: int
    reason: str
    limit: int
    windows: Mapping[str, WindowDraft]


class AccountEdit(Struct, frozen=True):
    """Changes to an account. `limit` -1 stays, 0 is the general one; `pool` "" stays."""

    add_tags: Sequence[str] = ()
    remove_tags: Sequence[str] = ()
    is_all_tags: bool = False
    limit: int = -1
    pool: str = ""
    windows: Mapping[str, WindowDraft] = {}


class SyncReading(Struct, frozen=True):
    """What the upstream says of one window."""

    mode: str
    left: int
    total: int | None
    length: int
    resets_in_ms: int


class SyncCredits(Struct, frozen=True):
    """What the upstream says of the weekly allowance."""

    left: int
    total: int
    resets_in_ms: int


class SyncRequest(Struct, frozen=True, omit_defaults=True):
    """A quota report. `pool` "" where no tier is proven; `plan` are the windows of that pool.

    `unmetered` are modes of which nobody knows a number now.
    """

    pool: str
    may_demote: bool
    is_revival: bool
    plan: Mapping[str, WindowDraft]
    readings: Sequence[SyncReading]
    unmetered: Sequence[str]
    next_in_ms: int
    credits: SyncCredits | None = None


def pack(request: Struct) -> bytes:
    """Return what a script unpacks."""
    return _ENCODER.encode(request)


def build_acquire(wish: Wish, policy: SelectionPolicy, lease_id: str) -> AcquireRequest:
    """Return a request for an account."""
    return AcquireRequest(
        lease_id=lease_id,
        pools=[keys.pool_name(pool) for pool in wish.pools],
        modes=[mode.value for mode in wish.modes],
        units=wish.units,
        tags=wish.tags,
        exclude=wish.exclude,
        session=wish.session if policy.session_ttl_s > 0 else "",
        starts_session=wish.starts_session,
        key=wish.key or "-",
        weight=wish.weight,
        strategy=policy.strategy.value,
        limit=policy.max_concurrency,
        ttl_ms=to_ms(policy.lease_ttl_s),
        session_ttl_ms=to_ms(policy.session_ttl_s),
        wait_ms=to_ms(policy.wait_s),
        max_waiting=policy.max_waiting,
        max_waiting_per_key=policy.max_waiting_per_key,
        demand_ms=to_ms(policy.demand_interval_s),
    )


def plan_windows(
    tier: Tier, known: Mapping[Mode, Window] | None = None, now_ms: int = 0
) -> dict[str, WindowDraft]:
    """Return the windows that an account of a tier begins with; `known` ones are taken over."""
    return {
        mode.value: _draft_window(plan, (known or {}).get(mode), now_ms)
        for mode, plan in PLANS[tier].items()
    }


def build_sync(
    report: QuotaReport,
    pool: Pool | None,
    *,
    may_demote: bool,
    is_revival: bool,
    next_in_s: float,
) -> SyncRequest:
    """Return a quota report; `pool` is where the proven tier belongs, None where none is."""
    credits_ = report.credits
    return SyncRequest(
        pool=keys.pool_name(pool) if pool else "",
        may_demote=may_demote,
        is_revival=is_revival,
        plan=plan_windows(pool.tier) if pool else {},
        readings=[
            SyncReading(r.mode.value, r.remaining, r.total, r.length_s, to_ms(r.resets_in_s))
            for r in report.readings
        ],
        unmetered=[mode.value for mode in report.unmetered],
        next_in_ms=to_ms(next_in_s),
        credits=SyncCredits(credits_.remaining, credits_.total, to_ms(credits_.resets_in_s))
        if credits_
        else None,
    )


def to_ms(seconds: float) -> int:
    """Return seconds as whole milliseconds."""
    return round(seconds * 1000)


def _draft_window(plan: Plan, known: Window | None, now_ms: int) -> WindowDraft:
    if known is None or (known.reset_at_s and to_ms(known.reset_at_s) <= now_ms):
        if plan.total is None:
            return WindowDraft(plan.length_s)
        return WindowDraft(plan.length_s, plan.total, plan.total, Source.DEFAULT.value)
    if not known.is_known or (known.total is None and not known.reset_at_s):
        return WindowDraft(known.length_s)
    return WindowDraft(
        length=known.length_s,
        left=known.remaining,
        total=known.remaining if known.total is None else known.total,
        source=known.source.value,
        once=known.total is None,
        at=to_ms(known.synced_at_s) or None,
        reset=to_ms(known.reset_at_s) or None,
    )
