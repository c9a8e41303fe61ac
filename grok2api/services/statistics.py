"""What was used: by hour, by day, and along each dimension."""

from collections.abc import Mapping
from typing import Final

from grok2api.domain.statistics import Dimension, Usage, sum_usage
from grok2api.domain.usage import UsageCount
from grok2api.store.usage import HOUR_S, HOURS_A_DAY, UsageStore

_DAY_S: Final = HOUR_S * HOURS_A_DAY


class Statistics:
    """Sums over finished requests, for the current hour or day and those before it.

    Asked for more hours or days than are kept, it answers for those that are. A request counts in
    the hour, and the day of UTC, in which it ended. Every method raises StoreUnavailableError when
    Redis does not answer.
    """

    __slots__ = ("_kept_days", "_kept_hours", "_store")

    def __init__(self, store: UsageStore, *, kept_hours: int, kept_days: int) -> None:
        self._store = store
        self._kept_hours = kept_hours
        self._kept_days = kept_days

    async def hours(self, count: int) -> tuple[Usage, ...]:
        """Return the last hours, the oldest first; also those in which nothing was used."""
        # Every request has a status, and there are few of them.
        hours = await self._hours(count)
        return tuple([Usage(hour * HOUR_S, await self._sum_hour(hour)) for hour in hours])

    async def days(self, count: int) -> tuple[Usage, ...]:
        """Return the last days, the oldest first; also those in which nothing was used."""
        days = await self._days(count)
        return tuple([Usage(day * _DAY_S, await self._sum_day(day)) for day in days])

    async def by_hours(self, dimension: Dimension, count: int) -> dict[str, UsageCount]:
        """Return what each member used in the last hours."""
        return _join([await self._store.of_hour(dimension, h) for h in await self._hours(count)])

    async def by_days(self, dimension: Dimension, count: int) -> dict[str, UsageCount]:
        """Return what each member used in the last days."""
        return _join([await self._store.of_day(dimension, d) for d in await self._days(count)])

    async def _hours(self, count: int) -> range:
        current = await self._store.read_hour()
        return range(current - min(count, self._kept_hours) + 1, current + 1)

    async def _days(self, count: int) -> range:
        current = await self._store.read_hour() // HOURS_A_DAY
        return range(current - min(count, self._kept_days) + 1, current + 1)

    async def _sum_hour(self, hour: int) -> UsageCount:
        return sum_usage((await self._store.of_hour(Dimension.STATUS, hour)).values())

    async def _sum_day(self, day: int) -> UsageCount:
        return sum_usage((await self._store.of_day(Dimension.STATUS, day)).values())


def _join(found: list[Mapping[str, UsageCount]]) -> dict[str, UsageCount]:
    """Return the sums of all members, those with most requests first."""
    members: dict[str, list[UsageCount]] = {}
    for counts in found:
        for member, count in counts.items():
            members.setdefault(member, []).append(count)
    sums = {member: sum_usage(counts) for member, counts in members.items()}
    return dict(sorted(sums.items(), key=lambda item: (-item[1].requests, item[0])))
