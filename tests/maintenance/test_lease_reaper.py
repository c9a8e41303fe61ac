"""The job that frees what ran out."""

import pytest

from grok2api.maintenance.jobs.lease_reaper import build_lease_reaper
from grok2api.maintenance.leader import LeadershipLostError
from grok2api.store.account_timers import AccountTimers
from grok2api.store.accounts import AccountStore
from grok2api.store.connection import RedisClient
from grok2api.store.leader import Elected, LeaderStore
from tests.conftest import PLENTY, AccountMaker

NOW_MS = 1_800_000_000_000


async def lead(redis: RedisClient, owner: str, now_ms: int) -> int:
    reply = await LeaderStore(redis, now_ms=now_ms).campaign(owner, ttl_s=10)
    assert isinstance(reply, Elected)
    return reply.epoch


async def open_leases(store: AccountStore) -> int:
    return sum(account.open_leases for account in (await store.list()).accounts)


async def test_one_run_frees_all_that_is_due(
    redis: RedisClient, account_store: AccountStore, accounts: AccountMaker
) -> None:
    account_store.now_ms = NOW_MS
    await accounts.save("a", "b", windows=PLENTY)
    for number in range(600):
        await accounts.lease(f"l{number}", limit=1000)
    job = build_lease_reaper(AccountTimers(redis, now_ms=NOW_MS + 60_001), 5.0)

    await job.run(await lead(redis, "me", NOW_MS))

    assert await open_leases(account_store) == 0


async def test_replaced_leader_learns_of_it_and_frees_nothing(
    redis: RedisClient, account_store: AccountStore, accounts: AccountMaker
) -> None:
    account_store.now_ms = NOW_MS
    await accounts.save("a")
    await accounts.lease("l1")
    job = build_lease_reaper(AccountTimers(redis, now_ms=NOW_MS + 60_001), 5.0)
    epoch = await lead(redis, "me", NOW_MS)
    await lead(redis, "other", NOW_MS + 10_000)

    with pytest.raises(LeadershipLostError):
        await job.run(epoch)

    assert await open_leases(account_store) == 1
