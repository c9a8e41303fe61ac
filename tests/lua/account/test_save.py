"""account/save: added once, ready at once, credentials sealed."""

import msgspec

from grok2api.domain.account import Credentials, Outcome, Pool, ProviderKind, Status, Tier
from grok2api.domain.ids import AccountId
from grok2api.store import keys
from grok2api.store.accounts import AccountStore, Known, NewAccount, Saved
from grok2api.store.connection import RedisClient
from tests.conftest import BASIC, AccountMaker
from tests.lua.conftest import KeyView

HEAVY = Pool(ProviderKind.GROK_WEB, Tier.HEAVY)


def new_account(pool: Pool = BASIC, session: str = "secret-session") -> NewAccount:
    return NewAccount(
        AccountId("a"), pool, Credentials(session, "cf=1"), "se…on", ("blue", "red"), 5.0
    )


async def test_new_account_is_ready(store: AccountStore, view: KeyView) -> None:
    assert await store.save(new_account()) == Saved()

    assert await view.scores(keys.ready(BASIC)) == {"a": 0}
    assert await view.hash(keys.account_pools()) == {"a": "grok_web:basic"}
    assert await view.members(keys.account_index()) == ["a"]
    assert await view.counts() == {"total": 1, "active": 1}


async def test_account_that_rests_elsewhere_is_never_handed_out(
    store: AccountStore, accounts: AccountMaker, view: KeyView
) -> None:
    dead = msgspec.structs.replace(new_account(), status=Status.EXPIRED, reason="bad")

    assert await store.save(dead) == Saved()

    assert await view.members(keys.ready(BASIC)) == []
    assert await view.counts() == {"total": 1, "expired": 1}
    (account,) = (await store.list()).accounts
    assert (account.status, account.reason, account.until_s) == (Status.EXPIRED, "bad", 0.0)


async def test_account_that_cools_elsewhere_comes_back_in_time(
    store: AccountStore, accounts: AccountMaker, view: KeyView
) -> None:
    store.now_ms = 1_800_000_000_000
    hot = msgspec.structs.replace(new_account(), status=Status.COOLING, cooldown_s=5.0, reason="x")
    await store.save(hot)

    assert await view.members(keys.ready(BASIC)) == []
    store.now_ms += 5_001
    assert (await accounts.lease("l1")).account_id == "a"


async def test_known_account_is_left_as_it_is(
    store: AccountStore, accounts: AccountMaker, view: KeyView
) -> None:
    await store.save(new_account())
    lease = await accounts.lease("l1")
    await store.release(lease, Outcome.UNAUTHORIZED)

    assert await store.save(new_account(HEAVY, "other")) == Known("grok_web:basic")

    assert await view.counts() == {"total": 1, "expired": 1}
    assert await view.counts(HEAVY) == {}
    assert await view.members(keys.ready(HEAVY)) == []
    (account,) = (await store.list()).accounts
    assert account.pool == BASIC


async def test_no_secret_is_readable_in_the_store(store: AccountStore, redis: RedisClient) -> None:
    await store.save(new_account())

    sealed = await redis.execute_command("HGET", keys.account_secrets(), "a")
    record = await redis.execute_command("HGET", keys.account_records(), "a")
    assert b"secret-session" not in sealed + record


async def test_unused_accounts_come_before_used_ones(
    store: AccountStore, accounts: AccountMaker
) -> None:
    await accounts.save("a")
    await store.release(await accounts.lease("l1"), Outcome.OK)

    await accounts.save("b")

    assert (await accounts.lease("l2")).account_id == "b"
