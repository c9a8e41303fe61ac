"""How much is under way on all hosts together: lengths that Redis knows, nothing is walked."""

from msgspec import Struct

from grok2api.store import keys, reads
from grok2api.store.connection import RedisClient


class ClusterCounts(Struct, frozen=True, kw_only=True):
    """Requests that wait; batches and video jobs that have not ended, and videos that have."""

    waiting: int
    batches_open: int
    batches_running: int
    videos_unfinished: int
    videos_ended: int


class ClusterStore:
    """Reads the counts."""

    __slots__ = ("_redis",)

    def __init__(self, redis: RedisClient) -> None:
        self._redis = redis

    async def read(self) -> ClusterCounts:
        """Return the counts now.

        Raises:
            StoreUnavailableError: Redis did not answer.
        """
        redis = self._redis
        return ClusterCounts(
            waiting=await reads.hash_length(redis, keys.waiters()),
            batches_open=await reads.sorted_length(redis, keys.batch_open()),
            batches_running=await reads.sorted_length(redis, keys.batch_running()),
            videos_unfinished=await reads.sorted_length(redis, keys.video_due()),
            videos_ended=await reads.sorted_length(redis, keys.video_ends()),
        )
