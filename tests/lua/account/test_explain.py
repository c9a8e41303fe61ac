"""account/explain: who would serve a request, as an acquire would choose; nothing changes."""

import msgspec
import pytest

from grok2api.domain.account import Mode, Status
from grok2api.domain.ids import AccountId, LeaseId
from grok2api.domain.selection import Strategy, Wish
from grok2api.store.account_edits import Choice
from grok2api.store.accounts import AccountStore
from tests.conftest import BASIC, AccountMaker
from tests.lua.account.conftest import HEAVY, SUPER, Bench, fast
from tests.lua.conftest import KeyView

WISHES = [
    Wish(pools=(BASIC,), modes=(Mode.FAST,)),
    Wish(pools=(BASIC,), modes=(Mode.FAST,), units=4),
    Wish(pools=(SUPER, BASIC), modes=(Mode.AUTO, Mode.FAST)),
    Wish(pools=(HEAVY, SUPER, BASIC), modes=(Mode.HEAVY, Mode.FAST)),
    Wish(pools=(BASIC, SUPER), modes=(Mode.FAST,), tags=("red", "blue")),
    Wish(pools=(BASIC,), modes=(Mode.FAST,), exclude=(AccountId("a"), AccountId("b"))),
    Wish(pools=(BASIC,), modes=(Mode.FAST,), session="s"),
    Wish(pools=(BASIC,), modes=(Mode.FAST,), session="s", starts_session=True),
    Wish(pools=(HEAVY,), modes=(Mode.HEAVY,)),
    Wish(pools=(BASIC,), modes=(Mode.FAST,), tags=("never",)),
]


@pytest.mark.parametrize("strategy", [Strategy.MAX_QUOTA, Strategy.LRU])
@pytest.mark.parametrize("number", range(len(WISHES)))
async def test_chooses_as_acquire_does_and_changes_nothing(
    store: AccountStore,
    accounts: AccountMaker,
    bench: Bench,
    view: KeyView,
    number: int,
    strategy: Strategy,
) -> None:
    wish = WISHES[number]
    policy = msgspec.structs.replace(
        accounts.policy, strategy=strategy, session_ttl_s=600, max_concurrency=5
    )
    accounts.policy = policy
    await accounts.save("a", windows=fast(90, 100))
    await accounts.save("b", windows=fast(3, 100), tags=("blue",))
    await accounts.save("c", windows=fast(50, 100), tags=("red", "blue"))
    await accounts.save("d", pool=SUPER)
    await accounts.save("dead")
    await store.set_status(AccountId("dead"), Status.DISABLED)
    for n in range(4):
        await accounts.lease(f"l{n}", limit=5, session="s" if n == 3 else "")
    before = await view.dump()

    choice = await bench.edits.explain(wish, policy)

    assert await view.dump() == before
    lease = await store.acquire(wish, policy, LeaseId("x"))
    if choice is None:
        assert not hasattr(lease, "account_id")
    else:
        assert isinstance(choice, Choice)
        assert (choice.account_id, choice.pool, choice.mode) == (
            lease.account_id,  # type: ignore[union-attr]
            lease.pool,  # type: ignore[union-attr]
            lease.mode,  # type: ignore[union-attr]
        )
    assert number in (8, 9) or choice is not None


@pytest.mark.parametrize("strategy", [Strategy.RANDOM, Strategy.WEIGHTED])
async def test_where_chance_decides_it_names_one_who_might_serve(
    accounts: AccountMaker, bench: Bench, view: KeyView, strategy: Strategy
) -> None:
    policy = msgspec.structs.replace(accounts.policy, strategy=strategy, max_concurrency=1)
    names = {f"a{n}" for n in range(20)}
    await accounts.save(*sorted(names))
    busy = {str((await accounts.lease(f"l{n}")).account_id) for n in range(5)}
    before = await view.dump()

    choices = [await bench.edits.explain(WISHES[0], policy) for _ in range(20)]

    assert {str(choice.account_id) for choice in choices if choice} <= names - busy
    assert None not in choices
    assert await view.dump() == before


async def test_session_is_named_as_the_reason(accounts: AccountMaker, bench: Bench) -> None:
    policy = msgspec.structs.replace(accounts.policy, session_ttl_s=600)
    accounts.policy = policy
    await accounts.save("a", "b")
    lease = await accounts.lease("l1", session="s")
    await accounts.end(lease)

    bound = await bench.edits.explain(WISHES[6], policy)
    free = await bench.edits.explain(WISHES[0], policy)
    bench.pass_time(600)
    forgotten = await bench.edits.explain(WISHES[6], policy)

    assert bound == Choice(lease.account_id, BASIC, Mode.FAST, is_bound=True)
    assert (free and free.is_bound, forgotten and forgotten.is_bound) == (False, False)


async def test_lowered_limit_is_seen_though_nothing_is_written(
    accounts: AccountMaker, bench: Bench, view: KeyView
) -> None:
    await accounts.save("a")
    await accounts.lease("l1", limit=5)
    before = await view.dump()

    policy = msgspec.structs.replace(accounts.policy, max_concurrency=1)
    assert await bench.edits.explain(WISHES[0], policy) is None

    assert await view.dump() == before
