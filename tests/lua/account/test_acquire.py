"""account/acquire: the right account, one round trip, nothing forgotten."""

import pytest

from grok2api.domain.account import Lease, Outcome, Pool, ProviderKind, Status, Tier
from grok2api.domain.ids import AccountId, LeaseId
from grok2api.store import keys
from grok2api.store.accounts import NoneReady
from tests.lua.conftest import NOW_MS

BASIC = Pool(ProviderKind.GROK_WEB, Tier.BASIC)
SUPER = Pool(ProviderKind.GROK_WEB, Tier.SUPER)
HEAVY = Pool(ProviderKind.GROK_WEB, Tier.HEAVY)


async def acquire(store, lease_id, *, pools=(BASIC,), limit=1, exclude=(), ttl_s=60.0):
    return await store.acquire(
        pools, LeaseId(lease_id), ttl_s=ttl_s, max_concurrency=limit, exclude=exclude
    )


async def test_lease_carries_all_that_a_request_needs(store, accounts, redis):
    await accounts.save("a")
    await store.set_user_id(AccountId("a"), "user-1")

    lease = await acquire(store, "l1")

    assert isinstance(lease, Lease)
    assert (lease.id, lease.account_id, lease.pool) == ("l1", "a", BASIC)
    assert lease.credentials.session == "session-of-a"
    assert lease.user_id == "user-1"
    assert lease.expires_at_s == NOW_MS / 1000 + 60
    assert await redis.execute_command("HGETALL", keys.account_leases()) == {b"l1": b"a"}
    assert await redis.execute_command("HGETALL", keys.account_held()) == {b"a": b"l1"}
    score = await redis.execute_command("ZSCORE", keys.timers(BASIC), "lease l1")
    assert score == NOW_MS + 60_000


async def test_fewest_open_leases_come_first(store, accounts):
    await accounts.save("a", "b", "c")

    names = [(await acquire(store, f"l{i}", limit=2)).account_id for i in range(6)]

    assert sorted(names[:3]) == ["a", "b", "c"]
    assert sorted(names[3:]) == ["a", "b", "c"]


async def test_among_equals_the_longest_idle_comes_first(store, accounts):
    await accounts.save("a", "b", "c")
    for name in ("l1", "l2", "l3"):
        await acquire(store, name)
    first = [await acquire(store, name) for name in ("l1", "l2", "l3")]
    for lease in (first[1], first[0], first[2]):
        await store.release(lease, Outcome.OK)

    names = [(await acquire(store, f"m{i}")).account_id for i in range(3)]

    assert names == ["b", "a", "c"]


async def test_full_accounts_are_not_chosen(store, accounts):
    await accounts.save("a")
    await acquire(store, "l1", limit=2)
    await acquire(store, "l2", limit=2)

    reply = await acquire(store, "l3", limit=2)

    assert reply == NoneReady(60.0, has_accounts=True, has_usable=True)


async def test_a_raised_limit_counts_at_once(store, accounts):
    await accounts.save("a")
    await acquire(store, "l1", limit=1)

    assert isinstance(await acquire(store, "l2", limit=2), Lease)


async def test_a_lowered_limit_counts_at_once(store, accounts):
    await accounts.save("a")
    await acquire(store, "l1", limit=5)
    await acquire(store, "l2", limit=5)

    assert isinstance(await acquire(store, "l3", limit=2), NoneReady)


async def test_pools_are_tried_in_the_given_order(store, accounts):
    await accounts.save("a", pool=BASIC)
    await accounts.save("s", pool=SUPER)

    leases = [await acquire(store, f"l{i}", pools=(HEAVY, SUPER, BASIC)) for i in range(2)]

    assert [(lease.account_id, lease.pool) for lease in leases] == [("s", SUPER), ("a", BASIC)]


async def test_pools_that_were_not_given_are_not_used(store, accounts):
    await accounts.save("a", pool=BASIC)

    reply = await acquire(store, "l1", pools=(HEAVY, SUPER))

    assert reply == NoneReady(None, has_accounts=False, has_usable=False)


async def test_excluded_accounts_are_passed_over(store, accounts):
    await accounts.save("a", "b", "c")

    lease = await acquire(store, "l1", exclude=(AccountId("a"), AccountId("b")))

    assert lease.account_id == "c"


async def test_nothing_is_ready_when_all_are_excluded(store, accounts):
    await accounts.save("a")

    reply = await acquire(store, "l1", exclude=(AccountId("a"),))

    assert reply == NoneReady(None, has_accounts=True, has_usable=True)


async def test_a_full_account_before_an_excluded_one_is_still_full(store, accounts):
    await accounts.save("a", "b")
    await acquire(store, "l1")
    await acquire(store, "l2")

    assert isinstance(await acquire(store, "l3", exclude=(AccountId("a"),)), NoneReady)


async def test_the_same_lease_id_gets_the_same_lease(store, accounts, redis):
    await accounts.save("a", "b")
    first = await acquire(store, "l1", limit=5)
    store.now_ms += 5_000

    again = await acquire(store, "l1", limit=5)

    assert again == first
    assert await redis.execute_command("HGETALL", keys.account_leases()) == {b"l1": b"a"}


async def test_the_same_lease_id_is_found_in_a_later_pool(store, accounts):
    await accounts.save("b", pool=BASIC)
    first = await acquire(store, "l1", pools=(SUPER, BASIC))
    await accounts.save("s", pool=SUPER)

    assert await acquire(store, "l1", pools=(SUPER, BASIC)) == first


async def test_expired_lease_frees_its_slot(store, accounts, redis):
    await accounts.save("a")
    await acquire(store, "l1", ttl_s=10)
    store.now_ms += 10_000

    lease = await acquire(store, "l2", ttl_s=10)

    assert lease.account_id == "a"
    assert await redis.execute_command("HGETALL", keys.account_leases()) == {b"l2": b"a"}
    assert await redis.execute_command("HGETALL", keys.account_held()) == {b"a": b"l2"}


async def test_a_lease_lives_to_its_last_millisecond(store, accounts):
    await accounts.save("a")
    await acquire(store, "l1", ttl_s=10)
    store.now_ms += 9_999

    assert await acquire(store, "l2") == NoneReady(0.001, has_accounts=True, has_usable=True)


async def test_cooled_account_returns_without_help(store, accounts, redis):
    await accounts.save("a")
    await store.release(await acquire(store, "l1"), Outcome.RATE_LIMITED, cooldown_s=900)
    store.now_ms += 900_000

    lease = await acquire(store, "l2")

    assert lease.account_id == "a"
    assert await redis.execute_command("HGETALL", keys.account_statuses()) == {}


async def test_cooling_account_waits_for_its_time(store, accounts):
    await accounts.save("a")
    await store.release(await acquire(store, "l1"), Outcome.RATE_LIMITED, cooldown_s=900)
    store.now_ms += 600_000

    assert await acquire(store, "l2") == NoneReady(300.0, has_accounts=True, has_usable=True)


@pytest.mark.parametrize("status", [Status.EXPIRED, Status.DISABLED])
async def test_expired_and_disabled_accounts_are_never_chosen(store, accounts, status):
    await accounts.save("a")
    await store.set_status(AccountId("a"), status)

    assert await acquire(store, "l1") == NoneReady(None, has_accounts=True, has_usable=False)


async def test_at_most_64_due_timers_are_handled_per_call(store, accounts, redis):
    await accounts.save("a")
    for i in range(100):
        await acquire(store, f"l{i}", limit=200, ttl_s=1)
    store.now_ms += 1_000

    await acquire(store, "m", limit=200)

    assert await redis.execute_command("HLEN", keys.account_leases()) == 100 - 64 + 1


async def test_earliest_timer_of_all_given_pools_is_the_hint(store, accounts):
    await accounts.save("a", pool=BASIC)
    await accounts.save("s", pool=SUPER)
    await acquire(store, "l1", pools=(SUPER,), ttl_s=40)
    await acquire(store, "l2", pools=(BASIC,), ttl_s=20)

    reply = await acquire(store, "l3", pools=(SUPER, BASIC))

    assert reply == NoneReady(20.0, has_accounts=True, has_usable=True)


async def test_unknown_limits_are_refused_before_redis(store):
    with pytest.raises(ValueError, match="max_concurrency"):
        await acquire(store, "l1", limit=2048)


async def test_server_clock_is_used_outside_tests(store, accounts):
    store.now_ms = 0
    await accounts.save("a")

    lease = await acquire(store, "l1", ttl_s=1000)

    assert lease.expires_at_s > 1_700_000_000
