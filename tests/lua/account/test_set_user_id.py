"""account/set_user_id: remembered for accounts that exist."""

from grok2api.domain.ids import AccountId
from grok2api.store.accounts import AccountStore
from tests.conftest import AccountMaker
from tests.lua.conftest import KeyView


async def test_user_id_comes_with_the_next_lease(
    store: AccountStore, accounts: AccountMaker
) -> None:
    await accounts.save("a")

    await store.set_user_id(AccountId("a"), "user-1")

    assert (await accounts.lease("l1")).user_id == "user-1"
    assert (await accounts.look("a")).user_id == "user-1"


async def test_nothing_else_of_the_account_changes(
    store: AccountStore, accounts: AccountMaker, view: KeyView
) -> None:
    await accounts.save("a", tags=("blue",))
    await accounts.lease("l1")
    before = await view.record("a")

    await store.set_user_id(AccountId("a"), "user-1")

    assert await view.record("a") == before | {"user": "user-1"}


async def test_removed_account_leaves_no_trace(store: AccountStore, view: KeyView) -> None:
    before = await view.dump()

    await store.set_user_id(AccountId("gone"), "user-1")

    assert await view.dump() == before
