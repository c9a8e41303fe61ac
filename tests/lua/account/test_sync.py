"""account/sync: what the upstream says is written down, and what follows from it is done."""

import msgspec
import pytest

from grok2api.domain.account import Lease, Mode, Outcome, Status, Tier
from grok2api.domain.ids import AccountId
from grok2api.domain.quota import PLANS, Credits, QuotaReport, Source
from grok2api.store import keys
from grok2api.store.account_edits import Finding
from grok2api.store.account_replies import StaleEpoch, Synced, Unknown
from grok2api.store.accounts import AccountStore, NoneReady
from grok2api.store.connection import RedisClient
from grok2api.store.leader import Elected, LeaderStore
from tests.conftest import BASIC, AccountMaker
from tests.lua.account.conftest import HEAVY, SUPER, Bench, fast, reading
from tests.lua.conftest import NOW_MS, KeyView

A = AccountId("a")
NOW_S = NOW_MS / 1000


@pytest.fixture(autouse=True)
def _held_time(bench: Bench) -> None:
    """Time stands still unless a test moves it."""


async def test_reading_replaces_what_was_thought(
    accounts: AccountMaker, bench: Bench, view: KeyView
) -> None:
    await accounts.save("a")

    reply = await bench.sync("a", reading(Mode.FAST, 7, 20), reading(Mode.HEAVY, 3))

    assert reply == Synced(Status.ACTIVE, "grok_web:basic")
    account = await accounts.look("a")
    assert set(account.windows) == set(PLANS[Tier.BASIC])
    window = account.windows[Mode.FAST]
    assert (window.remaining, window.total, window.length_s) == (7, 20, 7200)
    assert (window.source, window.reset_at_s) == (Source.REAL, NOW_S + 3600)
    assert (window.synced_at_s, account.synced_at_s) == (NOW_S, NOW_S)
    assert await view.scores(keys.timers()) == {"window fast a": NOW_MS + 3_600_000}
    assert await view.scores(keys.refresh()) == {"a": NOW_MS + 600_000}


async def test_full_window_has_no_end_before_its_first_use(
    accounts: AccountMaker, bench: Bench, view: KeyView
) -> None:
    await accounts.save("a")
    await accounts.end(await accounts.lease("l1"))

    await bench.sync("a", reading(Mode.FAST, 30))

    assert (await accounts.look("a")).windows[Mode.FAST].reset_at_s == 0
    assert await view.members(keys.timers()) == []


async def test_units_held_now_are_taken_off(accounts: AccountMaker, bench: Bench) -> None:
    await accounts.save("a")
    first, second = [await accounts.lease(f"l{n}", units=4, limit=9) for n in range(2)]

    await bench.sync("a", reading(Mode.FAST, 10))

    window = (await accounts.look("a")).windows[Mode.FAST]
    assert (window.remaining, window.held) == (2, 8)
    await accounts.end(first)
    await accounts.end(second, Outcome.FAILED)
    window = (await accounts.look("a")).windows[Mode.FAST]
    assert (window.remaining, window.held) == (6, 0)


async def test_all_that_is_left_may_be_held(accounts: AccountMaker, bench: Bench) -> None:
    await accounts.save("a")
    leases = [await accounts.lease(f"l{n}", units=4, limit=9) for n in range(2)]

    await bench.sync("a", reading(Mode.FAST, 8, 8))

    assert (await accounts.look("a")).status is Status.EXHAUSTED
    for lease in leases:
        await accounts.end(lease)
    window = (await accounts.look("a")).windows[Mode.FAST]
    assert (window.remaining, window.held, window.reset_at_s) == (0, 0, NOW_S + 7200)
    bench.pass_time(7200)
    assert isinstance(await accounts.ask("x"), Lease)


async def test_empty_reading_exhausts_and_the_next_one_revives(
    accounts: AccountMaker, bench: Bench
) -> None:
    await accounts.save("a")

    assert await bench.sync("a", reading(Mode.FAST, 0)) == Synced(
        Status.EXHAUSTED, "grok_web:basic"
    )
    account = await accounts.look("a")
    assert (account.reason, account.until_s) == ("quota", NOW_S + 3600)
    assert isinstance(await accounts.ask("l1"), NoneReady)

    await bench.sync("a", reading(Mode.FAST, 0, resets_in_s=9000))
    assert (await accounts.look("a")).until_s == NOW_S + 9000

    await bench.sync("a", reading(Mode.FAST, 5))
    assert isinstance(await accounts.ask("l1"), Lease)


async def test_resting_mode_rests_on(accounts: AccountMaker, bench: Bench) -> None:
    await accounts.save("a")
    await accounts.end(await accounts.lease("l1"), Outcome.FORBIDDEN, cooldown_s=300)

    await bench.sync("a", reading(Mode.FAST, 30))

    assert isinstance(await accounts.ask("l2"), NoneReady)
    bench.pass_time(300)
    assert isinstance(await accounts.ask("l2"), Lease)


async def test_spent_credits_stop_all_modes_until_they_renew(
    accounts: AccountMaker, bench: Bench, view: KeyView
) -> None:
    await accounts.save("a", pool=SUPER)

    reply = await bench.sync("a", reading(Mode.FAST, 30), credits=Credits(0, 600.0))

    assert reply == Synced(Status.EXHAUSTED, "grok_web:super")
    account = await accounts.look("a")
    assert account.credits == Credits(0, 600.0)
    assert (account.reason, account.until_s) == ("quota", NOW_S + 600)
    assert await view.members(keys.ready(SUPER)) == []
    await bench.sync("a", credits=Credits(1, 600.0))
    assert isinstance(await accounts.ask("l1", pools=(SUPER,)), Lease)


async def test_proven_tier_promotes(accounts: AccountMaker, bench: Bench, view: KeyView) -> None:
    await accounts.save("a")
    lease = await accounts.lease("l1", units=4)

    reply = await bench.sync("a", reading(Mode.AUTO, 9, 50), pool=SUPER)

    assert reply == Synced(Status.ACTIVE, "grok_web:super")
    account = await accounts.look("a")
    assert account.pool == SUPER
    assert account.windows[Mode.AUTO].remaining == 9
    assert account.windows[Mode.FAST].remaining == 136
    assert await view.members(keys.ready(BASIC)) == []
    await accounts.end(lease, Outcome.FAILED)
    assert (await accounts.look("a")).windows[Mode.FAST].remaining == 140


@pytest.mark.parametrize(("may_demote", "pool"), [(False, HEAVY), (True, BASIC)])
async def test_lower_tier_counts_only_where_it_may(
    accounts: AccountMaker, bench: Bench, *, may_demote: bool, pool: object
) -> None:
    await accounts.save("a", pool=HEAVY)

    await bench.sync("a", reading(Mode.FAST, 9), pool=BASIC, may_demote=may_demote)

    account = await accounts.look("a")
    assert account.pool == pool
    assert account.windows[Mode.FAST].remaining == 9


@pytest.mark.parametrize(("left", "status"), [(5, Status.ACTIVE), (0, Status.EXHAUSTED)])
async def test_units_revive_who_was_used_up(
    accounts: AccountMaker, bench: Bench, left: int, status: Status
) -> None:
    await accounts.save("a")
    await accounts.end(await accounts.lease("l1"), Outcome.USED_UP, cooldown_s=999, reason="x")

    await bench.sync("a", reading(Mode.FAST, left))

    assert (await accounts.look("a")).status is status


@pytest.mark.parametrize("is_revival", [False, True])
@pytest.mark.parametrize("outcome", [Outcome.UNAUTHORIZED, Outcome.UNCONFIRMED])
async def test_proof_that_the_session_works_revives(
    accounts: AccountMaker, bench: Bench, view: KeyView, outcome: Outcome, *, is_revival: bool
) -> None:
    await accounts.save("a")
    await accounts.end(await accounts.lease("l1"), outcome, cooldown_s=999)
    before = (await accounts.look("a")).status

    await bench.sync("a", reading(Mode.FAST, 9), is_revival=is_revival)

    account = await accounts.look("a")
    assert account.status is (Status.ACTIVE if is_revival else before)
    if is_revival:
        assert account.strikes == 0
        assert await view.members(keys.timers()) == ["window fast a"]
        assert not account.is_on_trial


async def test_disabled_account_is_not_revived(
    accounts: AccountMaker, bench: Bench, store: AccountStore
) -> None:
    await accounts.save("a")
    await store.set_status(A, Status.DISABLED)

    await bench.sync("a", reading(Mode.FAST, 9), is_revival=True)

    assert (await accounts.look("a")).status is Status.DISABLED


async def test_deleted_account_is_unknown(
    accounts: AccountMaker, bench: Bench, store: AccountStore, view: KeyView
) -> None:
    await accounts.save("a")
    await store.set_status(A, Status.DELETED)
    before = await view.dump()

    assert await bench.sync("a", reading(Mode.FAST, 9)) == Unknown()
    assert await bench.sync("b", reading(Mode.FAST, 9)) == Unknown()

    assert await view.dump() == before


async def test_fresh_units_go_to_who_waits(
    accounts: AccountMaker, bench: Bench, view: KeyView
) -> None:
    accounts.policy = msgspec.structs.replace(accounts.policy, wait_s=30)
    await accounts.save("a", windows=fast(1, 1))
    await accounts.lease("l1", limit=9)
    await accounts.ask("l2", limit=9)

    await bench.sync("a", reading(Mode.FAST, 9))

    assert await view.woken() == ["l2"]


async def test_leader_that_has_been_replaced_changes_nothing(
    accounts: AccountMaker, bench: Bench, view: KeyView, redis: RedisClient
) -> None:
    await accounts.save("a")
    leaders = LeaderStore(redis, now_ms=NOW_MS)
    first = await leaders.campaign("a", ttl_s=10)
    assert isinstance(first, Elected)
    leaders.now_ms += 10_000
    second = await leaders.campaign("b", ttl_s=10)
    assert isinstance(second, Elected)
    report = QuotaReport((reading(Mode.FAST, 1),), {})
    finding = Finding(report=report, next_in_s=1)
    before = await view.dump()

    assert await bench.edits.sync(A, finding, epoch=first.epoch) == StaleEpoch()

    assert await view.dump() == before
    assert isinstance(await bench.edits.sync(A, finding, epoch=second.epoch), Synced)
