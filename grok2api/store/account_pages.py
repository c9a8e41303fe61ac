"""Reads accounts for pages and counters: bounded, no secrets, and nothing is changed."""

from itertools import product
from typing import Final

import msgspec
from msgspec import Struct

from grok2api.domain.account import Account, Pool, ProviderKind, Status, Tier
from grok2api.domain.ids import AccountId
from grok2api.store import keys, reads
from grok2api.store.connection import RedisClient

POOLS: Final = tuple(Pool(kind, tier) for kind, tier in product(ProviderKind, Tier))
MAX_PAGE: Final = 1000

_POOL_BY_NAME: Final = {keys.pool_name(pool): pool for pool in POOLS}


class PoolCount(Struct, frozen=True):
    """How many accounts a pool has. `usable` are those that are active or cooling."""

    pool: Pool
    usable: int
    total: int
    by_status: dict[Status, int]


class AccountPage(Struct, frozen=True):
    """Some accounts, ordered by id. `next_cursor` is "" on the last page."""

    accounts: list[Account]
    next_cursor: str


class _Record(Struct, frozen=True):
    """What is stored of an account for pages."""

    mask: str
    created_at_s: float
    tags: tuple[str, ...] = ()


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(_Record)


def encode_record(mask: str, created_at_s: float, tags: tuple[str, ...]) -> bytes:
    """Return what is stored of an account for pages."""
    return _ENCODER.encode(_Record(mask, created_at_s, tags))


async def read_page(redis: RedisClient, cursor: str, limit: int, now_ms: int) -> AccountPage:
    """Return up to `limit` accounts behind `cursor`; an account removed meanwhile is left out.

    `now_ms` 0 means the server's clock.
    """
    limit = max(1, min(limit, MAX_PAGE))
    ids = await reads.range_after(redis, keys.account_index(), cursor, limit + 1)
    shown, next_cursor = ids[:limit], ids[limit - 1] if len(ids) > limit else ""
    if not shown:
        return AccountPage([], "")
    columns = [
        await reads.hash_get_many(redis, key, shown)
        for key in (
            keys.account_pools(),
            keys.account_records(),
            keys.account_statuses(),
            keys.account_user_ids(),
            keys.account_held(),
        )
    ]
    now_ms = now_ms or await reads.server_time_ms(redis)
    rows = (
        _build_account(account_id, values, now_ms)
        for account_id, *values in zip(shown, *columns, strict=True)
    )
    return AccountPage([row for row in rows if row is not None], next_cursor)


async def read_pool_counts(redis: RedisClient) -> list[PoolCount]:
    """Return the counters of every pool."""
    fields = ("total", *Status)
    found = []
    for pool in POOLS:
        raw = await reads.hash_get_many(redis, keys.counts(pool), fields)
        total, *numbers = (int(value or 0) for value in raw)
        by_status = dict(zip(Status, numbers, strict=True))
        usable = by_status[Status.ACTIVE] + by_status[Status.COOLING]
        found.append(PoolCount(pool, usable, total, by_status))
    return found


def _build_account(account_id: str, values: list[bytes | None], now_ms: int) -> Account | None:
    pool, record, status, user_id, held = values
    if pool is None or record is None:
        return None
    shown = _DECODER.decode(record)
    word, _, until, reason = (status or b"active 0 0 ").decode().split(" ", 3)
    until_ms = int(until)
    if word == Status.COOLING and until_ms <= now_ms:
        word, until_ms, reason = Status.ACTIVE, 0, ""  # the next acquire writes it down
    return Account(
        id=AccountId(account_id),
        pool=_POOL_BY_NAME[pool.decode()],
        status=Status(word),
        mask=shown.mask,
        created_at_s=shown.created_at_s,
        tags=shown.tags,
        user_id=(user_id or b"").decode(),
        reason=reason,
        until_s=until_ms / 1000,
        open_leases=len((held or b"").split()),
    )
