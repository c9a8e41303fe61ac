import pytest

from grok2api.domain.account import Outcome, Pool, ProviderKind, Status, Tier
from grok2api.domain.ids import LeaseId
from grok2api.store import keys

BASIC = Pool(ProviderKind.GROK_WEB, Tier.BASIC)
NOW_MS = 1_800_000_000_000


@pytest.fixture
def store(account_store):
    account_store.now_ms = NOW_MS
    return account_store


async def acquire(store, lease_id, *, ttl_s=60.0):
    return await store.acquire([BASIC], LeaseId(lease_id), ttl_s=ttl_s, max_concurrency=4)


async def test_lease_that_ran_out_ends_without_any_request(store, accounts, redis):
    await accounts.save("a")
    await acquire(store, "l1")
    await acquire(store, "l2", ttl_s=120.0)

    store.now_ms += 60_001
    count = await store.reap()

    assert count == 1
    assert await redis.execute_command("HGETALL", keys.account_held()) == {b"a": b"l2"}
    assert await redis.execute_command("HGETALL", keys.account_leases()) == {b"l2": b"a"}
    assert [a.open_leases for a in (await store.list()).accounts] == [1]


async def test_cooled_account_is_active_again(store, accounts):
    await accounts.save("a")
    lease = await acquire(store, "l1")
    await store.release(lease, Outcome.RATE_LIMITED, cooldown_s=10.0, reason="rate_limited")

    store.now_ms += 10_001

    assert await store.reap() == 1
    assert [a.status for a in (await store.list()).accounts] == [Status.ACTIVE]
    assert [(c.usable, c.total) for c in await store.pool_counts() if c.pool == BASIC] == [(1, 1)]


async def test_no_more_than_the_limit_is_done_at_once(store, accounts):
    await accounts.save("a", "b", "c")
    for name in ("l1", "l2", "l3"):
        await acquire(store, name)

    store.now_ms += 60_001

    assert [await store.reap(limit=2), await store.reap(limit=2)] == [2, 1]
    assert await store.reap() == 0
