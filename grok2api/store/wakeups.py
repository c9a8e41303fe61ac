"""Who was handed an account while waiting: told to all workers, each picks out its own."""

from msgspec import Struct

from grok2api.domain.ids import LeaseId
from grok2api.store import keys, reads
from grok2api.store.connection import RedisClient


class News(Struct, frozen=True):
    """Requests that were handed an account, and where to go on reading."""

    leases: tuple[LeaseId, ...]
    position: str


class Wakeups:
    """Reads the stream of hand-offs. Give it a connection of its own: reading occupies it."""

    __slots__ = ("_redis",)

    def __init__(self, redis: RedisClient) -> None:
        self._redis = redis

    async def find_end(self) -> str:
        """Return the position behind all that has been told until now.

        Raises:
            StoreUnavailableError: Redis did not answer.
        """
        return f"{await reads.server_time_ms(self._redis) - 1}-0"

    async def read(self, position: str, *, wait_s: float) -> News:
        """Return what was told after `position`, waiting up to `wait_s` seconds for some.

        Raises:
            StoreUnavailableError: Redis did not answer.
        """
        found = await reads.stream_after(
            self._redis, keys.wakeups(), position, wait_ms=round(wait_s * 1000)
        )
        if not found:
            return News((), position)
        return News(tuple(LeaseId(fields["lease"]) for _, fields in found), found[-1][0])
