"""Buckets of tokens that all workers share."""

from msgspec import Struct

from grok2api.store import limit_keys
from grok2api.store.connection import RedisClient
from grok2api.store.script import Script


class Taken(Struct, frozen=True, array_like=True, tag="taken"):
    """The tokens are taken."""


class Refused(Struct, frozen=True, array_like=True, tag="refused"):
    """There are too few; after `retry_after_ms` there will be enough if nobody else takes any."""

    retry_after_ms: int


class RateLimitStore:
    """Token buckets by client address. `now_ms` is for tests: 0 is the server's own clock."""

    def __init__(self, redis: RedisClient, *, now_ms: int = 0) -> None:
        self.now_ms = now_ms
        self._take: Script[Taken | Refused] = Script(redis, "limit/take", Taken | Refused)

    async def take(
        self, address: str, *, per_minute: int, burst: int, cost: int = 1
    ) -> Taken | Refused:
        """Take `cost` tokens, at most `burst`, of the bucket of `address`.

        Raises:
            StoreUnavailableError: Redis did not answer; they may be taken all the same.
        """
        return await self._take(
            keys={"bucket": limit_keys.address_bucket(address)},
            args={"per_minute": per_minute, "burst": burst, "cost": cost, "now_ms": self.now_ms},
        )
