"""Pictures and videos that are kept: put, found, read, deleted, counted.

The index says what there is, the object store has the bytes. Bytes are written before the index
names them and removed after it has stopped to, so a process may die anywhere.
"""

import asyncio
import hashlib
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final, TypeVar

import structlog

from grok2api.config.media import LocalCacheSettings
from grok2api.config.schema import Settings
from grok2api.domain.ids import MediaId
from grok2api.domain.media import (
    MEDIA_ID_CHARS,
    MediaKind,
    MediaPage,
    MediaUsage,
    StoredMedia,
    build_place,
    is_media_id,
)
from grok2api.errors import GatewayError, MediaStoreError, MediaTooLargeError, NotFoundError
from grok2api.media.objects import ObjectStore, open_object_store, write_limit_s
from grok2api.media.spool import SpoolFile
from grok2api.services.cleanup import Cleanup
from grok2api.services.media_removal import erase
from grok2api.store.connection import RedisClient
from grok2api.store.media import MediaIndex
from grok2api.store.media_replies import Full, Reserved, StaleEpoch, TooLarge

log = structlog.get_logger(__name__)

T = TypeVar("T")
Write = Callable[[str], Awaitable[None]]

BYTES_PER_MB: Final = 1024 * 1024
INPUT_LIMIT_BYTES: Final = 2048 * BYTES_PER_MB

_IN_LOOP_BYTES: Final = 64 * 1024
_SPOOLED_AT_ONCE: Final = 1024 * 1024
_EVICTED_INLINE: Final = 256
_TRIES: Final = 3
_CURSOR_DIGITS: Final = 15
_SPARE_S: Final = 60.0


def limit_of(kind: MediaKind, settings: LocalCacheSettings) -> int | None:
    """Return how many bytes of a kind are kept; None: no limit."""
    match kind:
        case MediaKind.IMAGE:
            return settings.image_max_mb * BYTES_PER_MB or None
        case MediaKind.VIDEO:
            return settings.video_max_mb * BYTES_PER_MB or None
        case MediaKind.INPUT:
            return INPUT_LIMIT_BYTES


class MediaLibrary:
    """Media by kind and id.

    Every method raises MediaStoreError when the object store fails or is full, MediaTooLargeError
    for what would not fit an empty one, and StoreUnavailableError when Redis does not answer.
    """

    __slots__ = ("_cleanup", "_index", "_objects", "_settings")

    def __init__(
        self,
        objects: ObjectStore,
        index: MediaIndex,
        settings: LocalCacheSettings,
        cleanup: Cleanup,
    ) -> None:
        self._objects = objects
        self._index = index
        self._settings = settings
        self._cleanup = cleanup

    async def put(self, kind: MediaKind, content: bytes, media_type: str) -> StoredMedia:
        """Keep `content`; what is kept of the same content already is returned instead."""
        digest = await _digest(content)

        async def write(place: str) -> None:
            await self._objects.put(place, content)

        return await self._put(kind, digest, len(content), media_type, write)

    async def put_stream(
        self,
        kind: MediaKind,
        chunks: AsyncIterator[bytes],
        media_type: str,
        *,
        limit_bytes: int,
    ) -> StoredMedia:
        """Keep what `chunks` bring, never whole in memory; the caller closes them.

        Raises:
            MediaTooLargeError: they bring more than `limit_bytes`.
            MediaStoreError: the store fails.
        """
        file = self._objects.open_spool()

        async def write(place: str) -> None:
            await self._objects.put_file(place, file)

        try:
            await self._fill(file, chunks, limit_bytes)
            digest = await self._in_thread(file.finish)
            return await self._put(kind, digest, file.size_bytes, media_type, write)
        finally:
            await self._in_thread(file.discard)

    async def find(self, kind: MediaKind, media_id: str) -> StoredMedia | None:
        """Return what is kept under an id; that counts as a use."""
        return await self._index.find(kind, MediaId(media_id)) if is_media_id(media_id) else None

    async def read(
        self, media: StoredMedia, start: int = 0, end: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Yield bytes from `start` to before `end`, in pieces of up to 128 KiB.

        Raises:
            NotFoundError: its bytes are gone; the index forgets it.
        """
        size = media.size_bytes
        start = max(0, min(start, size))
        end = size if end is None else max(start, min(end, size))
        pieces = self._objects.stream(media.place, start, end, size_bytes=size)
        try:
            async for piece in pieces:
                yield piece
        except FileNotFoundError:
            await self._forget(media)
            raise NotFoundError("This file is no longer kept.", code="file_not_found") from None
        finally:
            await pieces.aclose()

    async def delete(self, kind: MediaKind, media_id: str) -> bool:
        """Remove one object; False if there is none."""
        if not is_media_id(media_id):
            return False
        place = await self._index.remove(kind, MediaId(media_id))
        if place is not None:
            await self._erase(kind, [place])
        return place is not None

    async def clear(self, kind: MediaKind) -> int:
        """Remove all that is kept of a kind; return how many that were."""
        count = 0
        while places := await self._index.take_out(kind):
            count += len(places)
            await self._erase(kind, places)
        return count

    async def usage(self) -> tuple[MediaUsage, ...]:
        """Return what each kind takes up."""
        return tuple([await self._usage_of(kind) for kind in MediaKind])

    async def list_page(self, kind: MediaKind, cursor: str = "", limit: int = 100) -> MediaPage:
        """Return up to `limit` objects behind `cursor`, the newest first."""
        is_number = cursor.isascii() and cursor.isdecimal() and len(cursor) <= _CURSOR_DIGITS
        skip = int(cursor) if is_number else 0
        return await self._index.list(kind, skip=skip, limit=limit)

    async def _usage_of(self, kind: MediaKind) -> MediaUsage:
        usage = await self._index.usage(kind)
        return MediaUsage(
            kind=kind,
            count=usage.count,
            size_bytes=usage.bytes,
            reserved_bytes=usage.reserved,
            limit_bytes=limit_of(kind, self._settings),
        )

    async def _fill(self, file: SpoolFile, chunks: AsyncIterator[bytes], limit_bytes: int) -> None:
        waiting: list[bytes] = []
        waiting_bytes = 0
        async for chunk in chunks:
            waiting.append(chunk)
            waiting_bytes += len(chunk)
            if file.size_bytes + waiting_bytes > limit_bytes:
                raise MediaTooLargeError("The file is larger than may be kept.", detail="too_large")
            if waiting_bytes >= _SPOOLED_AT_ONCE:
                await self._in_thread(file.write, waiting)
                waiting, waiting_bytes = [], 0
        await self._in_thread(file.write, waiting)

    async def _put(
        self, kind: MediaKind, digest: str, size: int, media_type: str, write: Write
    ) -> StoredMedia:
        media_id = MediaId(digest[:MEDIA_ID_CHARS])
        for _ in range(_TRIES):
            place = build_place(kind, media_id, media_type, secrets.token_hex(4))
            try:
                found = await self._reserve(kind, media_id, place, size)
            except asyncio.CancelledError:  # there may be room for it already
                await self._cleanup.run(self._abandon(kind, place))
                raise
            if isinstance(found, Reserved):
                return await self._write(kind, media_id, place, media_type, write)
            if await self._objects.size_of(found.place) == size:
                return found
            await self._forget(found)
        raise MediaStoreError("The media store loses what it is given.", detail="lost")

    async def _write(
        self, kind: MediaKind, media_id: MediaId, place: str, media_type: str, write: Write
    ) -> StoredMedia:
        try:
            await write(place)
            kept = await self._index.keep(kind, media_id, place, media_type)
        except BaseException:
            await self._cleanup.run(self._abandon(kind, place))
            raise
        if kept is None or kept.place != place:
            await self._erase(kind, [place])
        if kept is None:
            raise MediaStoreError("The media store has lost its index.", detail="gone")
        return kept

    async def _reserve(
        self, kind: MediaKind, media_id: MediaId, place: str, size: int
    ) -> StoredMedia | Reserved:
        limit = limit_of(kind, self._settings)
        while True:
            reply = await self._index.reserve(
                kind,
                media_id,
                place,
                size_bytes=size,
                limit_bytes=limit,
                write_s=write_limit_s(size) + _SPARE_S,
            )
            match reply:
                case StoredMedia() | Reserved():
                    return reply
                case TooLarge():
                    raise MediaTooLargeError(
                        "The file is larger than all that may be kept.", detail="too_large"
                    )
                case Full():
                    if limit is None or not await self._make_room(kind, limit - size):
                        raise MediaStoreError("The media store is full.", detail="full")

    async def _make_room(self, kind: MediaKind, target: int) -> bool:
        """Remove some of what was unused for longest; False if there is nothing to remove.

        The leader cleans up at intervals; a client must not see "full" while old things can go.
        """
        gone = await self._index.evict(
            kind, limit_bytes=target, target_bytes=target, most=_EVICTED_INLINE
        )
        if isinstance(gone, StaleEpoch) or not gone.places:
            return False
        await self._erase(kind, gone.places)
        return True

    async def _erase(self, kind: MediaKind, places: Sequence[str]) -> None:
        await erase(self._objects, self._index, kind, places)

    async def _forget(self, media: StoredMedia) -> None:
        place = await self._index.remove(media.kind, media.id, place=media.place)
        if place is not None:
            log.warning("media_lost", kind=media.kind.value, media=media.id)
            await self._erase(media.kind, [place])

    async def _abandon(self, kind: MediaKind, place: str) -> None:
        try:
            await self._index.abandon(kind, place)
        except GatewayError as error:
            log.warning("media_not_abandoned", detail=error.detail)

    async def _in_thread(self, work: Callable[..., T], *args: object) -> T:
        # A thread that still writes must not see its file closed.
        return await self._cleanup.run(asyncio.to_thread(work, *args))


def build_media_library(
    redis: RedisClient, data_dir: Path, settings: Settings, cleanup: Cleanup
) -> MediaLibrary:
    """Build the library that settings describe.

    Raises:
        SettingsError: the media store cannot be opened.
    """
    objects = open_object_store(settings.media, data_dir)
    return MediaLibrary(objects, MediaIndex(redis), settings.cache.local, cleanup)


async def _digest(content: bytes) -> str:
    if len(content) <= _IN_LOOP_BYTES:
        return hashlib.sha256(content).hexdigest()
    return (await asyncio.to_thread(hashlib.sha256, content)).hexdigest()
