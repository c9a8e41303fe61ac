"""Finished requests, settled at a time that only the test moves."""

from typing import Any

import msgspec
import pytest

from grok2api.domain.ids import AccountId, ClientKeyId
from grok2api.domain.statistics import Dimension
from grok2api.domain.usage import FinishedRequest, UsageCount
from grok2api.store import usage_keys
from grok2api.store.connection import RedisClient
from grok2api.store.usage import UsageLimits, UsageStore
from tests.lua.conftest import NOW_MS

HOUR_MS = 3_600_000
LIMITS = UsageLimits(hourly_retention_h=2, daily_retention_d=3, log_max_entries=5)


def request(name: str = "req_1", **facts: Any) -> FinishedRequest:
    """Return a request that went well."""
    finished = FinishedRequest(
        id=name,
        at_s=NOW_MS / 1000,
        route="/v1/chat/completions",
        key_id=ClientKeyId("key_a"),
        model="grok-4",
        account=AccountId("acc_a"),
        status=200,
        input_tokens=10,
        output_tokens=5,
        units=1,
        duration_ms=1500,
        first_output_ms=300,
    )
    return msgspec.structs.replace(finished, **facts)


ONE = UsageCount(
    requests=1,
    input_tokens=10,
    output_tokens=5,
    units=1,
    duration_ms=1500,
    first_output_ms=300,
    first_outputs=1,
)
"""What `request()` adds."""


class UsageBench:
    """Settles, and shows what came of it."""

    def __init__(self, redis: RedisClient, limits: UsageLimits) -> None:
        self.redis = redis
        self.store = UsageStore(redis, limits, now_ms=NOW_MS)
        self.batch = 0

    async def settle(self, *finished: FinishedRequest) -> None:
        self.batch += 1
        assert await self.store.settle(finished, recorder="w", batch=self.batch) is not None

    def wait(self, ms: int) -> None:
        self.store.now_ms += ms

    async def hour(self, dimension: Dimension) -> dict[str, UsageCount]:
        return dict(await self.store.of_hour(dimension, await self.store.read_hour()))

    async def day(self, dimension: Dimension) -> dict[str, UsageCount]:
        return dict(await self.store.of_day(dimension, await self.store.read_hour() // 24))

    async def logged(self) -> list[str]:
        found = await self.redis.execute_command("XRANGE", usage_keys.usage_log(), "-", "+")
        return [fields[b"id"].decode() for _, fields in found]

    async def index(self) -> dict[str, str]:
        found = await self.redis.execute_command("HGETALL", usage_keys.usage_index())
        return {name.decode(): place.decode() for name, place in found.items()}


@pytest.fixture
def usage(redis: RedisClient) -> UsageBench:
    return UsageBench(redis, LIMITS)
