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
        members = _Members()
        for hour in await self._hours(count):
            members.add(await self._store.of_hour(dimension, hour))
        return members.sums()

    async def by_days(self, dimension: Dimension, count: int) -> dict[str, UsageCount]:
        """Return what each member used in the last days."""
        members = _Members()
        for day in await self._days(count):
            members.add(await self._store.of_day(dimension, day))
        return members.sums()

    async def reset(self) -> None:
        """Forget all sums."""
        await self._store.reset()

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


class _Members:
    """Sums by member, kept as they come: those of a month would be too many to hold at once."""

    def __init__(self) -> None:
        self._sums: dict[str, UsageCount] = {}

    def add(self, counts: Mapping[str, UsageCount]) -> None:
        for member, count in counts.items():
            known = self._sums.get(member)
            self._sums[member] = count if known is None else sum_usage((known, count))

    def sums(self) -> dict[str, UsageCount]:
        """Return the sums, those with most requests first."""
        return dict(sorted(self._sums.items(), key=lambda item: (-item[1].requests, item[0])))
