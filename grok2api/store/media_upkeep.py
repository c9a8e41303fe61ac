"""What the leader does to the index of kept media: compare it with the object store.

Every method that writes is one script, and does nothing for a leader of the past.
"""

from collections.abc import Sequence

from msgspec import Struct

from grok2api.domain.media import MediaKind, MediaPlace, StoredMedia
from grok2api.store import keys, reads
from grok2api.store.connection import RedisClient
from grok2api.store.media_items import decode_items
from grok2api.store.media_replies import (
    Adopted,
    Ended,
    Known,
    Pending,
    StaleEpoch,
    Strangers,
    Unseen,
    Useless,
)
from grok2api.store.script import Script

Verdict = Adopted | Known | Pending | Useless | StaleEpoch


class Sighting(Struct, frozen=True):
    """An object that was found in the store."""

    place: str
    facts: MediaPlace
    size_bytes: int
    written_at_s: float


class MediaUpkeepIndex:
    """The leader's view of the index. `now_ms` is for tests: 0 for the server's own clock.

    Every method raises StoreUnavailableError when Redis does not answer.
    """

    def __init__(self, redis: RedisClient, *, now_ms: int = 0) -> None:
        self._redis = redis
        self.now_ms = now_ms
        self._take_ended: Script[Ended | StaleEpoch] = Script(
            redis, "media/take_ended", Ended | StaleEpoch
        )
        self._note_seen: Script[Strangers | StaleEpoch] = Script(
            redis, "media/note_seen", Strangers | StaleEpoch
        )
        self._adopt: Script[Verdict] = Script(redis, "media/adopt", Verdict)
        self._list_unseen: Script[Unseen | StaleEpoch] = Script(
            redis, "media/list_unseen", Unseen | StaleEpoch
        )

    async def read_time_ms(self) -> int:
        """Return the time of the index, ms since epoch."""
        return self.now_ms or await reads.server_time_ms(self._redis)

    async def take_ended(
        self, kind: MediaKind, *, most: int, epoch: int
    ) -> Sequence[str] | StaleEpoch:
        """Return places whose objects are to be removed; each comes again until it is dropped."""
        reply = await self._take_ended(
            keys=_keys(kind), args={"most": most, "epoch": epoch, "now_ms": self.now_ms}
        )
        return reply if isinstance(reply, StaleEpoch) else reply.places.split()

    async def note_seen(
        self, kind: MediaKind, found: Sequence[Sighting], *, seen_ms: int, epoch: int
    ) -> Sequence[Sighting] | StaleEpoch:
        """Note up to a thousand objects of the store; return those not in the index like this."""
        reply = await self._note_seen(
            keys=_keys(kind),
            args={
                "seen_ms": seen_ms,
                "epoch": epoch,
                "objects": [
                    word for one in found for word in (one.facts.id, one.place, str(one.size_bytes))
                ],
            },
        )
        if isinstance(reply, StaleEpoch):
            return reply
        return [found[int(number)] for number in reply.numbers.split()]

    async def adopt(self, found: Sighting, *, epoch: int) -> Verdict:
        """Decide about an object that is not in the index like this."""
        return await self._adopt(
            keys=_keys(found.facts.kind),
            args={
                "media_id": found.facts.id,
                "place": found.place,
                "media_type": found.facts.media_type,
                "size": found.size_bytes,
                "created_ms": round(found.written_at_s * 1000),
                "epoch": epoch,
                "now_ms": self.now_ms,
            },
        )

    async def list_unseen(
        self, kind: MediaKind, *, before_ms: int, limit: int, epoch: int
    ) -> Sequence[StoredMedia] | StaleEpoch:
        """Return objects of the index whose bytes nobody has seen since `before_ms`."""
        reply = await self._list_unseen(
            keys=_keys(kind), args={"before_ms": before_ms, "limit": limit, "epoch": epoch}
        )
        return reply if isinstance(reply, StaleEpoch) else decode_items(kind, reply.items)


def _keys(kind: MediaKind) -> dict[str, str]:
    return keys.media_state(kind) | {"leader": keys.leader()}
