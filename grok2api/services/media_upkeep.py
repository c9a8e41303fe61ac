"""What the leader does for kept media: holds limits, removes leftovers, compares with the bytes."""

from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Final, TypeVar

import structlog

from grok2api.config.media import LocalCacheSettings
from grok2api.config.schema import Settings
from grok2api.domain.media import MediaKind, MediaPlace, StoredMedia, parse_place
from grok2api.media.objects import ObjectStore, StoredObject, open_object_store
from grok2api.services.media import limit_of
from grok2api.services.media_removal import erase
from grok2api.store.connection import RedisClient
from grok2api.store.media import MAX_AT_ONCE, MediaIndex
from grok2api.store.media_replies import Adopted, StaleEpoch, Useless
from grok2api.store.media_upkeep import MediaUpkeepIndex, Sighting

log = structlog.get_logger(__name__)

T = TypeVar("T")

YOUNG_S: Final = 600.0
"""An object that is younger may be one whose writer is about to tell the index."""
INPUT_IDLE_S: Final = 86_400.0
"""Inputs go with their jobs; what was not used for so long has lost its job."""

_LOOKED_AT_ONCE: Final = 100


class _StaleError(Exception):
    """Another process has taken the lead."""


class MediaUpkeep:
    """The leader's work; both methods return False when another has taken the lead.

    They raise MediaStoreError when the object store fails, and StoreUnavailableError when Redis
    does not answer; the next call goes on.
    """

    __slots__ = ("_index", "_objects", "_settings", "_upkeep")

    def __init__(
        self,
        objects: ObjectStore,
        index: MediaIndex,
        upkeep: MediaUpkeepIndex,
        settings: LocalCacheSettings,
    ) -> None:
        self._objects = objects
        self._index = index
        self._upkeep = upkeep
        self._settings = settings

    async def clean(self, epoch: int) -> bool:
        """Go down to the low water of each limit that is exceeded; remove what nobody wants."""
        try:
            for kind in MediaKind:
                await self._evict(kind, epoch)
                await self._remove_ended(kind, epoch)
        except _StaleError:
            return False
        return True

    async def reconcile(self, epoch: int) -> bool:
        """Make index and object store agree, whatever either of them has lost."""
        try:
            for kind in MediaKind:
                began_ms = await self._upkeep.read_time_ms()
                await self._look_at_objects(kind, began_ms, epoch)
                await self._look_for_missing(kind, began_ms, epoch)
        except _StaleError:
            return False
        await self._objects.sweep()
        return True

    async def _evict(self, kind: MediaKind, epoch: int) -> None:
        limit = limit_of(kind, self._settings)
        low_water = int((limit or 0) * self._settings.low_water)
        while True:
            gone = _current(
                await self._index.evict(
                    kind,
                    limit_bytes=limit,
                    target_bytes=low_water,
                    idle_s=INPUT_IDLE_S if kind is MediaKind.INPUT else 0.0,
                    epoch=epoch,
                )
            )
            if not gone.places:
                return
            log.info("media_evicted", kind=kind.value, count=len(gone.places))
            await erase(self._objects, self._index, kind, gone.places)
            if not gone.is_done:
                limit = low_water  # what goes in several calls goes as far

    async def _remove_ended(self, kind: MediaKind, epoch: int) -> None:
        while True:
            places = _current(await self._upkeep.take_ended(kind, most=MAX_AT_ONCE, epoch=epoch))
            await erase(self._objects, self._index, kind, places)
            if len(places) < MAX_AT_ONCE:
                return

    async def _look_at_objects(self, kind: MediaKind, began_ms: int, epoch: int) -> None:
        async with aclosing(self._objects.list(kind)) as pages:
            async for page in pages:
                found = [seen for one in page if (seen := _read(one)) is not None]
                strangers = _current(
                    await self._upkeep.note_seen(kind, found, seen_ms=began_ms, epoch=epoch)
                )
                old = [s for s in strangers if began_ms / 1000 - s.written_at_s > YOUNG_S]
                await self._judge(kind, old, epoch)

    async def _judge(self, kind: MediaKind, strangers: Sequence[Sighting], epoch: int) -> None:
        useless = []
        for one in strangers:
            verdict = _current(await self._upkeep.adopt(one, epoch=epoch))
            if isinstance(verdict, Useless):
                useless.append(one.place)
            elif isinstance(verdict, Adopted):
                log.info("media_adopted", kind=kind.value, media=one.facts.id)
                # It may have been removed since it was listed.
                if await self._objects.size_of(one.place) is None:
                    await self._index.remove(kind, one.facts.id, place=one.place)
        await erase(self._objects, self._index, kind, useless)

    async def _look_for_missing(self, kind: MediaKind, began_ms: int, epoch: int) -> None:
        while True:
            unseen = _current(
                await self._upkeep.list_unseen(
                    kind, before_ms=began_ms, limit=_LOOKED_AT_ONCE, epoch=epoch
                )
            )
            for media in unseen:
                if await self._objects.size_of(media.place) == media.size_bytes:
                    seen = [_see(media)]
                    _ = _current(
                        await self._upkeep.note_seen(kind, seen, seen_ms=began_ms, epoch=epoch)
                    )
                elif await self._index.remove(kind, media.id, place=media.place) is not None:
                    log.warning("media_lost", kind=kind.value, media=media.id)
                    await erase(self._objects, self._index, kind, [media.place])
            if len(unseen) < _LOOKED_AT_ONCE:
                return


def build_media_upkeep(redis: RedisClient, data_dir: Path, settings: Settings) -> MediaUpkeep:
    """Build the upkeep of the library that settings describe.

    Raises:
        SettingsError: the media store cannot be opened.
    """
    objects = open_object_store(settings.media, data_dir)
    return MediaUpkeep(objects, MediaIndex(redis), MediaUpkeepIndex(redis), settings.cache.local)


def _current(reply: T | StaleEpoch) -> T:
    if isinstance(reply, StaleEpoch):
        raise _StaleError
    return reply


def _read(found: StoredObject) -> Sighting | None:
    facts = parse_place(found.place)
    if facts is None:
        return None
    return Sighting(found.place, facts, found.size_bytes, found.written_at_s)


def _see(media: StoredMedia) -> Sighting:
    facts = MediaPlace(media.kind, media.id, media.media_type)
    return Sighting(media.place, facts, media.size_bytes, media.created_at_s)
