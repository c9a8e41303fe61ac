"""Keeps quota numbers true: asks the upstream about one account, and writes down what it proves."""

import asyncio
import random
from collections.abc import Mapping
from functools import partial
from typing import Final

import structlog
from msgspec import Struct

from grok2api.clock import Clock
from grok2api.config.accounts import RefreshSettings
from grok2api.domain.account import Mode, Outcome, Pool, ProviderKind, Status, Tier
from grok2api.domain.ids import AccountId
from grok2api.domain.pool_member import Account
from grok2api.domain.quota import QuotaReport
from grok2api.errors import (
    SettingsError,
    UpstreamError,
    UpstreamTimeoutError,
    UpstreamUnavailableError,
)
from grok2api.providers.base import Provider
from grok2api.providers.session import UpstreamSession
from grok2api.services.verdict import UNPROVEN_REFUSAL, judge
from grok2api.store.account_edits import AccountEdits, Finding, Silence
from grok2api.store.account_pages import POOL_BY_NAME
from grok2api.store.account_replies import StaleEpoch, Synced, Unknown
from grok2api.store.account_timers import NO_EPOCH
from grok2api.store.accounts import AccountStore

log = structlog.get_logger(__name__)

REFRESH_LIMIT_S: Final = 120.0
"""All questions about one account; longer is a failure."""
RETRY_S: Final = 900.0
"""A failure is repeated this soon, or sooner where the interval is shorter."""
_JITTER: Final = 0.1
_RANKS: Final = {tier: rank for rank, tier in enumerate(Tier)}
_IN_USE: Final = frozenset({Status.ACTIVE, Status.COOLING, Status.EXHAUSTED})


class Refreshed(Struct, frozen=True):
    """What became of an account that was asked about.

    `failure` is "" when numbers came, else one word for why none did. `missing` are the modes that
    gave none although others did, each with its word.
    """

    account_id: AccountId
    status: Status
    tier: Tier
    failure: str = ""
    missing: Mapping[Mode, str] = {}


class QuotaService:
    """Refreshes accounts one at a time; any number of processes may, of different accounts."""

    __slots__ = ("_accounts", "_clock", "_edits", "_providers", "_settings")

    def __init__(
        self,
        accounts: AccountStore,
        edits: AccountEdits,
        providers: Mapping[ProviderKind, Provider],
        settings: RefreshSettings,
        clock: Clock,
    ) -> None:
        self._accounts = accounts
        self._edits = edits
        self._providers = providers
        self._settings = settings
        self._clock = clock

    async def refresh(
        self, account_id: AccountId, *, epoch: int = NO_EPOCH, is_by_hand: bool = False
    ) -> Refreshed | Unknown | StaleEpoch:
        """Ask the upstream about an account and write down what it says.

        A leader gives its `epoch`, and is told when it no longer leads. By hand, accounts that are
        expired or disabled are asked about too, and an expired one that works is revived.

        Raises:
            StoreUnavailableError: Redis did not answer; the account is asked about again later.
        """
        account = (await self._accounts.find([account_id])).get(account_id)
        if account is None or account.status is Status.DELETED:
            return Unknown()
        if account.status not in _IN_USE and not is_by_hand:
            return Refreshed(account_id, account.status, account.pool.tier, account.status.value)
        try:
            report = await self._ask(account)
        except SettingsError:
            return await self._defer(account, "secret_key", self._keep_asking(account), epoch)
        except UpstreamError as error:
            silence = self._keep_asking(account, error)
            return await self._defer(account, error.code or error.kind, silence, epoch)
        if report is None:
            return Unknown()
        return await self._sync(account, report, epoch, is_by_hand=is_by_hand)

    def find_stale(self, account: Account) -> list[Mode]:
        """Return the modes whose numbers are older than two intervals of the account's tier."""
        limit_s = self._clock.now_s() - 2 * self._interval_s(account.pool.tier)
        windows = account.windows.items()
        return [mode for mode, window in windows if 0 < window.synced_at_s < limit_s]

    async def _ask(self, account: Account) -> QuotaReport | None:
        """Return what the upstream says, None where the account is gone by now.

        Raises:
            SettingsError: no secret key of this process opens its session.
            UpstreamError: no numbers came.
        """
        quota = self._providers[account.pool.kind].quota
        if quota is None:
            raise UpstreamUnavailableError("This upstream tells no quota.", code="no_quota")
        credentials = (await self._accounts.reveal([account.id])).get(account.id)
        if credentials is None:
            return None
        remember = partial(self._accounts.set_user_id, account.id)
        session = UpstreamSession(credentials, account.user_id, remember)
        try:
            async with asyncio.timeout(REFRESH_LIMIT_S):
                return await quota.read_quota(session, account.pool.tier)
        except TimeoutError:
            raise UpstreamTimeoutError(
                "The upstream took too long to tell an account's quota.",
                code="upstream_total_timeout",
            ) from None

    async def _sync(
        self, account: Account, report: QuotaReport, epoch: int, *, is_by_hand: bool
    ) -> Refreshed | Unknown | StaleEpoch:
        before, proven = account.pool.tier, report.tier
        may_demote = report.is_unanimous
        tier = before if proven is None else proven
        if _RANKS[tier] < _RANKS[before] and not may_demote:
            tier = before
        finding = Finding(
            report=report,
            next_in_s=_vary(self._interval_s(tier)),
            pool=Pool(account.pool.kind, proven) if proven else None,
            may_demote=may_demote,
            is_revival=is_by_hand and _is_doubted(account),
        )
        reply = await self._edits.sync(account.id, finding, epoch=epoch)
        if not isinstance(reply, Synced):
            return reply
        after = POOL_BY_NAME[reply.pool].tier
        if after is not before:
            log.info("tier_found", account=account.id, before=before, tier=after)
        log.debug("quota_refreshed", account=account.id, status=reply.status, missing=report.failed)
        return Refreshed(account.id, reply.status, after, missing=report.failed)

    async def _defer(
        self, account: Account, word: str, silence: Silence, epoch: int
    ) -> Refreshed | Unknown | StaleEpoch:
        reply = await self._edits.defer(account.id, silence, epoch=epoch)
        if isinstance(reply, Unknown | StaleEpoch):
            return reply
        log.info(
            "quota_not_refreshed",
            account=account.id,
            error=word,
            refusal=silence.refusal,
            status=reply.status,
        )
        return Refreshed(account.id, reply.status, account.pool.tier, failure=word)

    def _keep_asking(self, account: Account, error: UpstreamError | None = None) -> Silence:
        """Return what follows from a question that brought no numbers."""
        next_in_s = _vary(min(self._interval_s(account.pool.tier), RETRY_S))
        verdict = judge(error) if error is not None else None
        if verdict is None or verdict.outcome not in {Outcome.UNAUTHORIZED, Outcome.UNCONFIRMED}:
            return Silence(next_in_s=next_in_s)
        return Silence(
            next_in_s=next_in_s,
            refusal=verdict.reason,
            is_certain=verdict.outcome is Outcome.UNAUTHORIZED,
        )

    def _interval_s(self, tier: Tier) -> float:
        match tier:
            case Tier.BASIC:
                return self._settings.basic_interval_s
            case Tier.SUPER:
                return self._settings.super_interval_s
            case Tier.HEAVY:
                return self._settings.heavy_interval_s


def _vary(seconds: float) -> float:
    """Return about as many seconds: what began together need not come together for ever."""
    return seconds * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - a pause, not a secret


def _is_doubted(account: Account) -> bool:
    """Whether it is set aside because its session was refused; a limit goes on all the same."""
    is_cooling_for_it = account.status is Status.COOLING and account.reason == UNPROVEN_REFUSAL
    return account.status is Status.EXPIRED or is_cooling_for_it
