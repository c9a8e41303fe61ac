"""An account as administrative routes show it: its session never is, only a hint of it."""

from collections.abc import Collection

from msgspec import Struct

from grok2api.clock import Clock
from grok2api.domain.account import Mode, Status, Tier
from grok2api.domain.ids import AccountId
from grok2api.domain.pool_member import Account
from grok2api.domain.quota import Source, Window


class WindowView(Struct, frozen=True):
    """What is left of a mode. `total` is null where nobody knows it."""

    remaining: int
    total: int | None
    length_s: int
    reset_at: int | None
    synced_at: int | None
    source: Source
    is_stale: bool
    held: int
    rests_until: int | None


class CreditsView(Struct, frozen=True):
    """The weekly allowance, in hundredths of a percent."""

    remaining: int
    total: int
    reset_at: int


class TokenView(Struct, frozen=True, kw_only=True):
    """An account. Times are ms since epoch, null where there is none; `token` is a hint."""

    id: AccountId
    token: str
    pool: Tier
    status: Status
    reason: str
    since: int | None
    until: int | None
    tags: tuple[str, ...]
    quota: dict[Mode, WindowView]
    credits: CreditsView | None
    use_count: int
    fail_count: int
    last_used_at: int | None
    last_fail_at: int | None
    last_fault: str
    strikes: int
    on_trial: bool
    open: int
    max_concurrency: int | None
    created_at: int
    synced_at: int | None
    user_id: str


def show_account(account: Account, stale: Collection[Mode], clock: Clock) -> TokenView:
    """Return what is shown of an account; `stale` are the modes whose numbers are old."""
    found = account.credits
    return TokenView(
        id=account.id,
        token=account.mask,
        pool=account.pool.tier,
        status=account.status,
        reason=account.reason,
        since=_moment(account.since_s),
        until=_moment(account.until_s),
        tags=account.tags,
        quota={
            mode: _show_window(window, is_stale=mode in stale)
            for mode, window in account.windows.items()
        },
        credits=None
        if found is None
        else CreditsView(
            found.remaining, found.total, round((clock.now_s() + found.resets_in_s) * 1000)
        ),
        use_count=account.uses,
        fail_count=account.failures,
        last_used_at=_moment(account.used_at_s),
        last_fail_at=_moment(account.failed_at_s),
        last_fault=account.last_fault,
        strikes=account.strikes,
        on_trial=account.is_on_trial,
        open=account.open_leases,
        max_concurrency=account.max_concurrency,
        created_at=round(account.created_at_s * 1000),
        synced_at=_moment(account.synced_at_s),
        user_id=account.user_id,
    )


def _show_window(window: Window, *, is_stale: bool) -> WindowView:
    return WindowView(
        remaining=max(0, window.remaining),
        total=window.total,
        length_s=window.length_s,
        reset_at=_moment(window.reset_at_s),
        synced_at=_moment(window.synced_at_s),
        source=window.source,
        is_stale=is_stale,
        held=window.held,
        rests_until=_moment(window.rests_until_s),
    )


def _moment(seconds: float) -> int | None:
    return round(seconds * 1000) if seconds else None
