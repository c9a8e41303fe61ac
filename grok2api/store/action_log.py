"""The log of what administrators did."""

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from grok2api.domain.action import AdminAction, LoggedAction
from grok2api.store import reads, usage_keys
from grok2api.store.connection import RedisClient
from grok2api.store.script import Script

_encode = msgspec.msgpack.Encoder().encode
_DECODER = msgspec.msgpack.Decoder(AdminAction)


class Appended(Struct, frozen=True, array_like=True, tag="appended"):
    """The action has this place in the log."""

    place: str


class ActionLogStore:
    """Actions, up to `max_entries`.

    Every method raises StoreUnavailableError when Redis does not answer.
    """

    def __init__(self, redis: RedisClient, *, max_entries: int) -> None:
        self._redis = redis
        self._max_entries = max_entries
        self._append: Script[Appended] = Script(redis, "action_log/append", Appended)

    async def append(self, action: AdminAction) -> str:
        """Write down an action; return its place."""
        reply = await self._append(
            keys={"actions": usage_keys.action_log()},
            args={"record": _encode(action), "max_entries": self._max_entries},
        )
        return reply.place

    async def read(self, before: str, limit: int) -> Sequence[LoggedAction]:
        """Return up to `limit` actions before a place ("": all), the newest first."""
        entries = await reads.stream_backwards(self._redis, usage_keys.action_log(), before, limit)
        return [
            LoggedAction(
                place, int(place.partition("-")[0]) / 1000, _DECODER.decode(fields["record"])
            )
            for place, fields in entries
        ]
