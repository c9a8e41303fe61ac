"""Which of many accounts is taken, where a script looks at a few of them only."""

from collections import Counter

import msgspec
import pytest

from grok2api.domain.account import Lease, Mode
from grok2api.domain.ids import AccountId
from grok2api.domain.quota import DAY_S, Source, Window
from grok2api.domain.selection import Strategy
from tests.conftest import AccountMaker

MANY = 40
"""More than `weighted` looks at."""


def use(accounts: AccountMaker, strategy: Strategy) -> None:
    accounts.policy = msgspec.structs.replace(accounts.policy, strategy=strategy)


async def serve(accounts: AccountMaker, times: int) -> Counter[str]:
    """Lease and release over and over; return who served how often."""
    served: Counter[str] = Counter()
    for number in range(times):
        lease = await accounts.lease(f"l{number}", limit=8)
        served[lease.account_id] += 1
        await accounts.end(lease, is_used=False)
    return served


async def test_random_reaches_every_account_of_many(accounts: AccountMaker) -> None:
    await accounts.save(*(f"a{n}" for n in range(MANY)))
    use(accounts, Strategy.RANDOM)

    served = await serve(accounts, 20 * MANY)

    assert len(served) == MANY
    assert max(served.values()) < 60


async def test_weighted_takes_the_richer_of_many_more_often(accounts: AccountMaker) -> None:
    for kind, left in (("rich", 27), ("poor", 3)):
        window = Window(left, 30, DAY_S, Source.REAL)
        names = [f"{kind}{n}" for n in range(MANY // 2)]
        await accounts.save(*names, windows={Mode.FAST: window})
    use(accounts, Strategy.WEIGHTED)

    served = await serve(accounts, 20 * MANY)

    poor = sum(count for name, count in served.items() if name.startswith("poor"))
    # A tenth by weight; less exact because only some are looked at for each request.
    assert 0.03 < poor / served.total() < 0.3
    assert len(served) > MANY // 2


@pytest.mark.parametrize("strategy", Strategy)
async def test_those_looked_at_first_need_not_be_the_ones_that_fit(
    accounts: AccountMaker, strategy: Strategy
) -> None:
    """A limit was lowered: nobody has touched the accounts that are over it since."""
    await accounts.save("a", "b", "c", "d", "e")
    use(accounts, Strategy.LRU)
    for name in "abcd":
        await accounts.lease(f"of-{name}", limit=8)
    await accounts.end(await accounts.lease("of-e", limit=8))
    use(accounts, strategy)

    lease = await accounts.ask("one", limit=1)
    refused = await accounts.ask("two", limit=1)

    assert isinstance(lease, Lease)
    assert lease.account_id == "e"
    assert not isinstance(refused, Lease)


@pytest.mark.parametrize("strategy", Strategy)
async def test_all_but_one_may_be_excluded(accounts: AccountMaker, strategy: Strategy) -> None:
    names = [AccountId(f"a{n}") for n in range(MANY)]
    await accounts.save(*names)
    use(accounts, strategy)

    lease = await accounts.lease("l", exclude=tuple(names[1:]))

    assert lease.account_id == names[0]
