"""What an operator sees first: the pools, and who leads maintenance."""

from msgspec import Struct

from grok2api.domain.account import ProviderKind, Status, Tier
from grok2api.store.accounts import AccountStore
from grok2api.store.leader import LeaderStore


class PoolState(Struct, frozen=True):
    """The accounts of one kind and tier."""

    kind: ProviderKind
    tier: Tier
    total: int
    by_status: dict[Status, int]


class LeaderState(Struct, frozen=True):
    """The process that leads maintenance. Its lease ends in `ends_in_s` seconds, if not renewed."""

    owner: str
    epoch: int
    ends_in_s: float


class GatewayState(Struct, frozen=True):
    """The pools as all workers share them. `size` counts the accounts that are not deleted."""

    size: int
    strategy: str
    leader: LeaderState | None
    pools: list[PoolState]


class Overview:
    """Reads the state of the whole gateway: counters that are kept, nothing is walked."""

    __slots__ = ("_accounts", "_leader", "_strategy")

    def __init__(self, accounts: AccountStore, leader: LeaderStore, *, strategy: str) -> None:
        self._accounts = accounts
        self._leader = leader
        self._strategy = strategy

    async def read(self) -> GatewayState:
        """Return the state now.

        Raises:
            StoreUnavailableError: the store does not answer.
        """
        pools = [
            PoolState(count.pool.kind, count.pool.tier, count.total, count.by_status)
            for count in await self._accounts.pool_counts()
        ]
        live = (
            sum(number for status, number in pool.by_status.items() if status is not Status.DELETED)
            for pool in pools
        )
        found = await self._leader.find()
        leader = None if found is None else LeaderState(found.owner, found.epoch, found.ends_in_s)
        return GatewayState(sum(live), self._strategy, leader, pools)
