"""account/reap: what is due is done when nobody asks, by whoever may."""

import msgspec
import pytest

from grok2api.domain.account import Lease, Mode, Outcome, Status
from grok2api.domain.ids import AccountId
from grok2api.domain.quota import Credits, Source
from grok2api.domain.selection import Strategy
from grok2api.store import keys
from grok2api.store.account_replies import StaleEpoch
from grok2api.store.accounts import AccountStore, WaitingInLine
from grok2api.store.connection import RedisClient
from grok2api.store.leader import Elected, LeaderStore
from tests.conftest import AccountMaker
from tests.lua.account.conftest import SUPER, Bench, fast, reading
from tests.lua.conftest import NOW_MS, KeyView

A = AccountId("a")


async def test_lease_that_ran_out_gives_its_units_back(
    accounts: AccountMaker, bench: Bench, view: KeyView
) -> None:
    await accounts.save("a")
    await accounts.lease("l1", limit=4, units=4)
    await accounts.lease("l2", limit=4, ttl_s=120)
    bench.pass_time(60)

    assert await bench.timers.reap() == 1

    account = await accounts.look("a")
    window = account.windows[Mode.FAST]
    assert (account.open_leases, window.remaining, window.held) == (1, 29, 1)
    assert list(await view.unpacked(keys.leases())) == ["l2"]
    assert await view.counts() == {
        "total": 1, "active": 1, "open": 1, "granted": 5, "refunded": 4,
    }  # fmt: skip


async def test_window_that_ends_is_full_but_for_what_is_held(
    accounts: AccountMaker, bench: Bench
) -> None:
    await accounts.save("a")
    await accounts.end(await accounts.lease("l1", units=4))
    await accounts.lease("l2", units=4, ttl_s=99_999)
    await bench.sync("a", reading(Mode.FAST, 9, resets_in_s=3600))
    bench.pass_time(3600)

    assert await bench.timers.reap() == 1

    window = (await accounts.look("a")).windows[Mode.FAST]
    assert (window.remaining, window.held, window.source) == (26, 4, Source.ESTIMATED)


async def test_rest_of_a_mode_ends(
    accounts: AccountMaker, bench: Bench, view: KeyView, store: AccountStore
) -> None:
    await accounts.save("a")
    await accounts.end(await accounts.lease("l1"), Outcome.FORBIDDEN, cooldown_s=300)
    assert await view.ready() == []
    bench.pass_time(300)

    assert await bench.timers.reap() == 1

    assert await view.ready() == ["a"]
    assert "rest" not in (await view.record("a"))["windows"]["fast"]


async def test_cooled_account_is_tried_again(
    accounts: AccountMaker, bench: Bench, view: KeyView
) -> None:
    await accounts.save("a", pool=SUPER)
    lease = await accounts.lease("l1", pools=(SUPER,))
    await accounts.end(lease, Outcome.UNCONFIRMED, cooldown_s=10, reason="x")
    bench.pass_time(10)

    assert await bench.timers.reap() == 1

    account = await accounts.look("a")
    assert (account.status, account.reason, account.until_s) == (Status.ACTIVE, "", 0)
    assert account.is_on_trial
    assert await view.counts(SUPER) == {"total": 1, "active": 1, "granted": 1, "refunded": 1}


async def test_spent_credits_end(accounts: AccountMaker, bench: Bench) -> None:
    await accounts.save("a")
    await bench.sync("a", credits=Credits(0, 60.0))
    assert (await accounts.look("a")).status is Status.EXHAUSTED
    bench.pass_time(60)

    assert await bench.timers.reap() == 1

    account = await accounts.look("a")
    assert (account.status, account.credits) == (Status.ACTIVE, None)


async def test_deleted_account_is_forgotten_with_all_that_is_due(
    accounts: AccountMaker, bench: Bench, store: AccountStore, view: KeyView
) -> None:
    await accounts.save("a", pool=SUPER)
    modes = (Mode.AUTO, Mode.FAST, Mode.EXPERT)
    for mode in modes:
        await accounts.lease(f"l-{mode}", pools=(SUPER,), modes=(mode,), limit=9)
    await bench.sync("a", credits=Credits(5, 7200.0))
    await store.set_status(A, Status.DELETED, for_s=60)
    bench.pass_time(7200)

    await bench.timers.reap()

    assert await view.members(keys.timers()) == []
    assert await view.hash(keys.accounts()) == {}
    assert await view.counts(SUPER) == {"granted": 3, "refunded": 3}


async def test_request_that_waited_in_vain_leaves_the_line(
    accounts: AccountMaker, bench: Bench, view: KeyView, store: AccountStore
) -> None:
    accounts.policy = msgspec.structs.replace(accounts.policy, wait_s=30)
    await accounts.save("a")
    await accounts.lease("l1")
    assert isinstance(await accounts.ask("l2"), WaitingInLine)
    bench.pass_time(30)

    assert await bench.timers.reap() == 1

    assert await view.hash(keys.waiters()) == {}
    assert await view.members(keys.waiting()) == []
    assert set(await view.hash(keys.queues())) <= {""}


async def test_no_more_than_the_limit_is_done_at_once(
    accounts: AccountMaker, bench: Bench, store: AccountStore
) -> None:
    await accounts.save("a", "b", "c")
    for name in ("l1", "l2", "l3"):
        await accounts.lease(name)
    bench.pass_time(60)

    done = [await bench.timers.reap(limit=2) for _ in range(3)]

    assert done == [2, 1, 0]


async def test_new_strategy_puts_all_into_its_order_bit_by_bit(
    accounts: AccountMaker, bench: Bench, view: KeyView, store: AccountStore
) -> None:
    names = [f"a{n}" for n in range(7)]
    for n, name in enumerate(names, 1):
        await accounts.save(name, windows=fast(10 * n, 70))
    for name in names:  # who has most was used last
        others = tuple(AccountId(other) for other in names if other != name)
        await accounts.end(await accounts.lease(f"l-{name}", exclude=others), Outcome.FAILED)
    before = await view.ready()
    accounts.policy = msgspec.structs.replace(accounts.policy, strategy=Strategy.LRU)
    first = await accounts.lease("x", exclude=tuple(map(AccountId, names[1:])))
    await accounts.end(first, Outcome.FAILED)

    counts = [await bench.timers.reap(limit=3) for _ in range(4)]

    assert counts == [3, 3, 1, 0]
    assert before == ["a6", "a5", "a4", "a3", "a2", "a1", "a0"]
    assert await view.ready() == ["a1", "a2", "a3", "a4", "a5", "a6", "a0"]


async def test_handed_over_lease_that_nobody_fetches_ends_soon(
    accounts: AccountMaker, bench: Bench, view: KeyView, store: AccountStore
) -> None:
    accounts.policy = msgspec.structs.replace(accounts.policy, wait_s=30)
    await accounts.save("a")
    lease = await accounts.lease("l1")
    await accounts.ask("l2")
    await accounts.end(lease)
    assert (await view.scores(keys.timers()))["lease l2"] == NOW_MS + 10_000
    bench.pass_time(10)

    await bench.timers.reap()

    assert isinstance(await accounts.ask("l3"), Lease)


@pytest.fixture
def leaders(redis: RedisClient) -> LeaderStore:
    return LeaderStore(redis, now_ms=NOW_MS)


async def test_leader_that_has_been_replaced_changes_nothing(
    accounts: AccountMaker, bench: Bench, view: KeyView, leaders: LeaderStore
) -> None:
    await accounts.save("a")
    await accounts.lease("l1")
    first = await leaders.campaign("a", ttl_s=10)
    assert isinstance(first, Elected)
    bench.pass_time(60)
    leaders.now_ms += 10_000
    second = await leaders.campaign("b", ttl_s=10)
    assert isinstance(second, Elected)
    before = await view.dump()

    assert await bench.timers.reap(epoch=first.epoch) == StaleEpoch()

    assert await view.dump() == before
    assert await bench.timers.reap(epoch=second.epoch) == 1


async def test_leader_may_write_until_another_is_elected(
    bench: Bench, leaders: LeaderStore
) -> None:
    elected = await leaders.campaign("a", ttl_s=10)
    assert isinstance(elected, Elected)
    await leaders.resign("a")

    assert await bench.timers.reap(epoch=elected.epoch) == 0


async def test_epoch_that_the_store_forgot_is_stale(bench: Bench) -> None:
    assert await bench.timers.reap(epoch=NOW_MS) == StaleEpoch()


async def test_workers_need_no_epoch(bench: Bench, leaders: LeaderStore) -> None:
    await leaders.campaign("a", ttl_s=10)

    assert await bench.timers.reap() == 0
