"""The log of finished requests, as it is read: the newest first."""

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from grok2api.domain.usage import FinishedRequest
from grok2api.store import reads, usage_keys
from grok2api.store.connection import RedisClient

_RECORD = msgspec.msgpack.Decoder(FinishedRequest)


class LoggedRequest(Struct, frozen=True):
    """A finished request and its place in the log. Places rise; they begin with ms since epoch."""

    place: str
    finished: FinishedRequest

    @property
    def settled_at_s(self) -> float:
        """When it was written to the log: right after its end, by the store's clock."""
        return int(self.place.partition("-")[0]) / 1000


class RequestLogStore:
    """Finished requests. Every method raises StoreUnavailableError when Redis does not answer."""

    def __init__(self, redis: RedisClient) -> None:
        self._redis = redis

    async def read(self, before: str, limit: int, *, since_ms: int = 0) -> Sequence[LoggedRequest]:
        """Return up to `limit` requests before a place ("": all), none older than `since_ms`."""
        entries = await reads.stream_backwards(
            self._redis, usage_keys.usage_log(), before, limit, end=str(since_ms)
        )
        return [_logged(place, fields) for place, fields in entries]

    async def find(self, request_id: str) -> LoggedRequest | None:
        """Return the last request with this id."""
        place = await reads.hash_get(self._redis, usage_keys.usage_index(), request_id)
        if place is None:
            return None
        fields = await reads.stream_entry(self._redis, usage_keys.usage_log(), place.decode())
        return _logged(place.decode(), fields) if fields else None


def _logged(place: str, fields: dict[str, bytes]) -> LoggedRequest:
    return LoggedRequest(place, _RECORD.decode(fields["record"]))
