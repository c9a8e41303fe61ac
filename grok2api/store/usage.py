"""Statistics: finished requests are settled in batches, and the sums read back."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from msgspec import Struct

from grok2api.domain.admission import KeySpending
from grok2api.domain.ids import CallId
from grok2api.domain.statistics import (
    MAX_DAYS,
    MAX_HOURS,
    Dimension,
    count_request,
    member_of,
    sum_usage,
)
from grok2api.domain.usage import FinishedRequest, UsageCount
from grok2api.store import keys, reads, usage_keys
from grok2api.store.connection import RedisClient
from grok2api.store.key_use import read_spendings
from grok2api.store.script import Script

MAX_AT_ONCE: Final = 32
"""Requests that one call may settle; the script is written for no more."""

HOUR_S: Final = 3600
HOURS_A_DAY: Final = 24

_encode = msgspec.msgpack.Encoder().encode
_CELL = msgspec.msgpack.Decoder(tuple[int, ...])
_FIELDS: Final = UsageCount.__struct_fields__


class Settled(Struct, frozen=True, array_like=True, tag="settled"):
    """The batch counts."""

    uses: bytes


class Known(Struct, frozen=True, array_like=True, tag="known"):
    """The batch had been settled before; nothing changed."""


class OtherHour(Struct, frozen=True, array_like=True, tag="other_hour"):
    """It is another hour, counted since epoch; nothing changed."""

    hour: int


class Reset(Struct, frozen=True, array_like=True, tag="reset"):
    """So many sums were forgotten."""

    count: int


class UsageLimits(Struct, frozen=True):
    """How much is kept: sums for hours and days, and so many requests in the log.

    Where it is not enabled only calls of client keys are ended.
    """

    is_enabled: bool = True
    hourly_retention_h: int = 48
    daily_retention_d: int = 30
    log_max_entries: int = 10_000


class UsageStore:
    """Sums of requests. `now_ms` is for tests: ms since epoch, 0 for the server's own clock.

    Every method raises StoreUnavailableError when Redis does not answer.
    """

    def __init__(self, redis: RedisClient, limits: UsageLimits, *, now_ms: int = 0) -> None:
        self._redis = redis
        self._limits = limits
        self._hour = 0
        self.now_ms = now_ms
        self._settle: Script[Settled | Known | OtherHour] = Script(
            redis, "usage/settle", Settled | Known | OtherHour
        )
        self._reset: Script[Reset] = Script(redis, "usage/reset", Reset)

    async def settle(
        self, finished: Sequence[FinishedRequest], *, recorder: str, batch: int
    ) -> dict[CallId, KeySpending] | None:
        """Count and log up to `MAX_AT_ONCE` requests and end their calls.

        Returns what the keys of these calls use right after, as far as that is known, and None if
        this batch was settled before. Batches of one `recorder` have rising numbers from 1 on.
        """
        counted = finished if self._limits.is_enabled else ()
        counts = [_add_up(counted, dimension) for dimension in Dimension] if counted else []
        requests = [word for one in counted for word in (one.id, _encode(one))]
        calling = [one for one in finished if one.call_id]
        calls = [word for one in calling for word in _end_of_call(one)]
        while True:
            reply = await self._settle(
                keys={
                    **keys.call_state(),
                    "log": usage_keys.usage_log(),
                    "index": usage_keys.usage_index(),
                    "receipt": usage_keys.usage_receipt(recorder),
                    "buckets": self._buckets(),
                },
                args={
                    "batch": batch,
                    "hour": self._hour,
                    "counts": _encode(counts),
                    "calls": _encode(calls),
                    "requests": requests,
                    "max_log": self._limits.log_max_entries,
                    "hourly_ms": self._limits.hourly_retention_h * HOUR_S * 1000,
                    "daily_ms": self._limits.daily_retention_d * HOURS_A_DAY * HOUR_S * 1000,
                    "now_ms": self.now_ms,
                },
            )
            if isinstance(reply, Settled):
                told = zip(calling, read_spendings(reply.uses), strict=True)
                return {one.call_id: use for one, use in told if use is not None}
            if isinstance(reply, Known):
                return None
            self._hour = reply.hour

    async def reset(self) -> int:
        """Forget all sums; return how many hours and days of a dimension there were."""
        hour = await self.read_hour()
        hours = range(hour - MAX_HOURS, hour + 2)
        days = range(hour // HOURS_A_DAY - MAX_DAYS, hour // HOURS_A_DAY + 2)
        buckets = [
            *(usage_keys.usage_of_hour(d, number) for d in Dimension for number in hours),
            *(usage_keys.usage_of_day(d, number) for d in Dimension for number in days),
        ]
        reply = await self._reset(keys={"buckets": buckets}, args={})
        return reply.count

    async def read_hour(self) -> int:
        """Return the hour that it is, counted since epoch."""
        now_ms = self.now_ms or await reads.server_time_ms(self._redis)
        return now_ms // (HOUR_S * 1000)

    async def of_hour(self, dimension: Dimension, hour: int) -> Mapping[str, UsageCount]:
        """Return what each member used in an hour."""
        return await self._read(usage_keys.usage_of_hour(dimension, hour))

    async def of_day(self, dimension: Dimension, day: int) -> Mapping[str, UsageCount]:
        """Return what each member used in a day."""
        return await self._read(usage_keys.usage_of_day(dimension, day))

    async def _read(self, key: str) -> dict[str, UsageCount]:
        # Whole: it has no more than `MAX_MEMBERS`, and a sum wants all of them at one moment.
        found = await reads.hash_all(self._redis, key)
        return {member: _read_cell(packed) for member, packed in found.items()}

    def _buckets(self) -> list[str]:
        return [
            key
            for dimension in Dimension
            for key in (
                usage_keys.usage_of_hour(dimension, self._hour),
                usage_keys.usage_of_day(dimension, self._hour // HOURS_A_DAY),
            )
        ]


def _add_up(
    finished: Sequence[FinishedRequest], dimension: Dimension
) -> list[str | tuple[int, ...]]:
    by_member: dict[str, list[UsageCount]] = {}
    for one in finished:
        by_member.setdefault(member_of(one, dimension), []).append(count_request(one))
    return [
        word
        for member, counts in by_member.items()
        for word in (member, msgspec.structs.astuple(sum_usage(counts)))
    ]


def _end_of_call(finished: FinishedRequest) -> tuple[str, int, int]:
    return finished.call_id, finished.tokens, finished.units


def _read_cell(packed: bytes) -> UsageCount:
    # A version that counts more puts it behind; one that counts less leaves it out.
    return UsageCount(**dict(zip(_FIELDS, _CELL.decode(packed), strict=False)))
