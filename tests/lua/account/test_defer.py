"""account/defer: what follows when the upstream told no numbers."""

import pytest

from grok2api.domain.account import Status
from grok2api.domain.ids import AccountId
from grok2api.store import keys
from grok2api.store.account_edits import AccountEdits, Silence
from grok2api.store.account_replies import Deferred, StaleEpoch, Unknown
from grok2api.store.accounts import AccountStore, NoneReady
from grok2api.store.connection import RedisClient
from grok2api.store.leader import Elected, LeaderStore
from tests.conftest import AccountMaker
from tests.lua.conftest import NOW_MS, KeyView

A = AccountId("a")
SOON = Silence(next_in_s=900)
REFUSED = Silence(next_in_s=900, refusal="invalid_credentials", is_certain=True)
DOUBTED = Silence(next_in_s=900, refusal="unauthorized")


@pytest.fixture
def edits(redis: RedisClient, store: AccountStore) -> AccountEdits:
    return AccountEdits(redis, now_ms=NOW_MS)


async def test_account_stays_as_it_is_and_is_due_again(
    edits: AccountEdits, accounts: AccountMaker, view: KeyView
) -> None:
    await accounts.save("a")
    before = await accounts.look("a")

    assert await edits.defer(A, SOON) == Deferred(Status.ACTIVE)

    assert await accounts.look("a") == before
    assert await view.scores(keys.refresh()) == {"a": NOW_MS + 900_000}


async def test_refusal_without_doubt_expires_it_and_nobody_gets_it(
    edits: AccountEdits, accounts: AccountMaker, view: KeyView
) -> None:
    await accounts.save("a")
    lease = await accounts.lease("l1", limit=2)

    assert await edits.defer(A, REFUSED) == Deferred(Status.EXPIRED)

    account = await accounts.look("a")
    assert (account.status, account.reason) == (Status.EXPIRED, "invalid_credentials")
    assert (account.since_s, account.until_s) == (NOW_MS / 1000, 0)
    assert isinstance(await accounts.ask("l2", limit=2), NoneReady)
    await accounts.end(lease)
    assert (await view.counts())["expired"] == 1
    assert (await accounts.look("a")).open_leases == 0


async def test_doubtful_refusal_is_noted_and_no_more(
    edits: AccountEdits, accounts: AccountMaker
) -> None:
    await accounts.save("a")

    assert await edits.defer(A, DOUBTED) == Deferred(Status.ACTIVE)

    account = await accounts.look("a")
    assert (account.last_fault, account.failed_at_s) == ("unauthorized", NOW_MS / 1000)
    assert (account.strikes, account.failures, account.reason) == (0, 0, "")
    await accounts.lease("l1")


@pytest.mark.parametrize("status", [Status.COOLING, Status.EXHAUSTED])
async def test_account_that_rests_expires_too_and_does_not_wake(
    edits: AccountEdits,
    store: AccountStore,
    accounts: AccountMaker,
    view: KeyView,
    status: Status,
) -> None:
    await accounts.save("a")
    await store.set_status(A, status, for_s=60, reason="used_up")

    await edits.defer(A, REFUSED)

    assert (await accounts.look("a")).status is Status.EXPIRED
    assert await view.members(keys.timers()) == []


async def test_disabled_account_stays_disabled(
    edits: AccountEdits, store: AccountStore, accounts: AccountMaker
) -> None:
    await accounts.save("a")
    await store.set_status(A, Status.DISABLED, reason="operator")

    assert await edits.defer(A, REFUSED) == Deferred(Status.DISABLED)

    account = await accounts.look("a")
    assert (account.status, account.reason) == (Status.DISABLED, "operator")
    assert account.last_fault == "invalid_credentials"


async def test_deleted_account_and_one_that_never_was_are_unknown(
    edits: AccountEdits, store: AccountStore, accounts: AccountMaker, view: KeyView
) -> None:
    await accounts.save("a")
    await store.set_status(A, Status.DELETED, for_s=60)
    due = await view.scores(keys.refresh())

    assert await edits.defer(A, REFUSED) == Unknown()
    assert await edits.defer(AccountId("nobody"), REFUSED) == Unknown()

    assert (await accounts.look("a")).status is Status.DELETED
    assert await view.scores(keys.refresh()) == due


async def test_replaced_leader_changes_nothing(
    edits: AccountEdits, accounts: AccountMaker, redis: RedisClient, view: KeyView
) -> None:
    await accounts.save("a")
    first = await LeaderStore(redis, now_ms=NOW_MS).campaign("me", ttl_s=10)
    assert isinstance(first, Elected)
    second = await LeaderStore(redis, now_ms=NOW_MS + 10_000).campaign("other", ttl_s=10)
    assert isinstance(second, Elected)
    due = await view.scores(keys.refresh())

    assert await edits.defer(A, REFUSED, epoch=first.epoch) == StaleEpoch()

    assert (await accounts.look("a")).status is Status.ACTIVE
    assert await view.scores(keys.refresh()) == due
    assert await edits.defer(A, REFUSED, epoch=second.epoch) == Deferred(Status.EXPIRED)
