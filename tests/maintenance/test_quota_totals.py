"""The job that adds up what all accounts have left."""

import pytest

from grok2api.domain.account import Mode, Pool, ProviderKind, Status, Tier
from grok2api.domain.ids import AccountId
from grok2api.maintenance.jobs.quota_totals import build_quota_totals
from grok2api.maintenance.leader import LeadershipLostError
from grok2api.store.accounts import AccountStore
from grok2api.store.connection import RedisClient
from grok2api.store.quota_left import QuotaLeftStore
from tests.conftest import AccountMaker
from tests.maintenance.test_lease_reaper import NOW_MS, lead

BASIC = Pool(ProviderKind.GROK_WEB, Tier.BASIC)


async def test_known_windows_of_usable_accounts_are_added_up_over_all_pages(
    redis: RedisClient, account_store: AccountStore, accounts: AccountMaker
) -> None:
    names = [f"a{number}" for number in range(601)]
    await accounts.save(*names)
    await account_store.set_status(AccountId("a0"), Status.DISABLED)
    await accounts.lease("l1")
    store = QuotaLeftStore(redis)

    await build_quota_totals(account_store, store).run(await lead(redis, "me", NOW_MS))

    # 600 with 30 queries each, one of them lent; nobody knows how many pictures there are.
    assert await store.read() == {(BASIC, Mode.FAST): 600 * 30 - 1}


async def test_replaced_leader_keeps_nothing(
    redis: RedisClient, account_store: AccountStore, accounts: AccountMaker
) -> None:
    await accounts.save("a")
    store, epoch = QuotaLeftStore(redis), await lead(redis, "me", NOW_MS)
    await lead(redis, "other", NOW_MS + 20_000)

    with pytest.raises(LeadershipLostError):
        await build_quota_totals(account_store, store).run(epoch)

    assert await store.read() == {}
