import pytest

from grok2api.domain.account import Outcome, Pool, ProviderKind, Status, Tier
from grok2api.domain.ids import LeaseId
from grok2api.store import keys
from grok2api.store.account_replies import StaleEpoch
from grok2api.store.account_timers import AccountTimers
from grok2api.store.leader import Elected, LeaderStore

BASIC = Pool(ProviderKind.GROK_WEB, Tier.BASIC)
NOW_MS = 1_800_000_000_000


@pytest.fixture
def store(account_store):
    account_store.now_ms = NOW_MS
    return account_store


@pytest.fixture
def timers(redis):
    return AccountTimers(redis, now_ms=NOW_MS)


async def acquire(store, lease_id, *, ttl_s=60.0):
    return await store.acquire([BASIC], LeaseId(lease_id), ttl_s=ttl_s, max_concurrency=4)


async def test_lease_that_ran_out_ends_without_any_request(store, timers, accounts, redis):
    await accounts.save("a")
    await acquire(store, "l1")
    await acquire(store, "l2", ttl_s=120.0)

    timers.now_ms += 60_001
    store.now_ms = timers.now_ms
    count = await timers.reap()

    assert count == 1
    assert await redis.execute_command("HGETALL", keys.account_held()) == {b"a": b"l2"}
    assert await redis.execute_command("HGETALL", keys.account_leases()) == {b"l2": b"a"}
    assert [a.open_leases for a in (await store.list()).accounts] == [1]


async def test_cooled_account_is_active_again(store, timers, accounts):
    await accounts.save("a")
    lease = await acquire(store, "l1")
    await store.release(lease, Outcome.RATE_LIMITED, cooldown_s=10.0, reason="rate_limited")

    timers.now_ms += 10_001
    store.now_ms = timers.now_ms

    assert await timers.reap() == 1
    assert [a.status for a in (await store.list()).accounts] == [Status.ACTIVE]
    assert [(c.usable, c.total) for c in await store.pool_counts() if c.pool == BASIC] == [(1, 1)]


async def test_no_more_than_the_limit_is_done_at_once(store, timers, accounts):
    await accounts.save("a", "b", "c")
    for name in ("l1", "l2", "l3"):
        await acquire(store, name)

    timers.now_ms += 60_001
    store.now_ms = timers.now_ms

    assert [await timers.reap(limit=2), await timers.reap(limit=2)] == [2, 1]
    assert await timers.reap() == 0


async def test_leader_that_has_been_replaced_changes_nothing(timers, store, accounts, redis):
    await accounts.save("a")
    await acquire(store, "l1")
    leaders = LeaderStore(redis, now_ms=NOW_MS)
    first = await leaders.campaign("a", ttl_s=10.0)
    assert isinstance(first, Elected)
    timers.now_ms += 60_001

    leaders.now_ms += 10_000
    second = await leaders.campaign("b", ttl_s=10.0)
    assert isinstance(second, Elected)

    assert await timers.reap(epoch=first.epoch) == StaleEpoch()
    assert await redis.execute_command("HGETALL", keys.account_leases()) == {b"l1": b"a"}
    assert await timers.reap(epoch=second.epoch) == 1


async def test_leader_may_write_until_another_is_elected(timers, redis):
    leaders = LeaderStore(redis, now_ms=NOW_MS)
    elected = await leaders.campaign("a", ttl_s=10.0)
    assert isinstance(elected, Elected)
    await leaders.resign("a")

    assert await timers.reap(epoch=elected.epoch) == 0


async def test_epoch_that_the_store_forgot_is_stale(timers):
    assert await timers.reap(epoch=NOW_MS) == StaleEpoch()


async def test_workers_need_no_epoch(timers, redis):
    await LeaderStore(redis).campaign("a", ttl_s=10.0)

    assert await timers.reap() == 0
