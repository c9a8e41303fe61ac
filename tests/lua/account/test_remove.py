"""account/remove: nothing is left, whatever it was; its open leases come to nothing."""

import pytest

from grok2api.domain.account import Mode, Outcome, Status
from grok2api.domain.ids import AccountId
from grok2api.domain.quota import Credits
from grok2api.store import keys
from grok2api.store.accounts import AccountStore, NoneReady
from tests.conftest import AccountMaker
from tests.lua.account.conftest import SUPER, Bench, reading
from tests.lua.conftest import KeyView

A = AccountId("a")


async def test_nothing_is_left(
    store: AccountStore, accounts: AccountMaker, bench: Bench, view: KeyView
) -> None:
    await accounts.save("a", pool=SUPER, tags=("blue",))
    leases = [
        await accounts.lease(f"l{n}", pools=(SUPER,), modes=(mode,), limit=5)
        for n, mode in enumerate((Mode.AUTO, Mode.FAST, Mode.EXPERT))
    ]
    await bench.sync("a", reading(Mode.AUTO, 3), credits=Credits(5, 60.0))
    await accounts.end(leases[0], Outcome.FORBIDDEN, cooldown_s=9)
    await accounts.end(leases[1], Outcome.RATE_LIMITED)
    await accounts.end(leases[2])

    assert await store.remove(A)

    assert await view.members(keys.ready(SUPER)) == []
    assert await view.members(keys.timers()) == []
    assert await view.members(keys.account_index()) == []
    assert await view.members(keys.refresh()) == []
    assert await view.hash(keys.accounts()) == {}
    assert await view.hash(keys.account_secrets()) == {}
    assert await view.counts(SUPER) == {"granted": 3, "settled": 1, "refunded": 2}


async def test_open_leases_run_on_and_are_settled(
    store: AccountStore, accounts: AccountMaker, bench: Bench, view: KeyView
) -> None:
    await accounts.save("a")
    leases = [await accounts.lease(f"l{n}", limit=5) for n in range(3)]

    await store.remove(A)

    assert await view.counts() == {"open": 3, "granted": 3}
    assert await accounts.end(leases[0]) is None
    assert await accounts.end(leases[1], Outcome.UNAUTHORIZED) is None
    bench.pass_time(60)
    await bench.timers.reap()
    assert await view.counts() == {"granted": 3, "settled": 1, "refunded": 2}
    assert await view.members(keys.timers()) == []
    assert await view.hash(keys.accounts()) == {}


async def test_other_accounts_keep_their_leases(
    store: AccountStore, accounts: AccountMaker
) -> None:
    await accounts.save("a", "b")
    leases = [await accounts.lease(f"l{n}", limit=2) for n in range(4)]

    await store.remove(A)

    kept = [lease for lease in leases if lease.account_id == "b"]
    assert [await accounts.end(lease) for lease in kept] == [Status.ACTIVE] * 2


@pytest.mark.parametrize("status", list(Status))
async def test_counters_are_right_whatever_the_status(
    store: AccountStore, accounts: AccountMaker, view: KeyView, status: Status
) -> None:
    await accounts.save("a")
    await store.set_status(A, status, for_s=60)

    assert await store.remove(A)

    assert await view.counts() == {}
    assert await view.members(keys.timers()) == []


async def test_removed_account_is_not_handed_out(
    store: AccountStore, accounts: AccountMaker
) -> None:
    await accounts.save("a")
    await store.remove(A)

    assert await accounts.ask("l1") == NoneReady(None, has_accounts=False, has_usable=False)


async def test_same_id_begins_anew(store: AccountStore, accounts: AccountMaker) -> None:
    await accounts.save("a")
    old = await accounts.lease("l1")
    await store.remove(A)
    await accounts.save("a")
    new = await accounts.lease("l2")

    assert await accounts.end(old, Outcome.UNAUTHORIZED) is None

    account = await accounts.look("a")
    assert (account.status, account.open_leases) == (Status.ACTIVE, 1)
    assert account.windows[Mode.FAST].held == 1
    assert await accounts.end(new) is Status.ACTIVE


async def test_lease_id_of_a_removed_account_can_be_leased_again(
    store: AccountStore, accounts: AccountMaker, view: KeyView
) -> None:
    await accounts.save("a", "b")
    first = await accounts.lease("l1")
    await store.remove(first.account_id)

    second = await accounts.lease("l1")

    assert second.account_id != first.account_id
    assert await view.counts() == {
        "total": 1, "active": 1, "open": 1, "granted": 2, "refunded": 1,
    }  # fmt: skip


async def test_unknown_account_is_said_to_be_unknown(store: AccountStore, view: KeyView) -> None:
    before = await view.dump()

    assert not await store.remove(A)

    assert await view.dump() == before
