"""A provider that tells the quota that a test wrote down, and services in front of it."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from grok2api.clock import SystemClock
from grok2api.config.accounts import RefreshSettings
from grok2api.domain.account import Mode, Pool, ProviderKind, Status, Tier
from grok2api.domain.ids import AccountId
from grok2api.domain.quota import PLANS, QuotaReport, Reading
from grok2api.domain.tier_votes import infer_tier, read_votes
from grok2api.errors import UpstreamError, UpstreamUnavailableError
from grok2api.providers.base import Provider
from grok2api.providers.session import UpstreamSession
from grok2api.services.quota import QuotaService, Refreshed
from grok2api.store import keys
from grok2api.store.account_edits import AccountEdits
from grok2api.store.accounts import AccountStore
from grok2api.store.connection import RedisClient
from tests.conftest import AccountMaker
from tests.services.conftest import PlainCredentials, ScriptedChat

TOTALS: dict[Tier, dict[Mode, int]] = {
    tier: {Mode.AUTO: 20} | {mode: plan.total for mode, plan in plans.items() if plan.total}
    for tier, plans in PLANS.items()
}
"""What the upstream answers for an account of each tier, mode of chat by mode."""


def pool_of(tier: Tier) -> Pool:
    return Pool(ProviderKind.GROK_WEB, tier)


def report_of(totals: Mapping[Mode, int], left: int | None = None, *failed: Mode) -> QuotaReport:
    """Return a report with these totals, `left` queries of each window, and modes that failed."""
    answered = {mode: total for mode, total in totals.items() if mode not in failed}
    proven = infer_tier(answered)
    served = PLANS[proven] if proven else answered
    return QuotaReport(
        readings=tuple(
            Reading(mode, total if left is None else left, total, 7200, 7200.0)
            for mode, total in answered.items()
            if mode in served
        ),
        failed=dict.fromkeys(failed, "upstream_error"),
        tier=proven,
        votes=read_votes(answered),
    )


@dataclass
class ScriptedQuota:
    """Answers for each session what `answers` holds for it; waits while `gate` is closed."""

    answers: dict[str, QuotaReport | UpstreamError] = field(default_factory=dict)
    asked: list[tuple[str, Tier]] = field(default_factory=list)
    is_asked: asyncio.Event = field(default_factory=asyncio.Event)
    user_id: str = ""
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    open_now: int = 0
    most_open: int = 0

    async def until_asked(self, count: int) -> None:
        """Wait until so many questions have come."""
        while len(self.asked) < count:
            self.is_asked.clear()
            await self.is_asked.wait()

    async def read_quota(self, session: UpstreamSession, tier: Tier) -> QuotaReport:
        name = session.credentials.session.removeprefix("session-of-")
        self.asked.append((name, tier))
        self.is_asked.set()
        self.open_now += 1
        self.most_open = max(self.most_open, self.open_now)
        try:
            await self.gate.wait()
        finally:
            self.open_now -= 1
        if self.user_id:
            await session.remember_user_id(self.user_id)
        answer = self.answers.get(name, UpstreamUnavailableError("nothing", code="upstream_error"))
        if isinstance(answer, UpstreamError):
            raise answer
        return answer


class QuotaBench:
    """Accounts, the upstream's script, and the services between them."""

    def __init__(self, redis: RedisClient, store: AccountStore, **settings: object) -> None:
        self.redis = redis
        self.store = store
        self.accounts = AccountMaker(store)
        self.edits = AccountEdits(redis)
        self.upstream = ScriptedQuota()
        self.upstream.gate.set()
        self.settings = RefreshSettings(**settings)  # type: ignore[arg-type]
        provider = Provider(
            ProviderKind.GROK_WEB, PlainCredentials(), ScriptedChat(), self.upstream
        )
        self.quota = QuotaService(
            store, self.edits, {provider.kind: provider}, self.settings, SystemClock()
        )

    async def refresh(self, name: str = "a", *, is_by_hand: bool = True) -> Refreshed:
        found = await self.quota.refresh(AccountId(name), is_by_hand=is_by_hand)
        assert isinstance(found, Refreshed)
        return found

    async def set_status(self, name: str, status: Status, reason: str = "", s: float = 0.0) -> None:
        assert await self.store.set_status(AccountId(name), status, for_s=s, reason=reason)

    async def due_in_s(self, name: str = "a") -> float:
        """Return in how many seconds an account is asked about."""
        score = await self.redis.execute_command("ZSCORE", keys.refresh(), name)
        seconds, micros = await self.redis.execute_command("TIME")
        return float(score) / 1000 - (int(seconds) + int(micros) / 1e6)

    async def tier(self, name: str = "a") -> Tier:
        return (await self.accounts.look(name)).pool.tier
