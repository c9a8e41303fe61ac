"""account/release: a lease ends once, and its outcome does what it must to the account."""

import pytest

from grok2api.domain.account import Lease, Mode, Outcome, Status
from grok2api.domain.ids import AccountId
from grok2api.domain.quota import Source
from grok2api.store import keys
from grok2api.store.accounts import AccountStore, NoneReady, Poisonous
from tests.conftest import AccountMaker
from tests.lua.account.conftest import SUPER, Bench, fast, reading
from tests.lua.conftest import NOW_MS, KeyView

A = AccountId("a")
NOW_S = NOW_MS / 1000
DAY_S = 86_400


async def lease_of(accounts: AccountMaker, number: int, **wish: object) -> Lease:
    return await accounts.lease(f"l{number}", **({"limit": 8} | wish))


async def test_success_settles_what_was_granted(
    store: AccountStore, accounts: AccountMaker, view: KeyView
) -> None:
    await accounts.save("a")
    lease = await accounts.lease("l1", units=4)

    assert await accounts.end(lease) is Status.ACTIVE

    account = await accounts.look("a")
    window = account.windows[Mode.FAST]
    assert (account.uses, account.failures, account.open_leases) == (1, 0, 0)
    assert (window.remaining, window.held, window.reset_at_s) == (26, 0, NOW_S + DAY_S)
    assert await view.counts() == {"total": 1, "active": 1, "granted": 4, "settled": 4}
    assert await view.hash(keys.leases()) == {}
    assert await view.members(keys.timers()) == ["window fast a"]


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.CANCELLED])
@pytest.mark.parametrize("is_used", [False, True])
async def test_nobodys_fault_leaves_the_account_alone(
    store: AccountStore, accounts: AccountMaker, view: KeyView, outcome: Outcome, *, is_used: bool
) -> None:
    await accounts.save("a")
    lease = await accounts.lease("l1", units=4)

    assert await accounts.end(lease, outcome, is_used=is_used, reason="x") is Status.ACTIVE

    account = await accounts.look("a")
    assert (account.strikes, account.failures, account.last_fault) == (0, 0, "")
    assert account.windows[Mode.FAST].remaining == (26 if is_used else 30)
    counts = await view.counts()
    assert (counts.get("settled", 0), counts.get("refunded", 0)) == ((4, 0) if is_used else (0, 4))


@pytest.mark.parametrize(
    ("named_s", "rest_s", "window_s"), [(0.0, 900, DAY_S), (60.0, 60, 60), (99_999, 99_999, 99_999)]
)
async def test_rate_limit_empties_the_window_and_cools_the_account(
    store: AccountStore, accounts: AccountMaker, named_s: float, rest_s: float, window_s: float
) -> None:
    await accounts.save("a", pool=SUPER)
    lease = await accounts.lease("l1", pools=(SUPER,), modes=(Mode.AUTO,))

    how = {"cooldown_s": named_s, "reason": "rate_limited"}
    assert await accounts.end(lease, Outcome.RATE_LIMITED, **how) is Status.COOLING

    account = await accounts.look("a")
    assert (account.reason, account.until_s) == ("rate_limited", NOW_S + rest_s)
    assert (account.strikes, account.failures, account.last_fault) == (1, 1, "rate_limited")
    assert account.failed_at_s == NOW_S
    window = account.windows[Mode.AUTO]
    assert (window.remaining, window.held, window.source) == (0, 0, Source.ESTIMATED)
    assert window.reset_at_s == NOW_S + (window_s if named_s else 7200)
    assert account.windows[Mode.FAST].remaining == 140


async def test_known_end_of_the_window_holds_where_no_time_is_named(
    store: AccountStore, accounts: AccountMaker, bench: Bench
) -> None:
    await accounts.save("a", windows=fast(5, reset_at_s=NOW_S + 77))

    await accounts.end(await accounts.lease("l1"), Outcome.RATE_LIMITED)

    assert (await accounts.look("a")).windows[Mode.FAST].reset_at_s == NOW_S + 77


async def test_rest_doubles_with_each_failure_up_to_the_longest(
    store: AccountStore, accounts: AccountMaker, bench: Bench
) -> None:
    await accounts.save("a")
    rests = []
    for n in range(5):
        lease = await lease_of(accounts, n)
        await accounts.end(lease, Outcome.RATE_LIMITED, first_rest_s=10, longest_rest_s=60)
        before_s = store.now_ms / 1000
        rests.append(round((await accounts.look("a")).until_s - before_s))
        bench.pass_time(DAY_S)

    assert rests == [10, 20, 40, 60, 60]


async def test_success_ends_the_row_of_failures(
    store: AccountStore, accounts: AccountMaker, bench: Bench
) -> None:
    await accounts.save("a")
    outcomes = (Outcome.RATE_LIMITED, Outcome.RATE_LIMITED, Outcome.OK, Outcome.RATE_LIMITED)
    for n, outcome in enumerate(outcomes):
        await accounts.end(await lease_of(accounts, n), outcome, first_rest_s=10)
        bench.pass_time(DAY_S)

    assert (await accounts.look("a")).strikes == 1


async def test_failures_of_one_moment_are_one_strike(
    store: AccountStore, accounts: AccountMaker, bench: Bench
) -> None:
    await accounts.save("a")
    leases = [await lease_of(accounts, n) for n in range(4)]
    bench.pass_time(1)

    for lease in leases:
        assert await accounts.end(lease, Outcome.UNCONFIRMED, cooldown_s=60) is Status.COOLING

    account = await accounts.look("a")
    assert (account.strikes, account.failures) == (1, 4)


async def test_longer_rest_is_not_cut_by_a_shorter_one(
    store: AccountStore, accounts: AccountMaker
) -> None:
    await accounts.save("a")
    first, second = [await lease_of(accounts, n) for n in range(2)]
    await accounts.end(first, Outcome.RATE_LIMITED, cooldown_s=600)

    await accounts.end(second, Outcome.UNCONFIRMED, cooldown_s=60)

    assert (await accounts.look("a")).until_s == NOW_S + 600


async def test_rest_without_an_end_is_not_cut_at_all(
    store: AccountStore, accounts: AccountMaker
) -> None:
    await accounts.save("a")
    lease = await accounts.lease("l1")
    await store.set_status(A, Status.COOLING)

    assert await accounts.end(lease, Outcome.RATE_LIMITED, cooldown_s=60) is Status.COOLING

    assert (await accounts.look("a")).until_s == 0


async def test_empty_window_leaves_other_modes_alone(
    store: AccountStore, accounts: AccountMaker
) -> None:
    await accounts.save("a", pool=SUPER)
    lease = await accounts.lease("l1", pools=(SUPER,), modes=(Mode.AUTO,))

    assert await accounts.end(lease, Outcome.WINDOW_EMPTY, cooldown_s=60) is Status.ACTIVE

    assert isinstance(await accounts.ask("l2", pools=(SUPER,), modes=(Mode.AUTO,)), NoneReady)
    assert isinstance(await accounts.ask("l2", pools=(SUPER,), modes=(Mode.FAST,)), Lease)


async def test_last_empty_window_exhausts_the_account(
    store: AccountStore, accounts: AccountMaker
) -> None:
    await accounts.save("a")

    lease = await accounts.lease("l1")
    assert await accounts.end(lease, Outcome.WINDOW_EMPTY, cooldown_s=60) is Status.EXHAUSTED

    account = await accounts.look("a")
    assert (account.reason, account.until_s) == ("quota", NOW_S + 60)


@pytest.mark.parametrize("outcome", [Outcome.RATE_LIMITED, Outcome.WINDOW_EMPTY])
async def test_limit_brings_the_next_quota_call_forward(
    store: AccountStore, accounts: AccountMaker, bench: Bench, view: KeyView, outcome: Outcome
) -> None:
    await accounts.save("a")
    await bench.sync("a", next_in_s=9999)

    await accounts.end(await accounts.lease("l1"), outcome, first_rest_s=100)

    assert await view.scores(keys.refresh()) == {"a": NOW_MS + 100_000}


async def test_used_up_account_is_exhausted_until_then(
    store: AccountStore, accounts: AccountMaker, bench: Bench
) -> None:
    await accounts.save("a", pool=SUPER)
    lease = await accounts.lease("l1", pools=(SUPER,))

    how = {"cooldown_s": 500, "reason": "used_up"}
    assert await accounts.end(lease, Outcome.USED_UP, **how) is Status.EXHAUSTED

    account = await accounts.look("a")
    assert (account.reason, account.until_s) == ("used_up", NOW_S + 500)
    bench.pass_time(500)
    assert isinstance(await accounts.ask("l2", pools=(SUPER,)), Lease)


async def test_forbidden_mode_rests_and_the_others_go_on(
    store: AccountStore, accounts: AccountMaker, bench: Bench
) -> None:
    await accounts.save("a", pool=SUPER)
    lease = await accounts.lease("l1", pools=(SUPER,), modes=(Mode.AUTO,))

    assert await accounts.end(lease, Outcome.FORBIDDEN, cooldown_s=300) is Status.ACTIVE

    assert (await accounts.look("a")).windows[Mode.AUTO].rests_until_s == NOW_S + 300
    assert isinstance(await accounts.ask("l2", pools=(SUPER,), modes=(Mode.AUTO,)), NoneReady)
    assert isinstance(await accounts.ask("l3", pools=(SUPER,), modes=(Mode.FAST,)), Lease)
    bench.pass_time(300)
    assert isinstance(await accounts.ask("l2", pools=(SUPER,), modes=(Mode.AUTO,)), Lease)


async def test_third_refusal_in_a_row_disables(
    store: AccountStore, accounts: AccountMaker, bench: Bench
) -> None:
    await accounts.save("a")
    statuses = []
    for n in range(3):
        lease = await lease_of(accounts, n)
        statuses.append(await accounts.end(lease, Outcome.FORBIDDEN, cooldown_s=300, reason="no"))
        bench.pass_time(300)

    assert statuses == [Status.ACTIVE, Status.ACTIVE, Status.DISABLED]
    assert (await accounts.look("a")).reason == "no"


async def test_refusals_of_other_kinds_do_not_add_up(
    store: AccountStore, accounts: AccountMaker, bench: Bench
) -> None:
    await accounts.save("a")
    outcomes = (Outcome.FORBIDDEN, Outcome.UNCONFIRMED) * 3
    for n, outcome in enumerate(outcomes):
        await accounts.end(await lease_of(accounts, n), outcome, cooldown_s=300)
        bench.pass_time(300)
        await bench.timers.reap()

    assert (await accounts.look("a")).status is Status.ACTIVE


async def test_second_unconfirmed_refusal_expires(
    store: AccountStore, accounts: AccountMaker, bench: Bench
) -> None:
    await accounts.save("a")
    first = await accounts.end(await lease_of(accounts, 1), Outcome.UNCONFIRMED, cooldown_s=60)
    bench.pass_time(60)

    second = await accounts.end(await lease_of(accounts, 2), Outcome.UNCONFIRMED, cooldown_s=60)

    assert (first, second) == (Status.COOLING, Status.EXPIRED)
    assert (await accounts.look("a")).until_s == 0


async def test_proven_refusal_expires_at_once(
    store: AccountStore, accounts: AccountMaker, view: KeyView
) -> None:
    await accounts.save("a")

    lease = await accounts.lease("l1")
    assert await accounts.end(lease, Outcome.UNAUTHORIZED, reason="bad") is Status.EXPIRED

    assert (await accounts.look("a")).reason == "bad"
    assert await view.ready() == []


@pytest.mark.parametrize("outcome", [o for o in Outcome if o is not Outcome.OK])
@pytest.mark.parametrize("status", [Status.DISABLED, Status.DELETED])
async def test_no_outcome_overrules_the_operator(
    store: AccountStore, accounts: AccountMaker, outcome: Outcome, status: Status
) -> None:
    await accounts.save("a")
    lease = await accounts.lease("l1")
    await store.set_status(A, status, reason="by_hand")

    assert await accounts.end(lease, outcome, cooldown_s=60, reason="x") is status

    assert (await accounts.look("a")).reason == "by_hand"


async def test_account_on_trial_serves_one_at_a_time_until_one_goes_well(
    store: AccountStore, accounts: AccountMaker, bench: Bench
) -> None:
    await accounts.save("a", pool=SUPER)
    wish = {"pools": (SUPER,), "limit": 8}
    await accounts.end(await lease_of(accounts, 0, **wish), Outcome.USED_UP, cooldown_s=60)
    bench.pass_time(60)
    for n, outcome in enumerate((Outcome.FAILED, Outcome.CANCELLED, Outcome.OK), 1):
        lease = await lease_of(accounts, n, **wish)
        assert (await accounts.look("a")).is_on_trial
        assert isinstance(await accounts.ask("x", **wish), NoneReady)  # type: ignore[arg-type]
        await accounts.end(lease, outcome)

    assert not (await accounts.look("a")).is_on_trial
    assert [(await lease_of(accounts, n, **wish)).account_id for n in (7, 8)] == ["a", "a"]


async def test_units_come_back_before_the_window_ends_and_the_number_after(
    store: AccountStore, accounts: AccountMaker, bench: Bench
) -> None:
    await accounts.save("a")
    first, second = [await lease_of(accounts, n, ttl_s=200_000, units=4) for n in range(2)]
    await accounts.end(first, Outcome.FAILED)
    assert (await accounts.look("a")).windows[Mode.FAST].remaining == 26
    bench.pass_time(DAY_S)
    await bench.timers.reap()
    assert (await accounts.look("a")).windows[Mode.FAST].remaining == 26

    await accounts.end(second, Outcome.FAILED)

    assert (await accounts.look("a")).windows[Mode.FAST].remaining == 30


async def test_emptied_window_gets_nothing_back(
    store: AccountStore, accounts: AccountMaker, bench: Bench, view: KeyView
) -> None:
    await accounts.save("a")
    first, second = [await lease_of(accounts, n) for n in range(2)]
    bench.pass_time(1)
    await accounts.end(first, Outcome.WINDOW_EMPTY, cooldown_s=600)

    await accounts.end(second, Outcome.FAILED)

    window = (await accounts.look("a")).windows[Mode.FAST]
    assert (window.remaining, window.held) == (0, 0)
    assert (await view.counts())["refunded"] == 2


async def test_refund_after_a_reading_comes_back_once(
    store: AccountStore, accounts: AccountMaker, bench: Bench
) -> None:
    await accounts.save("a")
    lease = await accounts.lease("l1", units=4)
    await bench.sync("a", reading(Mode.FAST, 10))

    await accounts.end(lease, Outcome.FAILED)

    assert (await accounts.look("a")).windows[Mode.FAST].remaining == 10


async def test_window_of_unknown_size_is_known_to_be_empty(
    store: AccountStore, accounts: AccountMaker, bench: Bench
) -> None:
    await accounts.save("a", windows=fast(0, None))  # type: ignore[arg-type]
    lease = await accounts.lease("l1")

    assert await accounts.end(lease, Outcome.WINDOW_EMPTY, cooldown_s=60) is Status.EXHAUSTED

    bench.pass_time(60)
    assert isinstance(await accounts.ask("l2"), Lease)


async def test_second_release_changes_nothing(
    store: AccountStore, accounts: AccountMaker, view: KeyView
) -> None:
    await accounts.save("a")
    lease = await accounts.lease("l1")
    await accounts.end(lease)
    before = await view.dump()

    assert await accounts.end(lease, Outcome.UNAUTHORIZED) is None

    assert await view.dump() == before


@pytest.mark.parametrize("outcome", [Outcome.OK, Outcome.UNAUTHORIZED])
async def test_release_after_expiry_only_gives_back(
    store: AccountStore, accounts: AccountMaker, bench: Bench, view: KeyView, outcome: Outcome
) -> None:
    await accounts.save("a")
    lease = await accounts.lease("l1")
    bench.pass_time(60)

    assert await accounts.end(lease, outcome) is None

    account = await accounts.look("a")
    assert (account.status, account.uses, account.open_leases) == (Status.ACTIVE, 0, 0)
    assert account.windows[Mode.FAST].remaining == 30
    assert await view.counts() == {"total": 1, "active": 1, "granted": 1, "refunded": 1}


async def test_poisonous_prompt_spares_the_fourth_account(
    store: AccountStore, accounts: AccountMaker, bench: Bench
) -> None:
    await accounts.save("a", "b", "c", "d", "e")
    leases = [await accounts.lease(f"l{n}", fingerprint="f") for n in range(4)]

    for lease in leases:
        await accounts.end(lease, Outcome.FORBIDDEN, cooldown_s=300, fingerprint="f")

    hurt = [(await accounts.look(lease.account_id)).strikes for lease in leases]
    assert hurt == [1, 1, 1, 0]
    assert isinstance(await accounts.ask("x", fingerprint="f"), Poisonous)
    assert isinstance(await accounts.ask("y", fingerprint="g"), Lease)
    assert isinstance(await accounts.ask("z"), Lease)


async def test_one_account_hurt_often_does_not_make_a_prompt_poisonous(
    store: AccountStore, accounts: AccountMaker, bench: Bench
) -> None:
    await accounts.save("a")
    for n in range(2):
        lease = await accounts.lease(f"l{n}", fingerprint="f")
        await accounts.end(lease, Outcome.FORBIDDEN, cooldown_s=3, fingerprint="f")
        bench.pass_time(3)

    assert isinstance(await accounts.ask("x", fingerprint="f"), Lease)
