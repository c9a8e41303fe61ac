"""account/acquire: the right account, one round trip, nothing forgotten."""

import random
from collections import Counter
from itertools import count

import msgspec
import pytest

from grok2api.domain.account import Lease, Mode, Outcome, Status
from grok2api.domain.ids import AccountId
from grok2api.domain.quota import Credits, Source, Window
from grok2api.domain.selection import Strategy
from grok2api.store import keys
from grok2api.store.accounts import AccountStore, NoneReady, Poisonous, WaitingInLine
from tests.conftest import BASIC, PLENTY, AccountMaker
from tests.lua.account.conftest import HEAVY, SUPER, Bench, fast, reading
from tests.lua.conftest import NOW_MS, KeyView

A, B = AccountId("a"), AccountId("b")


@pytest.fixture(autouse=True)
def _held_time(bench: Bench) -> None:
    """Time stands still unless a test moves it."""


@pytest.fixture(autouse=True)
def _fixed_seeds() -> None:
    random.seed(7)  # the seeds of the strategies that draw


def use(accounts: AccountMaker, strategy: Strategy, **policy: object) -> None:
    changed = {"strategy": strategy} | policy
    accounts.policy = msgspec.structs.replace(accounts.policy, **changed)


async def draw(accounts: AccountMaker, times: int, **wish: object) -> Counter[str]:
    """Return who serves so many requests, one after the other, none of which costs anything."""
    names: Counter[str] = Counter()
    for n in range(times):
        lease = await accounts.lease(f"d{n}", **wish)
        await accounts.end(lease, Outcome.FAILED)
        names[lease.account_id] += 1
    return names


async def test_lease_carries_all_that_a_request_needs(
    store: AccountStore, accounts: AccountMaker, view: KeyView
) -> None:
    await accounts.save("a")
    await store.set_user_id(A, "user-1")

    lease = await accounts.lease("l1")

    assert (lease.id, lease.account_id, lease.pool, lease.mode) == ("l1", "a", BASIC, Mode.FAST)
    assert lease.credentials.session == "session-of-a"
    assert lease.user_id == "user-1"
    assert lease.expires_at_s == NOW_MS / 1000 + 60
    assert await view.scores(keys.timers()) == {
        "lease l1": NOW_MS + 60_000,
        "window fast a": NOW_MS + 86_400_000,
    }
    assert list(await view.unpacked(keys.leases())) == ["l1"]
    assert await view.counts() == {"total": 1, "active": 1, "open": 1, "granted": 1}


async def test_units_are_held_from_the_grant_on(accounts: AccountMaker) -> None:
    await accounts.save("a")

    await accounts.lease("l1", units=4)

    window = (await accounts.look("a")).windows[Mode.FAST]
    assert (window.remaining, window.held, window.total) == (26, 4, 30)


# --- strategies


async def test_max_quota_takes_the_largest_share_for_each_open_request(
    accounts: AccountMaker,
) -> None:
    await accounts.save("a", windows=fast(30, 100))
    await accounts.save("b", windows=fast(100, 100))
    await accounts.save("c", windows=fast(60, 100))

    names = [(await accounts.lease(f"l{n}", limit=9)).account_id for n in range(4)]

    assert names == ["b", "c", "b", "b"]  # 100%, 60%, 99% / 2, 98% / 3


async def test_max_quota_takes_of_equals_the_one_idle_for_longest(accounts: AccountMaker) -> None:
    await accounts.save("a", "b", "c", windows=PLENTY)
    first = [await accounts.lease(f"l{n}") for n in range(3)]
    for lease in (first[1], first[0], first[2]):
        await accounts.end(lease)

    names = [(await accounts.lease(f"m{n}")).account_id for n in range(3)]

    assert names == [lease.account_id for lease in first]
    assert sorted(names) == ["a", "b", "c"]


async def test_lru_takes_the_one_idle_for_longest_whatever_is_left(
    accounts: AccountMaker, bench: Bench
) -> None:
    use(accounts, Strategy.LRU)
    await accounts.ask("x")  # from now on
    await accounts.save("a", windows=fast(30, 100))
    await accounts.save("b", windows=fast(100, 100))
    names = []
    for n in range(6):
        lease = await accounts.lease(f"l{n}", limit=9)
        names.append(lease.account_id)
        if n % 2:
            await accounts.end(lease)

    assert names == ["a", "b"] * 3


@pytest.mark.parametrize("pool_size", [5, 40])
async def test_random_is_even(accounts: AccountMaker, pool_size: int) -> None:
    use(accounts, Strategy.RANDOM)
    await accounts.save(*(f"a{n}" for n in range(pool_size)), windows=PLENTY)

    names = await draw(accounts, 10 * pool_size)

    assert len(names) == pool_size
    assert max(names.values()) <= 25


@pytest.mark.parametrize("others", [1, 20])
async def test_weighted_follows_the_free_units(accounts: AccountMaker, others: int) -> None:
    use(accounts, Strategy.WEIGHTED)
    await accounts.save("rich", windows=fast(300 * others, 300 * others))
    await accounts.save(*(f"poor{n}" for n in range(others)), windows=fast(100, 300))

    names = await draw(accounts, 200)

    if others == 1:  # the draw is exact: 3 of 4
        assert 130 <= names["rich"] <= 170
    else:  # among 8 drawn of 21, those with more come first
        assert names["rich"] > 3 * max(n for name, n in names.items() if name != "rich")


@pytest.mark.parametrize("strategy", list(Strategy))
async def test_no_account_is_a_hot_spot(accounts: AccountMaker, strategy: Strategy) -> None:
    use(accounts, strategy)
    await accounts.save(*(f"a{n}" for n in range(30)), windows=PLENTY)

    names = Counter([(await accounts.lease(f"l{n}", limit=60)).account_id for n in range(60)])

    assert max(names.values()) <= (2 if strategy in (Strategy.MAX_QUOTA, Strategy.LRU) else 8)


@pytest.mark.parametrize("strategy", list(Strategy))
async def test_every_strategy_finds_the_last_slot(
    accounts: AccountMaker, strategy: Strategy
) -> None:
    use(accounts, strategy)
    await accounts.save(*(f"a{n}" for n in range(25)))

    names = [(await accounts.lease(f"l{n}")).account_id for n in range(25)]

    assert len(set(names)) == 25
    assert isinstance(await accounts.ask("x"), NoneReady)


@pytest.mark.parametrize("strategy", list(Strategy))
async def test_every_strategy_obeys_exclusion(accounts: AccountMaker, strategy: Strategy) -> None:
    use(accounts, strategy)
    await accounts.save(*(f"a{n}" for n in range(40)))
    others = tuple(AccountId(f"a{n}") for n in range(40) if n != 17)

    assert (await accounts.lease("l1", exclude=others)).account_id == "a17"
    assert isinstance(await accounts.ask("l2", exclude=(*others, AccountId("a17"))), NoneReady)


@pytest.mark.parametrize("strategy", list(Strategy))
async def test_cost_of_4_passes_over_windows_with_fewer_units(
    accounts: AccountMaker, strategy: Strategy
) -> None:
    use(accounts, strategy)
    await accounts.save(*(f"poor{n}" for n in range(30)), windows=fast(3, 3))
    await accounts.save("rich", windows=fast(5, 50))

    assert (await accounts.lease("l1", units=4, limit=9)).account_id == "rich"
    assert isinstance(await accounts.ask("l2", units=4, limit=9), NoneReady)
    assert (await accounts.lease("l3", limit=9)).account_id.startswith("poor")


async def test_full_windows_come_before_those_that_are_nearly_empty(
    accounts: AccountMaker,
) -> None:
    await accounts.save("poor", windows=fast(3, 3))
    await accounts.save("rich", windows=fast(4, 400))

    names = [(await accounts.lease(f"l{n}", limit=9)).account_id for n in range(2)]

    assert names == ["rich", "poor"]


async def test_new_strategy_holds_from_the_next_request_on(
    accounts: AccountMaker, bench: Bench
) -> None:
    await accounts.save("a", windows=fast(90, 100))
    await accounts.save("b", windows=fast(10, 100))
    for n in range(3):
        await accounts.end(await accounts.lease(f"l{n}"))
    use(accounts, Strategy.LRU)
    await accounts.lease("m1")

    await bench.timers.reap()

    assert (await accounts.lease("m2", limit=9)).account_id == "b"


# --- exclusion, tags, modes, pools


async def test_nothing_is_ready_when_all_are_excluded(accounts: AccountMaker) -> None:
    await accounts.save("a")

    reply = await accounts.ask("l1", exclude=(A,))

    assert reply == NoneReady(None, has_accounts=True, has_usable=True)


async def test_tags_choose_any_of_them(accounts: AccountMaker) -> None:
    await accounts.save("plain")
    await accounts.save("blue", tags=("blue", "cold"))
    await accounts.save("red", tags=("red",))

    names = [(await accounts.lease(f"l{n}", tags=("red", "blue"))).account_id for n in range(2)]

    assert set(names) == {"red", "blue"}
    assert isinstance(await accounts.ask("l3", tags=("red", "blue")), NoneReady)
    assert (await accounts.lease("l4")).account_id == "plain"


async def test_no_tag_of_several_is_drained_before_the_others(accounts: AccountMaker) -> None:
    await accounts.save("blue", tags=("blue",))
    await accounts.save("red", tags=("red",))

    leases = [await accounts.lease(f"l{n}", limit=20, tags=("red", "blue")) for n in range(20)]

    # With 20 draws, one in half a million runs finds only one of them.
    assert {lease.account_id for lease in leases} == {"red", "blue"}


async def test_tag_that_no_account_ever_had_matches_none(accounts: AccountMaker) -> None:
    await accounts.save("a", tags=("blue",))

    reply = await accounts.ask("l1", tags=("green",))

    assert reply == NoneReady(None, has_accounts=False, has_usable=False)
    assert (await accounts.lease("l2", tags=("green", "blue"))).account_id == "a"


async def test_modes_are_tried_in_their_order(accounts: AccountMaker) -> None:
    windows = {
        Mode.AUTO: Window(1, 50, 7200, Source.REAL),
        Mode.EXPERT: Window(1, 50, 7200, Source.REAL),
    }
    await accounts.save("a", pool=SUPER, windows=windows)
    wish = {"pools": (SUPER,), "modes": (Mode.AUTO, Mode.EXPERT, Mode.FAST), "limit": 9}

    modes = [(await accounts.lease(f"l{n}", **wish)).mode for n in range(4)]

    assert modes == [Mode.AUTO, Mode.EXPERT, Mode.FAST, Mode.FAST]


async def test_first_mode_of_any_pool_comes_before_the_second_mode(
    accounts: AccountMaker,
) -> None:
    await accounts.save("s", pool=SUPER)
    await accounts.save("h", pool=HEAVY)

    lease = await accounts.lease("l1", pools=(SUPER, HEAVY), modes=(Mode.HEAVY, Mode.AUTO))

    assert (lease.account_id, lease.mode) == ("h", Mode.HEAVY)


async def test_pools_are_tried_in_their_order(accounts: AccountMaker) -> None:
    await accounts.save("a")
    await accounts.save("s", pool=SUPER)

    leases = [await accounts.lease(f"l{n}", pools=(HEAVY, SUPER, BASIC)) for n in range(2)]

    assert [(lease.account_id, lease.pool) for lease in leases] == [("s", SUPER), ("a", BASIC)]


async def test_pools_that_were_not_named_are_not_used(accounts: AccountMaker) -> None:
    await accounts.save("a")

    reply = await accounts.ask("l1", pools=(HEAVY, SUPER))

    assert reply == NoneReady(None, has_accounts=False, has_usable=False)


# --- limits


async def test_full_account_comes_back_with_its_first_free_slot(accounts: AccountMaker) -> None:
    await accounts.save("a")
    leases = [await accounts.lease(f"l{n}", limit=2) for n in range(2)]
    assert await accounts.ask("x", limit=2) == NoneReady(60.0, has_accounts=True, has_usable=True)

    await accounts.end(leases[0])

    assert isinstance(await accounts.ask("y", limit=2), Lease)
    assert isinstance(await accounts.ask("z", limit=2), NoneReady)


@pytest.mark.parametrize("strategy", list(Strategy))
async def test_lowered_general_limit_holds_at_once(
    accounts: AccountMaker, strategy: Strategy
) -> None:
    use(accounts, strategy)
    await accounts.save("a", windows=PLENTY)
    leases = [await accounts.lease(f"l{n}", limit=9) for n in range(3)]
    got = []

    for n, lease in enumerate(leases):
        got.append(isinstance(await accounts.ask(f"m{n}", limit=2), Lease))
        await accounts.end(lease)
    got.append(isinstance(await accounts.ask("x", limit=2), Lease))

    assert got == [False, False, True, True]


async def test_raised_general_limit_holds_from_the_next_release_on(
    accounts: AccountMaker,
) -> None:
    await accounts.save("a")
    first = await accounts.lease("l1", limit=1)
    await accounts.end(first)
    await accounts.lease("l2", limit=2)

    assert isinstance(await accounts.ask("l3", limit=2), Lease)


async def test_own_limit_goes_before_the_general_one(accounts: AccountMaker, bench: Bench) -> None:
    await accounts.save("a", max_concurrency=2)

    got = [isinstance(await accounts.ask(f"l{n}", limit=1), Lease) for n in range(3)]

    assert got == [True, True, False]
    await bench.edit("a", max_concurrency=3)
    assert isinstance(await accounts.ask("m1", limit=1), Lease)
    await bench.edit("a", max_concurrency=1)
    assert isinstance(await accounts.ask("m2", limit=9), NoneReady)


@pytest.mark.parametrize(("limit", "exclude"), [(0, 0), (2048, 0), (1, 65)])
async def test_bounds_are_checked(accounts: AccountMaker, limit: int, exclude: int) -> None:
    with pytest.raises(ValueError, match="out of bounds"):
        await accounts.ask("l1", limit=limit, exclude=(A,) * exclude)


# --- who may be handed out


@pytest.mark.parametrize("status", [s for s in Status if s is not Status.ACTIVE])
@pytest.mark.parametrize("strategy", list(Strategy))
async def test_unusable_account_is_never_handed_out(
    store: AccountStore, accounts: AccountMaker, status: Status, strategy: Strategy
) -> None:
    use(accounts, strategy, session_ttl_s=600)
    await accounts.save("a", tags=("blue",))
    await accounts.end(await accounts.lease("l1", session="s"))

    await store.set_status(A, status)

    assert isinstance(await accounts.ask("l2", session="s"), NoneReady)
    assert isinstance(await accounts.ask("l3", tags=("blue",)), NoneReady)
    reply = await accounts.ask("l4")
    assert (reply.has_accounts, reply.has_usable) == (
        status is not Status.DELETED,
        status in (Status.COOLING, Status.EXHAUSTED),
    )


async def test_window_of_unknown_size_is_usable(accounts: AccountMaker) -> None:
    await accounts.save("a", windows=fast(0, None))  # type: ignore[arg-type]

    leases = [await accounts.lease(f"l{n}", units=4, limit=50) for n in range(20)]

    window = (await accounts.look("a")).windows[Mode.FAST]
    assert (window.total, window.held) == (None, 80)
    for lease in leases:
        await accounts.end(lease)
    assert (await accounts.look("a")).status is Status.ACTIVE


async def test_account_without_credits_is_not_handed_out(
    accounts: AccountMaker, bench: Bench
) -> None:
    await accounts.save("a", pool=SUPER)
    await bench.sync("a", reading(Mode.FAST, 30), credits=Credits(0, 600.0))

    assert await accounts.ask("l1", pools=(SUPER,)) == NoneReady(600.0, True)

    bench.pass_time(600)
    assert isinstance(await accounts.ask("l1", pools=(SUPER,)), Lease)


async def test_last_unit_exhausts_until_the_window_ends(
    accounts: AccountMaker, bench: Bench
) -> None:
    await accounts.save("a", windows=fast(1, 1))
    lease = await accounts.lease("l1", limit=9)
    assert (await accounts.look("a")).status is Status.EXHAUSTED
    assert await accounts.end(lease) is Status.EXHAUSTED
    bench.pass_time(86_399)
    assert await accounts.ask("l2") == NoneReady(1.0, has_accounts=True, has_usable=True)

    bench.pass_time(1)

    assert isinstance(await accounts.ask("l2"), Lease)
    assert not (await accounts.look("a")).is_on_trial


async def test_window_that_ends_while_all_of_it_is_held_ends_again(
    accounts: AccountMaker, bench: Bench
) -> None:
    await accounts.save("a", windows=fast(1, 1))
    lease = await accounts.lease("l1", ttl_s=200_000)
    bench.pass_time(86_400)
    await bench.timers.reap()
    await accounts.end(lease)
    assert (await accounts.look("a")).status is Status.EXHAUSTED

    bench.pass_time(86_400)

    assert isinstance(await accounts.ask("l2"), Lease)


async def test_expired_leases_free_their_slots_without_a_sweeper(
    accounts: AccountMaker, bench: Bench, view: KeyView
) -> None:
    await accounts.save("a")
    for n in range(30):
        await accounts.lease(f"l{n}", limit=50)
    bench.pass_time(60)

    assert isinstance(await accounts.ask("x", limit=1), Lease)

    assert await view.counts() == {
        "total": 1, "active": 1, "open": 1, "granted": 31, "refunded": 30,
    }  # fmt: skip


async def test_no_timer_that_helps_is_told_apart(
    store: AccountStore, accounts: AccountMaker
) -> None:
    await accounts.save("a")
    await store.set_status(A, Status.DISABLED)

    assert await accounts.ask("l1") == NoneReady(None, has_accounts=True, has_usable=False)


# --- the same lease id


async def test_the_same_lease_id_gets_the_same_lease_with_a_new_lifetime(
    accounts: AccountMaker, bench: Bench, view: KeyView
) -> None:
    await accounts.save("a", "b")
    first = await accounts.lease("l1", limit=5)
    bench.pass_time(5)

    again = await accounts.lease("l1", limit=5)

    assert again == msgspec.structs.replace(first, expires_at_s=first.expires_at_s + 5)
    assert (await view.counts())["granted"] == 1


async def test_expired_lease_id_gets_a_lease_of_its_own(
    accounts: AccountMaker, bench: Bench, view: KeyView
) -> None:
    await accounts.save("a")
    await accounts.lease("l1")
    bench.pass_time(60)

    assert isinstance(await accounts.ask("l1"), Lease)

    counts = await view.counts()
    assert (counts["granted"], counts["refunded"], counts["open"]) == (2, 1, 1)


# --- affinity


async def test_session_stays_with_its_account(accounts: AccountMaker, bench: Bench) -> None:
    use(accounts, Strategy.LRU, session_ttl_s=600)
    await accounts.save("a", "b", "c")
    numbers = count()

    async def serve(session: str) -> str:
        lease = await accounts.lease(f"l{next(numbers)}", session=session)
        await accounts.end(lease)
        return str(lease.account_id)

    first, second = await serve("s"), await serve("t")

    assert first != second
    assert {await serve("s") for _ in range(4)} == {first}
    bench.pass_time(599)
    assert await serve("s") == first  # and lasts from now on
    bench.pass_time(599)
    assert await serve("s") == first


async def test_session_is_forgotten_in_time(accounts: AccountMaker, bench: Bench) -> None:
    use(accounts, Strategy.LRU, session_ttl_s=600)
    await accounts.save("a", "b")
    first = await accounts.lease("l1", session="s")
    await accounts.end(first)
    bench.pass_time(600)

    second = await accounts.lease("l2", session="s")

    assert second.account_id != first.account_id


async def test_busy_account_keeps_its_session(accounts: AccountMaker) -> None:
    use(accounts, Strategy.LRU, session_ttl_s=600)
    await accounts.save("a", "b")
    first = await accounts.lease("l1", session="s")
    other = await accounts.lease("l2", session="s")
    assert other.account_id != first.account_id
    await accounts.end(first)
    await accounts.end(other)

    assert (await accounts.lease("l3", session="s")).account_id == first.account_id


async def test_session_of_an_account_that_is_lost_moves_for_good(accounts: AccountMaker) -> None:
    use(accounts, Strategy.LRU, session_ttl_s=600)
    await accounts.save("a", "b")
    first = await accounts.lease("l1", session="s")
    await accounts.end(first, Outcome.RATE_LIMITED, cooldown_s=1)
    second = await accounts.lease("l2", session="s")
    await accounts.end(second)

    assert second.account_id != first.account_id
    assert (await accounts.lease("l3", session="s")).account_id == second.account_id


async def test_request_that_starts_a_session_is_free_to_choose(accounts: AccountMaker) -> None:
    use(accounts, Strategy.LRU, session_ttl_s=600)
    await accounts.save("a", "b")
    await accounts.end(await accounts.lease("l1", session="s"))

    second = await accounts.lease("l2", session="s", starts_session=True)
    await accounts.end(second)

    assert second.account_id == "b"
    assert (await accounts.lease("l3", session="s")).account_id == "b"


async def test_session_of_who_waited_stays_with_the_account_it_got(
    accounts: AccountMaker, bench: Bench
) -> None:
    use(accounts, Strategy.LRU, session_ttl_s=600, wait_s=30.0)
    await accounts.save("a")
    blocker = await accounts.lease("l1")
    assert isinstance(await accounts.ask("l2", session="s"), WaitingInLine)
    await accounts.end(blocker)
    await accounts.save("b")
    await accounts.end(await accounts.lease("l2", session="s"))

    assert (await accounts.lease("l3", session="s")).account_id == "a"


async def test_sessions_are_not_kept_where_affinity_is_off(
    accounts: AccountMaker, view: KeyView
) -> None:
    await accounts.save("a")

    await accounts.lease("l1", session="s")

    assert await view.hash(keys.sessions()) == {}


# --- prompts that hurt, demand


async def test_prompt_is_refused_for_ten_minutes(accounts: AccountMaker, view: KeyView) -> None:
    await accounts.save("a", "b", "c", "d")
    for n in range(3):
        lease = await accounts.lease(f"l{n}", fingerprint="f")
        await accounts.end(lease, Outcome.UNCONFIRMED, cooldown_s=60, fingerprint="f")

    reply = await accounts.ask("x", fingerprint="f")

    assert isinstance(reply, Poisonous)
    assert 590_000 < reply.retry_after_ms <= 600_000
    assert (await accounts.look("d")).open_leases == 0


async def test_request_that_finds_none_asks_for_fresh_numbers_once_in_a_while(
    accounts: AccountMaker, bench: Bench, view: KeyView
) -> None:
    use(accounts, Strategy.MAX_QUOTA, demand_interval_s=60.0)
    await accounts.save("a", windows=fast(0))
    await accounts.ask("l1")
    first = (await view.hash(keys.account_meta()))["demanded"]
    bench.pass_time(59)
    await accounts.ask("l2")
    second = (await view.hash(keys.account_meta()))["demanded"]
    bench.pass_time(1)
    await accounts.ask("l3")
    third = (await view.hash(keys.account_meta()))["demanded"]

    assert (first, second, third) == (str(NOW_MS), str(NOW_MS), str(NOW_MS + 60_000))


async def test_busy_accounts_alone_are_no_reason_to_ask_for_numbers(
    accounts: AccountMaker, view: KeyView
) -> None:
    use(accounts, Strategy.MAX_QUOTA, demand_interval_s=60.0)
    await accounts.save("a")
    await accounts.lease("l1")

    await accounts.ask("l2")

    assert "demanded" not in await view.hash(keys.account_meta())
