"""account/set_user_id: remembered for accounts that exist."""

from grok2api.domain.ids import AccountId
from grok2api.store import keys
from grok2api.store.accounts import AccountStore
from tests.conftest import AccountMaker
from tests.lua.conftest import KeyView


async def test_user_id_comes_with_the_next_lease(
    store: AccountStore, accounts: AccountMaker
) -> None:
    await accounts.save("a")

    await store.set_user_id(AccountId("a"), "user-1")

    assert (await accounts.lease("l1")).user_id == "user-1"
    assert (await store.list()).accounts[0].user_id == "user-1"


async def test_removed_account_leaves_no_trace(store: AccountStore, view: KeyView) -> None:
    await store.set_user_id(AccountId("gone"), "user-1")

    assert await view.hash(keys.account_user_ids()) == {}
