"""What is true of all hosts together, read once for a scrape: counters that are kept."""

import asyncio
from typing import Final

import structlog

from grok2api.errors import StoreUnavailableError
from grok2api.services.media import MediaLibrary
from grok2api.store.accounts import AccountStore
from grok2api.store.cluster import ClusterStore
from grok2api.store.leader import LeaderStore
from grok2api.store.quota_left import QuotaLeftStore
from grok2api.telemetry.cluster_metrics import ClusterFacts, MediaFacts, PoolFacts

log = structlog.get_logger(__name__)

TIMEOUT_S: Final = 2.0


class ClusterReader:
    """Reads the facts. Nothing is walked, so it costs the same at any number of accounts."""

    __slots__ = ("_accounts", "_counts", "_leader", "_left", "_media")

    def __init__(
        self,
        accounts: AccountStore,
        leader: LeaderStore,
        media: MediaLibrary,
        counts: ClusterStore,
        left: QuotaLeftStore,
    ) -> None:
        self._accounts = accounts
        self._leader = leader
        self._media = media
        self._counts = counts
        self._left = left

    async def find(self) -> ClusterFacts | None:
        """Return the facts; None where the store does not answer within two seconds."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await self._read()
        except (StoreUnavailableError, TimeoutError) as error:
            log.warning("cluster_facts_not_read", error=type(error).__name__)
            return None

    async def _read(self) -> ClusterFacts:
        leader = await self._leader.find()
        counts = await self._counts.read()
        left = await self._left.read()
        return ClusterFacts(
            pools=tuple(
                PoolFacts(
                    kind=count.pool.kind.value,
                    tier=count.pool.tier.value,
                    accounts={status.value: number for status, number in count.by_status.items()},
                    open_leases=count.open_leases,
                    granted=count.granted,
                    settled=count.settled,
                    refunded=count.refunded,
                    left={
                        mode.value: units
                        for (pool, mode), units in left.items()
                        if pool == count.pool
                    },
                )
                for count in await self._accounts.pool_counts()
            ),
            media=tuple(
                MediaFacts(
                    kind=usage.kind.value,
                    count=usage.count,
                    size_bytes=usage.size_bytes,
                    reserved_bytes=usage.reserved_bytes,
                    limit_bytes=usage.limit_bytes,
                )
                for usage in await self._media.usage()
            ),
            waiting=counts.waiting,
            batches={"open": counts.batches_open, "running": counts.batches_running},
            videos={"unfinished": counts.videos_unfinished, "ended": counts.videos_ended},
            leader_epoch=None if leader is None else leader.epoch,
        )
