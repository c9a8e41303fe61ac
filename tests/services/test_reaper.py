"""Workers alone free what ran out, when no request comes and nobody leads."""

import asyncio

import pytest

from grok2api.services.reaper import Reaper
from grok2api.store.account_timers import AccountTimers
from grok2api.store.accounts import AccountStore
from grok2api.store.connection import RedisClient
from tests.conftest import AccountMaker

NOW_MS = 1_800_000_000_000


@pytest.mark.timeout(30)
async def test_lost_lease_is_freed_in_quiet_times(
    redis: RedisClient, account_store: AccountStore, accounts: AccountMaker
) -> None:
    account_store.now_ms = NOW_MS
    await accounts.save("a")
    await accounts.lease("l1", ttl_s=60)
    account_store.now_ms = NOW_MS + 60_001

    async with Reaper(AccountTimers(redis, now_ms=NOW_MS + 60_001), interval_s=0.01):
        while (await account_store.list()).accounts[0].open_leases:  # noqa: ASYNC110 -- the store has no event
            await asyncio.sleep(0.01)


@pytest.mark.timeout(30)
async def test_reaper_ends_at_whatever_moment_it_is_told_to(redis: RedisClient) -> None:
    for turns in range(60):
        async with Reaper(AccountTimers(redis), interval_s=0.0005):
            await asyncio.sleep(0.001)
            for _ in range(turns % 12):
                await asyncio.sleep(0)
