"""Keeps the leases of this process alive while their streams run."""

import asyncio
from typing import Protocol

import structlog

from grok2api.domain.account import Lease
from grok2api.domain.ids import LeaseId
from grok2api.errors import StoreUnavailableError
from grok2api.services.cleanup import end_if_cancelled
from grok2api.services.endless import Endless
from grok2api.store.accounts import AccountStore

log = structlog.get_logger(__name__)


class LeaseGauge(Protocol):
    """Counts the slots that are held."""

    def lease_taken(self) -> None: ...

    def lease_ended(self) -> None: ...


class HeldLease:
    """A lease this process holds. `is_lost` turns True when it ended without us."""

    __slots__ = ("is_lost", "lease")

    def __init__(self, lease: Lease) -> None:
        self.lease = lease
        self.is_lost = False


class LeaseKeeper(Endless):
    """Renews every held lease at a third of its life, in one task for the whole process.

    A worker that dies stops renewing, and its leases free themselves after `ttl_s`.
    """

    __slots__ = ("_accounts", "_gauge", "_held", "ttl_s")

    def __init__(
        self, accounts: AccountStore, *, ttl_s: float, gauge: LeaseGauge | None = None
    ) -> None:
        super().__init__()
        self._gauge = gauge
        self._accounts = accounts
        self._held: dict[LeaseId, HeldLease] = {}
        self.ttl_s = ttl_s

    def hold(self, lease: Lease) -> HeldLease:
        """Renew `lease` from now on."""
        held = HeldLease(lease)
        self._held[lease.id] = held
        if self._gauge is not None:
            self._gauge.lease_taken()
        return held

    def drop(self, held: HeldLease) -> None:
        """Renew it no more; its owner releases it."""
        del self._held[held.lease.id]
        if self._gauge is not None:
            self._gauge.lease_ended()

    @property
    def held_count(self) -> int:
        """How many leases this process holds."""
        return len(self._held)

    async def _run_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self.ttl_s / 3)
            await self.renew_all()
            end_if_cancelled()

    async def renew_all(self) -> None:
        """Renew every held lease now; mark those that are lost."""
        for held in list(self._held.values()):
            if held.lease.id not in self._held:
                continue
            try:
                is_ours = await self._accounts.renew(held.lease, ttl_s=self.ttl_s)
            except StoreUnavailableError:
                log.warning("leases_not_renewed", open=len(self._held))
                return
            if not is_ours and held.lease.id in self._held:
                held.is_lost = True
                log.warning("lease_lost", account=held.lease.account_id)
