"""Timers that are due together: what one of them ends, the others leave alone."""

from grok2api.domain.account import Mode, Status
from grok2api.domain.ids import AccountId
from grok2api.domain.quota import QuotaReport, Reading
from grok2api.store import keys
from grok2api.store.account_edits import AccountEdits, Finding
from grok2api.store.account_timers import AccountTimers
from grok2api.store.accounts import AccountStore
from grok2api.store.connection import RedisClient
from tests.conftest import AccountMaker
from tests.lua.conftest import NOW_MS, KeyView


async def test_window_of_an_account_that_is_forgotten_first(
    redis: RedisClient, store: AccountStore, accounts: AccountMaker, view: KeyView
) -> None:
    await accounts.save("a", "b")
    report = QuotaReport((Reading(Mode.FAST, 3, 30, 7200, 60.0),), {})
    edits = AccountEdits(redis, now_ms=NOW_MS)
    await edits.sync(AccountId("a"), Finding(report=report, next_in_s=60.0))
    await store.set_status(AccountId("a"), Status.DELETED, for_s=1)

    reaped = await AccountTimers(redis, now_ms=NOW_MS + 60_000).reap()

    assert reaped == 2
    assert await view.members(keys.account_index()) == ["b"]
    assert await view.members(keys.timers()) == []
