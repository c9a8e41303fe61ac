"""account/save: added once, as it is, and ready at once; credentials sealed."""

import msgspec
import pytest

from grok2api.domain.account import MEDIA_MODES, Credentials, Mode, Outcome, Status
from grok2api.domain.ids import AccountId
from grok2api.domain.quota import DAY_S, Source, Window
from grok2api.store import keys
from grok2api.store.accounts import AccountStore, Known, NewAccount, NoneReady, Saved
from grok2api.store.connection import RedisClient
from tests.conftest import BASIC, AccountMaker
from tests.lua.account.conftest import SUPER, Bench, fast
from tests.lua.conftest import NOW_MS, KeyView

A = AccountId("a")
NEW = NewAccount(A, BASIC, Credentials("secret-session", "cf=1"), "se…on", ("blue", "red"), 5.0)


async def test_new_account_is_ready_in_its_modes_and_tags(
    store: AccountStore, view: KeyView
) -> None:
    assert await store.save(NEW) == Saved()

    modes = [Mode.FAST, Mode.IMAGE_PRO, Mode.IMAGE_EDIT, Mode.VIDEO_720P]
    members = [f"{mode}{tag} a" for tag in ("", "#1", "#2") for mode in modes]
    assert await view.members(keys.ready(BASIC)) == members
    assert await view.scores(keys.account_index()) == {"a": 5000}
    assert await view.scores(keys.refresh()) == {"a": NOW_MS}
    assert await view.counts() == {"total": 1, "active": 1}
    assert await view.members(keys.timers()) == []


async def test_new_account_has_what_its_tier_usually_has(
    store: AccountStore, accounts: AccountMaker
) -> None:
    await accounts.save("a", pool=SUPER)

    windows = (await accounts.look("a")).windows

    assert set(windows) == {Mode.AUTO, Mode.FAST, Mode.EXPERT, Mode.GROK_4_3, *MEDIA_MODES}
    assert windows[Mode.FAST] == Window(140, 140, 7200, Source.DEFAULT)
    assert windows[Mode.VIDEO] == Window(0, None, DAY_S, Source.UNKNOWN)


async def test_known_windows_are_taken_over_and_end_in_time(
    accounts: AccountMaker, bench: Bench
) -> None:
    await accounts.save("a", windows=fast(0, reset_at_s=NOW_MS / 1000 + 60))
    account = await accounts.look("a")
    assert (account.status, account.reason) == (Status.EXHAUSTED, "quota")

    bench.pass_time(60)

    assert (await accounts.lease("l1")).account_id == "a"
    assert (await accounts.look("a")).windows[Mode.FAST].remaining == 29


async def test_used_window_of_unknown_end_ends_a_length_from_now(
    store: AccountStore, accounts: AccountMaker, view: KeyView
) -> None:
    await accounts.save("a", windows=fast(0))

    assert await view.scores(keys.timers()) == {"window fast a": NOW_MS + DAY_S * 1000}


async def test_window_that_has_ended_is_full(store: AccountStore, accounts: AccountMaker) -> None:
    await accounts.save("a", windows=fast(0, reset_at_s=NOW_MS / 1000))

    assert (await accounts.look("a")).windows[Mode.FAST].remaining == 30


@pytest.mark.parametrize("status", [Status.EXPIRED, Status.DISABLED, Status.EXHAUSTED])
async def test_account_that_rests_elsewhere_is_not_handed_out(
    store: AccountStore, accounts: AccountMaker, view: KeyView, status: Status
) -> None:
    await store.save(msgspec.structs.replace(NEW, status=status, reason="bad"))

    account = await accounts.look("a")
    assert (account.status, account.reason, account.until_s) == (status, "bad", 0)
    assert await view.counts() == {"total": 1, status.value: 1}
    assert isinstance(await accounts.ask("l1"), NoneReady)


async def test_account_that_cools_elsewhere_comes_back_in_time(
    store: AccountStore, accounts: AccountMaker, bench: Bench
) -> None:
    hot = msgspec.structs.replace(NEW, status=Status.COOLING, cooldown_s=5, reason="quota")
    await store.save(hot)
    assert isinstance(await accounts.ask("l1"), NoneReady)

    bench.pass_time(5)

    assert (await accounts.lease("l1")).account_id == "a"


async def test_own_limit_is_taken_over(accounts: AccountMaker) -> None:
    await accounts.save("a", max_concurrency=1)
    await accounts.lease("l1", limit=5)

    assert isinstance(await accounts.ask("l2", limit=5), NoneReady)


async def test_known_account_is_left_as_it_is(
    store: AccountStore, accounts: AccountMaker, view: KeyView
) -> None:
    await store.save(NEW)
    await accounts.end(await accounts.lease("l1"), Outcome.UNAUTHORIZED)
    before = await view.dump()

    other = msgspec.structs.replace(NEW, pool=SUPER, credentials=Credentials("other"))
    assert await store.save(other) == Known("grok_web:basic")

    assert await view.dump() == before


async def test_deleted_account_is_as_new(
    store: AccountStore, accounts: AccountMaker, view: KeyView
) -> None:
    await store.save(NEW)
    lease = await accounts.lease("l1")
    await store.set_status(A, Status.DELETED, for_s=60)

    assert await store.save(msgspec.structs.replace(NEW, pool=SUPER, tags=())) == Saved()

    account = await accounts.look("a")
    assert (account.status, account.pool, account.open_leases) == (Status.ACTIVE, SUPER, 0)
    assert await view.members(keys.timers()) == ["lease l1"]
    assert await view.ready() == []
    assert await accounts.end(lease, Outcome.UNAUTHORIZED) is None
    assert (await accounts.look("a")).status is Status.ACTIVE
    assert await view.counts() == {"granted": 1, "refunded": 1}
    assert await view.counts(SUPER) == {"total": 1, "active": 1}


async def test_no_secret_is_readable_in_the_store(store: AccountStore, redis: RedisClient) -> None:
    await store.save(NEW)

    sealed = await redis.execute_command("HGET", keys.account_secrets(), "a")
    record = await redis.execute_command("HGET", keys.accounts(), "a")
    assert b"secret-session" not in sealed + record
    assert b"cf=1" not in sealed + record


async def test_new_account_goes_to_who_waits(accounts: AccountMaker, view: KeyView) -> None:
    accounts.policy = msgspec.structs.replace(accounts.policy, wait_s=30)
    await accounts.save("a")
    await accounts.lease("l1")
    await accounts.ask("l2")

    await accounts.save("b")

    assert await view.woken() == ["l2"]
    assert (await accounts.lease("l2")).account_id == "b"
