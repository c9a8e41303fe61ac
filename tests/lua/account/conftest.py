"""All scripts of accounts, at one time that only the test moves."""

from collections.abc import Mapping

import msgspec
import pytest

from grok2api.domain.account import Mode, Pool, ProviderKind, Tier
from grok2api.domain.ids import AccountId
from grok2api.domain.quota import DAY_S, QuotaReport, Reading, Source, Window
from grok2api.store.account_edits import AccountEdits, Edit, Finding
from grok2api.store.account_timers import AccountTimers
from grok2api.store.accounts import AccountStore
from grok2api.store.connection import RedisClient

SUPER = Pool(ProviderKind.GROK_WEB, Tier.SUPER)
HEAVY = Pool(ProviderKind.GROK_WEB, Tier.HEAVY)


def fast(left: int, total: int = 30, **facts: float) -> Mapping[Mode, Window]:
    """Return the windows of an account with so many units of mode fast."""
    return {Mode.FAST: Window(left, total, DAY_S, Source.REAL, **facts)}  # type: ignore[arg-type]


def reading(mode: Mode, left: int, total: int = 30, *, resets_in_s: float = 3600.0) -> Reading:
    return Reading(mode, left, total, 7200, resets_in_s)


def media(mode: Mode, left: int, *, resets_in_s: float = 3600.0) -> Reading:
    """Return what the upstream says of pictures and videos: never how many there are in all."""
    return Reading(mode, left, None, DAY_S, resets_in_s)


class Bench:
    """Every script of accounts but those of `AccountMaker`."""

    def __init__(self, redis: RedisClient, store: AccountStore) -> None:
        self.store = store
        self.edits = AccountEdits(redis, now_ms=store.now_ms)
        self.timers = AccountTimers(redis, now_ms=store.now_ms)

    def pass_time(self, seconds: float) -> None:
        now_ms = self.store.now_ms + round(seconds * 1000)
        self.store.now_ms = self.edits.now_ms = self.timers.now_ms = now_ms

    async def edit(self, name: str, **changes: object) -> bool:
        return await self.edits.edit(AccountId(name), msgspec.convert(changes, Edit))

    async def sync(self, name: str, *readings: Reading, **facts: object) -> object:
        """Write down what the upstream says; facts as those of `Finding` and `QuotaReport`."""
        of_report = {key: facts.pop(key) for key in ("credits", "unmetered") if key in facts}
        report = QuotaReport(readings, {}, **of_report)  # type: ignore[arg-type]
        finding = Finding(**({"next_in_s": 600.0} | facts), report=report)  # type: ignore[arg-type]
        return await self.edits.sync(AccountId(name), finding)


@pytest.fixture
def bench(redis: RedisClient, store: AccountStore) -> Bench:
    return Bench(redis, store)
