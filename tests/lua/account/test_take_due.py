"""account/take_due: whose quota is to be asked for, each once."""

import pytest

from grok2api.domain.account import Status
from grok2api.domain.ids import AccountId
from grok2api.store.account_replies import StaleEpoch
from grok2api.store.accounts import AccountStore
from grok2api.store.connection import RedisClient
from grok2api.store.leader import Elected, LeaderStore
from tests.conftest import BASIC, AccountMaker
from tests.lua.account.conftest import SUPER, Bench
from tests.lua.conftest import NOW_MS, KeyView


@pytest.fixture
async def epoch(redis: RedisClient, bench: Bench) -> int:
    elected = await LeaderStore(redis, now_ms=NOW_MS).campaign("a", ttl_s=10)
    assert isinstance(elected, Elected)
    return elected.epoch


async def take(bench: Bench, epoch: int, limit: int = 10) -> list[str]:
    found = await bench.edits.take_due(limit, claim_s=60, epoch=epoch)
    assert not isinstance(found, StaleEpoch)
    return [name for name, _ in found]


async def test_each_is_taken_once_the_longest_due_first(
    accounts: AccountMaker, bench: Bench, epoch: int
) -> None:
    await accounts.save("b", pool=SUPER)
    bench.pass_time(1)
    await accounts.save("a")
    await accounts.save("c")

    first = await bench.edits.take_due(2, claim_s=60, epoch=epoch)

    assert first == [("b", SUPER), ("a", BASIC)]
    assert await take(bench, epoch) == ["c"]
    assert await take(bench, epoch) == []


async def test_what_was_taken_comes_back_unless_numbers_came(
    accounts: AccountMaker, bench: Bench, epoch: int
) -> None:
    await accounts.save("a", "b")
    await take(bench, epoch)
    await bench.sync("a", next_in_s=600)
    bench.pass_time(60)

    assert await take(bench, epoch) == ["b"]

    bench.pass_time(540)
    assert await take(bench, epoch) == ["b", "a"]


@pytest.mark.parametrize("status", list(Status))
async def test_only_accounts_that_may_come_back_are_asked_about(
    accounts: AccountMaker, bench: Bench, epoch: int, store: AccountStore, status: Status
) -> None:
    await accounts.save("a", "b")
    await store.set_status(AccountId("a"), status)

    names = await take(bench, epoch, limit=2)

    is_asked = status in (Status.ACTIVE, Status.COOLING, Status.EXHAUSTED)
    assert names == (["a", "b"] if is_asked else ["b"])


async def test_another_leaders_work_is_not_done(
    accounts: AccountMaker, bench: Bench, epoch: int, view: KeyView
) -> None:
    await accounts.save("a")
    before = await view.dump()

    assert await bench.edits.take_due(9, claim_s=60, epoch=epoch - 1) == StaleEpoch()

    assert await view.dump() == before
