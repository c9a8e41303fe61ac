"""A process that asks for calls of one client key as fast as it can: `python -m` with a store URL.

It writes "+ID" when a call was admitted, "~ID" before it is settled, "-ID" afterwards.
"""

import asyncio
import random
import sys

from grok2api.clock import SystemClock
from grok2api.domain.admission import Used
from grok2api.domain.client_key import Budget, ClientKey, KeyLimits
from grok2api.domain.ids import ClientKeyId
from grok2api.errors import RateLimitExceededError
from grok2api.services.admission import Admissions, CallKeeper
from grok2api.services.cleanup import Cleanup
from grok2api.store.admissions import AdmissionStore
from grok2api.store.connection import RedisClient, open_redis

CONCURRENCY, PER_MINUTE, TTL_S = 6, 500, 2.0
TOKENS, UNITS = 7, 2
BUDGET = Budget(requests=PER_MINUTE + 50, tokens=PER_MINUTE * TOKENS * 2, units=PER_MINUTE * UNITS)
KEY = ClientKey(
    ClientKeyId("key_race"),
    "race",
    0.0,
    limits=KeyLimits(requests_per_minute=PER_MINUTE, concurrency=CONCURRENCY, day=BUDGET),
)
HELD = "{g2a}:held-by-workers"
"""Counted by the workers themselves: how many calls they hold at the same time."""


def note(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def ask_on(admissions: Admissions, store: AdmissionStore, redis: RedisClient) -> None:
    while True:
        try:
            admission = await admissions.admit(
                KEY, model="m", tokens=TOKENS * 2, units=UNITS, client=""
            )
        except RateLimitExceededError:
            await asyncio.sleep(random.uniform(0, 0.02))  # noqa: S311 - a moment, no secret
            continue
        held = await redis.execute_command("INCR", HELD)
        note(f"+{admission.call_id} {held}")
        await asyncio.sleep(random.uniform(0, 0.03))  # noqa: S311 - a moment, no secret
        await redis.execute_command("DECR", HELD)
        note(f"~{admission.call_id}")
        admissions.leave(admission.call_id)
        await store.settle(admission.call_id, Used(1, TOKENS, UNITS))
        note(f"-{admission.call_id}")


async def run(url: str) -> None:
    async with open_redis(url, pool_size=16) as redis, Cleanup() as cleanup:
        store = AdmissionStore(redis)
        async with CallKeeper(store, ttl_s=TTL_S) as keeper, asyncio.TaskGroup() as group:
            admissions = Admissions(store, keeper, cleanup, SystemClock())
            for _ in range(8):
                group.create_task(ask_on(admissions, store, redis))


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1]))
