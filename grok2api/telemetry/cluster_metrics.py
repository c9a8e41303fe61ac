"""What is true of all hosts together, as metrics: the same whichever worker is asked."""

from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import Struct
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

_POOL: Final = ("kind", "tier")


class PoolFacts(Struct, frozen=True, kw_only=True):
    """The accounts of one kind and tier. Units are quota units since ever.

    `left` are those that windows with a known number still have, by mode, as they were lately.
    """

    kind: str
    tier: str
    accounts: Mapping[str, int]
    open_leases: int
    granted: int
    settled: int
    refunded: int
    left: Mapping[str, int] = {}


class MediaFacts(Struct, frozen=True, kw_only=True):
    """What is kept of one kind of media. `limit_bytes` is None without a limit."""

    kind: str
    count: int
    size_bytes: int
    reserved_bytes: int
    limit_bytes: int | None


class ClusterFacts(Struct, frozen=True, kw_only=True):
    """What the store knows. `leader_epoch` is None where nobody leads maintenance."""

    pools: tuple[PoolFacts, ...]
    media: tuple[MediaFacts, ...]
    waiting: int
    batches: Mapping[str, int]
    videos: Mapping[str, int]
    leader_epoch: int | None


class ClusterCollector:
    """Tells Prometheus the facts of one scrape; without any, only that they are missing."""

    __slots__ = ("_facts",)

    def __init__(self, facts: ClusterFacts | None) -> None:
        self._facts = facts

    def collect(self) -> Iterable[Metric]:
        """Yield the metrics."""
        facts = self._facts
        yield GaugeMetricFamily(
            "g2a_store_up", "Whether Redis answered this scrape.", value=facts is not None
        )
        if facts is None:
            return
        yield from _pools(facts.pools)
        yield from _media(facts.media)
        yield GaugeMetricFamily(
            "g2a_waiting_requests", "Requests that wait for an account.", value=facts.waiting
        )
        yield _by_state("g2a_batches", "Batches that have not ended.", facts.batches)
        yield _by_state("g2a_video_jobs", "Video jobs that are kept.", facts.videos)
        leads = facts.leader_epoch is not None
        yield GaugeMetricFamily(
            "g2a_leader_present", "Whether a process leads maintenance.", value=leads
        )
        epoch = GaugeMetricFamily(
            "g2a_leader_epoch", "The number of the lead of maintenance; every new one is higher."
        )
        if facts.leader_epoch is not None:
            epoch.add_metric((), facts.leader_epoch)
        yield epoch


def _pools(pools: Iterable[PoolFacts]) -> Iterable[Metric]:
    accounts = GaugeMetricFamily(
        "g2a_pool_accounts", "Accounts by status.", labels=(*_POOL, "status")
    )
    leases = GaugeMetricFamily("g2a_pool_leases", "Account slots that are held.", labels=_POOL)
    granted = CounterMetricFamily(
        "g2a_pool_units_granted", "Quota units reserved for requests.", labels=_POOL
    )
    settled = CounterMetricFamily(
        "g2a_pool_units_settled", "Quota units that requests have used.", labels=_POOL
    )
    refunded = CounterMetricFamily(
        "g2a_pool_units_refunded", "Quota units given back unused.", labels=_POOL
    )
    left = GaugeMetricFamily(
        "g2a_pool_quota_left",
        "Quota units left in windows whose number is known, added up every minute.",
        labels=(*_POOL, "mode"),
    )
    for pool in pools:
        labels = (pool.kind, pool.tier)
        for mode, units in pool.left.items():
            left.add_metric((*labels, mode), units)
        for status, count in pool.accounts.items():
            accounts.add_metric((*labels, status), count)
        leases.add_metric(labels, pool.open_leases)
        granted.add_metric(labels, pool.granted)
        settled.add_metric(labels, pool.settled)
        refunded.add_metric(labels, pool.refunded)
    yield from (accounts, leases, granted, settled, refunded, left)


def _media(media: Iterable[MediaFacts]) -> Iterable[Metric]:
    files = GaugeMetricFamily("g2a_media_files", "Kept media files.", labels=("kind",))
    size = GaugeMetricFamily("g2a_media_bytes", "Size of kept media.", labels=("kind",))
    reserved = GaugeMetricFamily(
        "g2a_media_reserved_bytes", "Room held for media being written.", labels=("kind",)
    )
    limit = GaugeMetricFamily(
        "g2a_media_limit_bytes", "Most that is kept; missing where unlimited.", labels=("kind",)
    )
    for kind in media:
        files.add_metric((kind.kind,), kind.count)
        size.add_metric((kind.kind,), kind.size_bytes)
        reserved.add_metric((kind.kind,), kind.reserved_bytes)
        if kind.limit_bytes is not None:
            limit.add_metric((kind.kind,), kind.limit_bytes)
    yield from (files, size, reserved, limit)


def _by_state(name: str, text: str, counts: Mapping[str, int]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=("state",))
    for state, count in counts.items():
        family.add_metric((state,), count)
    return family
