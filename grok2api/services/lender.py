"""Lends accounts: at once, or in turn while the pool is busy."""

import asyncio
import secrets
from typing import Final

import msgspec
import structlog

from grok2api.config.schema import AccountSettings
from grok2api.domain.account import Lease
from grok2api.domain.ids import LeaseId
from grok2api.domain.model import Route
from grok2api.domain.selection import SelectionPolicy, Strategy, Wish
from grok2api.errors import (
    GatewayError,
    NoAccountAvailableError,
    RateLimitExceededError,
    StoreUnavailableError,
    UpstreamRejectedError,
)
from grok2api.services.cleanup import Cleanup, end_if_cancelled
from grok2api.services.endless import Endless
from grok2api.services.leases import HeldLease, LeaseKeeper
from grok2api.store.accounts import AccountStore, LineFull, NoneReady, Poisonous, WaitingInLine
from grok2api.store.wakeups import Wakeups

log = structlog.get_logger(__name__)

READ_WAIT_S: Final = 5.0
RETRY_S: Final = 1.0
_Answer = Lease | WaitingInLine | NoneReady | LineFull | Poisonous


def build_policy(settings: AccountSettings) -> SelectionPolicy:
    """Return what the settings say of choosing accounts and waiting for them."""
    selection, refresh = settings.selection, settings.refresh
    return SelectionPolicy(
        strategy=Strategy(selection.strategy),
        max_concurrency=settings.max_concurrency,
        lease_ttl_s=settings.lease_ttl_s,
        session_ttl_s=selection.affinity_ttl_s,
        wait_s=selection.wait_s,
        max_waiting=selection.max_waiting,
        max_waiting_per_key=selection.max_waiting_per_key,
        demand_interval_s=refresh.on_demand_min_interval_s if refresh.enabled else 0.0,
    )


class Lender(Endless):
    """Gets leases for the requests of this process, and tells those that wait of their turn.

    Use it as an async context manager. A request that gives up leaves nothing behind.
    """

    __slots__ = (
        "_accounts",
        "_cleanup",
        "_impatient",
        "_keeper",
        "_policy",
        "_turns",
        "_wakeups",
    )

    def __init__(
        self,
        accounts: AccountStore,
        wakeups: Wakeups,
        keeper: LeaseKeeper,
        cleanup: Cleanup,
        policy: SelectionPolicy,
    ) -> None:
        super().__init__()
        self._accounts = accounts
        self._wakeups = wakeups
        self._keeper = keeper
        self._cleanup = cleanup
        self._policy = policy
        self._impatient = msgspec.structs.replace(policy, wait_s=0.0)
        self._turns: dict[LeaseId, asyncio.Event] = {}

    async def lend(self, wish: Wish, route: Route) -> HeldLease:
        """Return a lease on an account for `wish`, after waiting for one if need be.

        Raises:
            NoAccountAvailableError: no account can serve it now, nor did while it waited.
            RateLimitExceededError: too many requests of this client key wait already.
            UpstreamRejectedError: this prompt has hurt too many accounts.
            StoreUnavailableError: the store did not answer.
        """
        lease_id = LeaseId(secrets.token_hex(8))
        policy = self._policy if wish.may_wait else self._impatient
        try:
            answer = await self._ask(wish, policy, lease_id)
            if isinstance(answer, WaitingInLine):
                answer = await self._wait(wish, lease_id)
        except asyncio.CancelledError:
            await self._cleanup.run(self._leave(lease_id))
            raise
        if isinstance(answer, Lease):
            return self._keeper.hold(answer)
        raise _explain(route, answer)

    async def _ask(self, wish: Wish, policy: SelectionPolicy, lease_id: LeaseId) -> _Answer:
        # Run to its end in any case: what the store grants afterwards could not be given back.
        return await self._cleanup.run(self._accounts.acquire(wish, policy, lease_id))

    async def _wait(self, wish: Wish, lease_id: LeaseId) -> _Answer:
        turn = self._turns[lease_id] = asyncio.Event()
        try:
            async with asyncio.timeout(self._policy.wait_s):
                while True:
                    answer = await self._ask(wish, self._policy, lease_id)
                    if not isinstance(answer, WaitingInLine):
                        return answer
                    await turn.wait()
                    turn.clear()
        except TimeoutError:
            await self._leave(lease_id)
        finally:
            del self._turns[lease_id]
        return await self._ask(wish, self._impatient, lease_id)

    async def _leave(self, lease_id: LeaseId) -> None:
        try:
            await self._accounts.leave_line(lease_id)
        except StoreUnavailableError as error:
            log.warning("line_not_left", detail=error.detail)

    async def _run_for_ever(self) -> None:
        position = ""
        while True:
            try:
                position = position or await self._wakeups.find_end()
                news = await self._wakeups.read(position, wait_s=READ_WAIT_S)
            except StoreUnavailableError as error:
                log.warning("wakeups_not_read", detail=error.detail)
                await asyncio.sleep(RETRY_S)
                self._wake(list(self._turns))  # they may have missed theirs
            else:
                position = news.position
                self._wake(news.leases)
            end_if_cancelled()

    def _wake(self, leases: list[LeaseId] | tuple[LeaseId, ...]) -> None:
        for lease_id in leases:
            if (turn := self._turns.get(lease_id)) is not None:
                turn.set()


def _explain(
    route: Route, answer: WaitingInLine | NoneReady | LineFull | Poisonous
) -> GatewayError:
    name = route.requested
    match answer:
        case Poisonous():
            return UpstreamRejectedError(
                "Several accounts were refused because of this prompt; "
                "it is not given to another one for a while.",
                code="prompt_refused",
                retry_after_s=max(1.0, answer.retry_after_ms / 1000),
            )
        case LineFull(whose="key"):
            return RateLimitExceededError(
                "Too many requests of this key wait for an account already.",
                code="rate_limit_exceeded",
                retry_after_s=max(1.0, answer.retry_after_ms / 1000),
            )
        case LineFull():
            return NoAccountAvailableError(
                f"Too many requests wait for an account for '{name}' already.",
                retry_after_s=max(1.0, answer.retry_after_ms / 1000),
            )
        case NoneReady():
            return _explain_none_ready(route, answer)
        case WaitingInLine():
            return NoAccountAvailableError(
                f"All accounts for model '{name}' are busy; try again shortly.", retry_after_s=1.0
            )


def _explain_none_ready(route: Route, answer: NoneReady) -> NoAccountAvailableError:
    name = route.requested
    if not answer.has_accounts:
        return NoAccountAvailableError(
            f"There is no account for model '{name}': "
            f"it needs one of tier {' or '.join(route.model.tiers)}."
        )
    if not answer.has_usable:
        return NoAccountAvailableError(f"All accounts for model '{name}' are expired or disabled.")
    return NoAccountAvailableError(
        f"All accounts for model '{name}' are busy, cooling or out of quota; try again later.",
        retry_after_s=answer.retry_after_s,
    )
