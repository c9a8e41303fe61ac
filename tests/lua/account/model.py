"""What the account scripts should do, in plain Python: statuses and leases, but no windows.

Of windows it knows nothing: an account that is `ACTIVE` here is exhausted for want of quota when
its record says that no mode has a unit left. So the two can be compared exactly.
"""

from dataclasses import dataclass, field, replace

from grok2api.domain.account import Outcome, Pool, Status
from grok2api.domain.ids import AccountId, LeaseId

OURS = (Status.ACTIVE, Status.COOLING, Status.EXHAUSTED)
FIRST_REST_MS, LONGEST_REST_MS = 20_000, 50_000


@dataclass
class ModelAccount:
    pool: Pool
    born: int
    tags: tuple[str, ...] = ()
    status: Status = Status.ACTIVE
    ends_ms: int = 0
    is_on_trial: bool = False
    limit: int | None = None
    strike: Outcome | None = None
    strikes: int = 0
    failed_ms: int = 0

    def mark(self, status: Status, ends_ms: int = 0) -> None:
        has_end = status in (Status.COOLING, Status.EXHAUSTED, Status.DELETED)
        self.status, self.ends_ms = status, ends_ms if has_end else 0

    def forgive(self) -> None:
        self.strike, self.strikes, self.is_on_trial = None, 0, False


@dataclass(frozen=True)
class ModelLease:
    account: AccountId
    born: int
    pool: Pool
    units: int
    granted_ms: int
    ends_ms: int


@dataclass(frozen=True)
class ModelWaiter:
    units: int
    ttl_ms: int
    ends_ms: int


@dataclass
class Model:
    now_ms: int
    births: int = 0
    accounts: dict[AccountId, ModelAccount] = field(default_factory=dict)
    leases: dict[LeaseId, ModelLease] = field(default_factory=dict)
    waiters: dict[LeaseId, ModelWaiter] = field(default_factory=dict)
    granted: dict[Pool, int] = field(default_factory=dict)
    settled: dict[Pool, int] = field(default_factory=dict)
    refunded: dict[Pool, int] = field(default_factory=dict)

    def account_of(self, lease: ModelLease) -> ModelAccount | None:
        account = self.accounts.get(lease.account)
        return account if account and account.born == lease.born else None

    def grant(self, lease_id: LeaseId, name: AccountId, units: int, ttl_ms: int) -> None:
        account = self.accounts[name]
        ends_ms = self.now_ms + ttl_ms
        lease = ModelLease(name, account.born, account.pool, units, self.now_ms, ends_ms)
        self.leases[lease_id] = lease
        self.granted[lease.pool] = self.granted.get(lease.pool, 0) + units

    def extend(self, lease_id: LeaseId, ttl_ms: int) -> None:
        self.leases[lease_id] = replace(self.leases[lease_id], ends_ms=self.now_ms + ttl_ms)

    def end(self, lease_id: LeaseId, *, is_used: bool) -> ModelLease:
        lease = self.leases.pop(lease_id)
        books = self.settled if is_used else self.refunded
        books[lease.pool] = books.get(lease.pool, 0) + lease.units
        return lease

    def handle_due(self) -> None:
        for lease_id in [i for i, lease in self.leases.items() if lease.ends_ms <= self.now_ms]:
            self.end(lease_id, is_used=False)
        for lease_id in [i for i, w in self.waiters.items() if w.ends_ms <= self.now_ms]:
            del self.waiters[lease_id]
        for name, account in list(self.accounts.items()):
            if 0 < account.ends_ms <= self.now_ms:
                if account.status is Status.DELETED:
                    del self.accounts[name]
                else:
                    account.mark(Status.ACTIVE)
                    account.is_on_trial = True

    def release(
        self, lease_id: LeaseId, outcome: Outcome, cooldown_ms: int, *, is_used: bool
    ) -> ModelAccount | None:
        """Return the account whose status the reply tells; None: the lease is gone."""
        if lease_id not in self.leases:
            return None
        is_over = self.leases[lease_id].ends_ms <= self.now_ms
        lease = self.end(lease_id, is_used=is_used and not is_over)
        account = self.account_of(lease)
        if account is None or is_over:
            return None
        self._apply(account, lease, outcome, cooldown_ms)
        return account

    def _apply(
        self, account: ModelAccount, lease: ModelLease, outcome: Outcome, cooldown_ms: int
    ) -> None:
        if outcome is Outcome.OK:
            account.forgive()
        if outcome in (Outcome.OK, Outcome.FAILED, Outcome.CANCELLED):
            return
        if account.strike is not outcome:
            account.strike, account.strikes = outcome, 1
        elif lease.granted_ms >= account.failed_ms:
            account.strikes += 1
        account.failed_ms = self.now_ms
        rest_ms = min(FIRST_REST_MS * 2 ** (account.strikes - 1), LONGEST_REST_MS)
        if account.status in OURS:
            _follow(account, outcome, self.now_ms + (cooldown_ms or rest_ms))


def _follow(account: ModelAccount, outcome: Outcome, ends_ms: int) -> None:
    """Give an account that may be used, now or later, the status that a failure means."""
    match outcome, account.strikes:
        case (Outcome.UNAUTHORIZED, _) | (Outcome.UNCONFIRMED, 2):
            account.mark(Status.EXPIRED)
        case Outcome.FORBIDDEN, 3:
            account.mark(Status.DISABLED)
        case Outcome.USED_UP, _:
            account.mark(Status.EXHAUSTED, ends_ms)
        case ((Outcome.RATE_LIMITED | Outcome.UNCONFIRMED), _):
            is_longer = 0 < account.ends_ms < ends_ms
            if account.status is Status.ACTIVE or (account.status is Status.COOLING and is_longer):
                account.mark(Status.COOLING, ends_ms)
        case _:
            pass
