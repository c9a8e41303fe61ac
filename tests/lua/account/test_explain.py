"""Telling who would serve: the same as an acquire would choose, and nothing changes."""

import pytest

from grok2api.domain.account import Mode, Pool, ProviderKind, Status, Tier
from grok2api.domain.ids import AccountId
from grok2api.domain.selection import SelectionPolicy, Strategy, Wish
from grok2api.store.account_edits import AccountEdits
from grok2api.store.accounts import AccountStore
from grok2api.store.connection import RedisClient
from tests.conftest import BASIC, AccountMaker
from tests.lua.conftest import NOW_MS

SUPER = Pool(ProviderKind.GROK_WEB, Tier.SUPER)
FAST = Wish(pools=(BASIC, SUPER), modes=(Mode.FAST,))


@pytest.fixture
def edits(redis: RedisClient, store: AccountStore) -> AccountEdits:
    return AccountEdits(redis, now_ms=NOW_MS)


@pytest.mark.parametrize("strategy", [Strategy.MAX_QUOTA, Strategy.LRU])
async def test_choice_is_that_of_the_next_acquire(
    edits: AccountEdits, accounts: AccountMaker, strategy: Strategy
) -> None:
    accounts.policy = SelectionPolicy(strategy=strategy)
    await accounts.save("a", "b", "c")
    for n in range(6):
        choice = await edits.explain(FAST, accounts.policy)
        lease = await accounts.lease(f"l{n}", limit=2, pools=FAST.pools)

        assert choice is not None
        assert (choice.account_id, choice.mode) == (lease.account_id, Mode.FAST)


async def test_nothing_changes(
    edits: AccountEdits, accounts: AccountMaker, redis: RedisClient
) -> None:
    await accounts.save("a", "b")
    await accounts.lease("l1", limit=2)
    before = await dump(redis)

    await edits.explain(FAST, SelectionPolicy(max_concurrency=1))
    await edits.explain(FAST, SelectionPolicy(max_concurrency=1, strategy=Strategy.WEIGHTED))

    assert await dump(redis) == before


async def test_session_keeps_its_account(edits: AccountEdits, accounts: AccountMaker) -> None:
    policy = accounts.policy = SelectionPolicy(session_ttl_s=60.0)
    await accounts.save("a", "b")
    lease = await accounts.lease("l1", limit=8, session="s")

    choice = await edits.explain(Wish(pools=(BASIC,), modes=(Mode.FAST,), session="s"), policy)

    assert choice is not None
    assert (choice.account_id, choice.is_bound) == (lease.account_id, True)


async def test_nobody_is_chosen_where_nobody_can_serve(
    edits: AccountEdits, accounts: AccountMaker
) -> None:
    await accounts.save("a")
    await accounts.store.set_status(AccountId("a"), Status.DISABLED)

    assert await edits.explain(FAST, accounts.policy) is None


async def dump(redis: RedisClient) -> dict[bytes, bytes]:
    names: list[bytes] = await redis.execute_command("KEYS", "*")
    return {name: await redis.execute_command("DUMP", name.decode()) for name in names}
