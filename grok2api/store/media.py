"""The index of kept media: which there are, what they take up, which come and which go.

Every method that writes is one script. The bytes are in an object store; their places are here.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from grok2api.domain.ids import MediaId
from grok2api.domain.media import MediaKind, MediaPage, StoredMedia
from grok2api.store import keys
from grok2api.store.connection import RedisClient
from grok2api.store.media_items import decode_items
from grok2api.store.media_replies import (
    Abandoned,
    Dropped,
    Evicted,
    Found,
    Full,
    Gone,
    Kept,
    Other,
    Page,
    Removed,
    Reserved,
    StaleEpoch,
    TooLarge,
    Unknown,
    Usage,
)
from grok2api.store.script import Script

MAX_AT_ONCE: Final = 1000
"""Objects that one call lists, takes out of the index, or drops."""

_ALL: Final = -1


class Eviction(Struct, frozen=True):
    """Places of what was taken out. Not `is_done`: there is still more than the target."""

    places: Sequence[str]
    is_done: bool


class MediaIndex:
    """The index. `now_ms` is for tests: ms since epoch, 0 for the server's own clock.

    Every method raises StoreUnavailableError when Redis does not answer. Whoever takes an object
    out of the index removes its bytes and then drops its place; the leader does so if he dies.
    """

    def __init__(self, redis: RedisClient, *, now_ms: int = 0) -> None:
        self.now_ms = now_ms
        self._reserve: Script[Found | Reserved | Full | TooLarge] = Script(
            redis, "media/reserve", Found | Reserved | Full | TooLarge
        )
        self._keep: Script[Kept | Other | Gone] = Script(redis, "media/keep", Kept | Other | Gone)
        self._abandon: Script[Abandoned | Unknown] = Script(
            redis, "media/abandon", Abandoned | Unknown
        )
        self._find: Script[Found | Unknown] = Script(redis, "media/find", Found | Unknown)
        self._list: Script[Page] = Script(redis, "media/list", Page)
        self._usage: Script[Usage] = Script(redis, "media/usage", Usage)
        self._evict: Script[Evicted | StaleEpoch] = Script(
            redis, "media/evict", Evicted | StaleEpoch
        )
        self._remove: Script[Removed | Unknown] = Script(redis, "media/remove", Removed | Unknown)
        self._drop: Script[Dropped] = Script(redis, "media/drop", Dropped)

    async def reserve(
        self,
        kind: MediaKind,
        media_id: MediaId,
        place: str,
        *,
        size_bytes: int,
        limit_bytes: int | None,
        write_s: float,
    ) -> StoredMedia | Reserved | Full | TooLarge:
        """Make room at a new place for content that is not kept; it has to be there in `write_s`.

        What is kept of the same content is returned instead; that counts as a use.
        """
        reply = await self._reserve(
            keys=keys.media_state(kind),
            args={
                "media_id": media_id,
                "place": place,
                "size": size_bytes,
                "limit": limit_bytes or 0,
                "write_ms": round(write_s * 1000),
                "now_ms": self.now_ms,
            },
        )
        return _to_media(kind, media_id, reply) if isinstance(reply, Found) else reply

    async def keep(
        self, kind: MediaKind, media_id: MediaId, place: str, media_type: str
    ) -> StoredMedia | None:
        """Put what was written at `place` in the index; return what is kept of this content.

        If that is at another place, the caller removes his object. None: there is no room for it
        any more, and he removes it as well.
        """
        reply = await self._keep(
            keys=keys.media_state(kind),
            args={
                "media_id": media_id,
                "place": place,
                "media_type": media_type,
                "now_ms": self.now_ms,
            },
        )
        return None if isinstance(reply, Gone) else _to_media(kind, media_id, reply)

    async def abandon(self, kind: MediaKind, place: str) -> None:
        """Give back the room at `place`; the leader removes what has been written there."""
        await self._abandon(
            keys=keys.media_state(kind), args={"place": place, "now_ms": self.now_ms}
        )

    async def find(self, kind: MediaKind, media_id: MediaId) -> StoredMedia | None:
        """Return what is kept under an id; that counts as a use."""
        reply = await self._find(
            keys=keys.media_state(kind), args={"media_id": media_id, "now_ms": self.now_ms}
        )
        return _to_media(kind, media_id, reply) if isinstance(reply, Found) else None

    async def list(self, kind: MediaKind, *, skip: int, limit: int) -> MediaPage:
        """Return up to `limit` objects behind the `skip` newest ones, newest first."""
        limit = max(1, min(limit, MAX_AT_ONCE))
        reply = await self._list(keys=keys.media_state(kind), args={"skip": skip, "limit": limit})
        items = decode_items(kind, reply.items)
        end = skip + len(items)
        more = bool(items) and end < reply.total
        return MediaPage(items=items, next_cursor=str(end) if more else "", total=reply.total)

    async def usage(self, kind: MediaKind) -> Usage:
        """Return what a kind takes up."""
        return await self._usage(keys=keys.media_state(kind), args={})

    async def evict(
        self,
        kind: MediaKind,
        *,
        limit_bytes: int | None,
        target_bytes: int,
        idle_s: float = 0.0,
        most: int = MAX_AT_ONCE,
        epoch: int = 0,
    ) -> Eviction | StaleEpoch:
        """Take out what was unused for longest, from more than the limit down to the target.

        What was not used for `idle_s` goes in any case, unless that is 0; never more than `most`.
        """
        reply = await self._evict(
            keys=keys.media_state(kind) | {"leader": keys.leader()},
            args={
                "limit": 2**53 if limit_bytes is None else limit_bytes,
                "target": target_bytes,
                "idle_ms": round(idle_s * 1000),
                "most": most,
                "epoch": epoch,
                "now_ms": self.now_ms,
            },
        )
        if isinstance(reply, StaleEpoch):
            return reply
        return Eviction(reply.places.split(), is_done=bool(reply.is_done))

    async def take_out(self, kind: MediaKind) -> Sequence[str]:
        """Take out up to a thousand objects, whatever they are; return their places."""
        taken = await self.evict(kind, limit_bytes=_ALL, target_bytes=_ALL)
        return [] if isinstance(taken, StaleEpoch) else taken.places

    async def remove(self, kind: MediaKind, media_id: MediaId, *, place: str = "") -> str | None:
        """Take one object out, if it is at `place` unless that is ""; return its place."""
        reply = await self._remove(
            keys=keys.media_state(kind),
            args={"media_id": media_id, "place": place, "now_ms": self.now_ms},
        )
        return reply.place if isinstance(reply, Removed) else None

    async def drop(self, kind: MediaKind, places: Sequence[str]) -> None:
        """Note that the objects at up to a thousand places are gone."""
        if places:
            await self._drop(keys=keys.media_state(kind), args={"places": places})


def _to_media(kind: MediaKind, media_id: MediaId, found: Found) -> StoredMedia:
    return StoredMedia(
        id=media_id,
        kind=kind,
        media_type=found.media_type,
        size_bytes=found.size,
        place=found.place,
        created_at_s=found.created_ms / 1000,
        used_at_s=found.used_ms / 1000,
    )
