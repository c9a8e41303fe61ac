"""Reads accounts for pages and counters: bounded, no secrets, and nothing is changed."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from grok2api.domain.account import POOLS, Mode, Pool, Status
from grok2api.domain.ids import AccountId
from grok2api.domain.pool_member import Account
from grok2api.domain.quota import Credits, Source, Window
from grok2api.store import keys, reads
from grok2api.store.connection import RedisClient

MAX_PAGE: Final = 1000

POOL_BY_NAME: Final = {keys.pool_name(pool): pool for pool in POOLS}


class PoolCount(Struct, frozen=True):
    """How many accounts a pool has, deleted ones left out of `total`.

    `usable` are those that are active, cooling or exhausted. Units are quota units since ever:
    granted = settled + refunded + those held now.
    """

    pool: Pool
    usable: int
    total: int
    by_status: dict[Status, int]
    open_leases: int
    granted: int
    settled: int
    refunded: int


class AccountPage(Struct, frozen=True):
    """Some accounts in the order in which they were made. `next_cursor` is "" on the last page."""

    accounts: list[Account]
    next_cursor: str


class _Window(Struct, frozen=True):
    """As the scripts keep it; `once`: its total is only what was left when it was told."""

    length: int
    left: int = 0
    source: Source = Source.UNKNOWN
    total: int | None = None
    once: bool = False
    held: int = 0
    reset: float = 0
    at: float = 0
    rest: float = 0


class _Credits(Struct, frozen=True):
    left: int
    total: int
    reset: float


class _Stored(Struct, frozen=True):
    """An account as the scripts keep it."""

    pool: str
    status: Status
    mask: str
    made: float
    windows: dict[Mode, _Window]
    tags: tuple[int | str, ...] = ()
    user: str = ""
    reason: str = ""
    since: float = 0
    ends: float = 0
    open: int = 0
    limit: int | None = None
    trial: bool = False
    uses: int = 0
    fails: int = 0
    strikes: int = 0
    fault: str = ""
    used: float = 0
    failed: float = 0
    synced: float = 0
    credits: _Credits | None = None


_DECODER = msgspec.msgpack.Decoder(_Stored)


async def read_page(
    redis: RedisClient, cursor: str, limit: int, now_ms: int, *, is_newest_first: bool = False
) -> AccountPage:
    """Return up to `limit` accounts behind `cursor`; an account removed meanwhile is left out.

    `now_ms` 0 means the server's clock.
    """
    limit = max(1, min(limit, MAX_PAGE))
    found = await reads.page_of_scores(
        redis, keys.account_index(), cursor, limit + 1, is_reversed=is_newest_first
    )
    shown = found[:limit]
    accounts = await read_accounts(redis, [AccountId(member) for member, _ in shown], now_ms)
    last = shown[-1] if len(found) > limit else None
    return AccountPage(list(accounts.values()), f"{last[1]:.0f}:{last[0]}" if last else "")


async def read_accounts(
    redis: RedisClient, ids: Sequence[AccountId], now_ms: int
) -> dict[AccountId, Account]:
    """Return those of `ids` that there are, in their order."""
    if not ids:
        return {}
    packed = await reads.hash_get_many(redis, keys.accounts(), ids)
    now_ms = now_ms or await reads.server_time_ms(redis)
    stored = {i: _DECODER.decode(p) for i, p in zip(ids, packed, strict=True) if p is not None}
    names = await read_tag_names(redis) if any(s.tags for s in stored.values()) else {}
    return {i: _build_account(i, account, names, now_ms) for i, account in stored.items()}


async def read_tag_names(redis: RedisClient) -> dict[int, str]:
    """Return the tags that requests can ask for, by number; there are at most 255."""
    found = await reads.hash_all(redis, keys.account_meta())
    return {int(value): name[4:] for name, value in found.items() if name.startswith("tag ")}


async def read_pool_counts(redis: RedisClient) -> list[PoolCount]:
    """Return the counters of every pool."""
    numbers = ("total", "open", "granted", "settled", "refunded")
    fields = [f"{keys.pool_name(pool)} {name}" for pool in POOLS for name in (*numbers, *Status)]
    raw = iter(await reads.hash_get_many(redis, keys.account_counts(), fields))
    found = []
    for pool in POOLS:
        total, open_, granted, settled, refunded = (int(next(raw) or 0) for _ in numbers)
        by_status = {status: int(next(raw) or 0) for status in Status}
        usable = sum(by_status[s] for s in (Status.ACTIVE, Status.COOLING, Status.EXHAUSTED))
        live = total - by_status[Status.DELETED]
        found.append(PoolCount(pool, usable, live, by_status, open_, granted, settled, refunded))
    return found


def _build_account(
    account_id: AccountId, stored: _Stored, names: Mapping[int, str], now_ms: int
) -> Account:
    facts: dict[str, Any] = {"status": stored.status, "reason": stored.reason}
    facts |= {"since_s": stored.since / 1000, "until_s": stored.ends / 1000}
    if stored.status in {Status.COOLING, Status.EXHAUSTED} and 0 < stored.ends <= now_ms:
        # The next acquire writes it down. Only what failed is tried again with care.
        is_on_trial = stored.trial or stored.reason != "quota"
        facts = {"status": Status.ACTIVE, "reason": "", "is_on_trial": is_on_trial}
    return Account(
        id=account_id,
        pool=POOL_BY_NAME[stored.pool],
        mask=stored.mask,
        created_at_s=stored.made / 1000,
        tags=tuple(t if isinstance(t, str) else names.get(t, "") for t in stored.tags),
        user_id=stored.user,
        open_leases=stored.open,
        max_concurrency=stored.limit,
        uses=stored.uses,
        failures=stored.fails,
        strikes=stored.strikes,
        last_fault=stored.fault,
        used_at_s=stored.used / 1000,
        failed_at_s=stored.failed / 1000,
        synced_at_s=stored.synced / 1000,
        windows={mode: _build_window(window, now_ms) for mode, window in stored.windows.items()},
        credits=_build_credits(stored.credits, now_ms),
        **({"is_on_trial": stored.trial} | facts),
    )


def _build_window(window: _Window, now_ms: int) -> Window:
    is_over = window.total is not None and 0 < window.reset <= now_ms
    if is_over and window.once:
        window = _Window(window.length, held=window.held, rest=window.rest)
    is_resting = window.rest > now_ms
    return Window(
        remaining=max(0, (window.total or 0) - window.held) if is_over else window.left,
        total=None if window.once else window.total,
        length_s=window.length,
        source=window.source,
        held=window.held,
        reset_at_s=0.0 if is_over else window.reset / 1000,
        synced_at_s=window.at / 1000,
        rests_until_s=window.rest / 1000 if is_resting else 0.0,
    )


def _build_credits(stored: _Credits | None, now_ms: int) -> Credits | None:
    if stored is None or stored.reset <= now_ms:
        return None
    return Credits(stored.left, (stored.reset - now_ms) / 1000, stored.total)
