"""Objects in a local folder or in a bucket of an S3-compatible service, by one class.

An object appears whole or not at all, and never changes once it is there.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Sequence
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import obstore
import structlog
from msgspec import Struct
from obstore.exceptions import BaseError
from obstore.store import LocalStore, S3Store

from grok2api.clock import Clock, SystemClock
from grok2api.config.media import MediaSettings
from grok2api.domain.media import MediaKind, parse_place
from grok2api.errors import MediaStoreError, SettingsError
from grok2api.media.bucket import open_bucket
from grok2api.media.failure import explained
from grok2api.media.local_file import read_file
from grok2api.media.spool import SpoolFile, sweep

if TYPE_CHECKING:
    from obstore import GetOptions

log = structlog.get_logger(__name__)

PIECE_BYTES: Final = 128 * 1024
"""The most that one piece of a stream has."""
LIST_AT_ONCE: Final = 1000

_PART_BYTES: Final = 5 * 1024 * 1024
_PARTS_AT_ONCE: Final = 2
_SLOWEST_BYTES_PER_S: Final = 128 * 1024
_SHORT_S: Final = 60.0
_CLOCK: Final = SystemClock()
_DELETED_AT_ONCE: Final = 8
_FOLDER_MODE: Final = 0o700


class StoredObject(Struct, frozen=True):
    """One object, as a listing names it. `written_at_s` is seconds since epoch."""

    place: str
    size_bytes: int
    written_at_s: float


class ObjectStore:
    """Objects at places; a place is used once. `folder` is set if they are in a local folder.

    Every method raises MediaStoreError when the store fails, is full, or takes too long.
    """

    __slots__ = ("_clock", "_folder", "_spool", "_store")

    def __init__(
        self, store: LocalStore | S3Store, *, spool: Path, folder: Path | None, clock: Clock
    ) -> None:
        self._store = store
        self._spool = spool
        self._folder = folder
        self._clock = clock

    def open_spool(self) -> SpoolFile:
        """Return a file to collect an object in; nothing is on the disk yet."""
        return SpoolFile(self._spool)

    async def sweep(self) -> int:
        """Remove what dead processes left unfinished on this host; return how many files."""
        with explained("sweep"):
            return await asyncio.to_thread(sweep, self._spool, self._clock.now_s())

    async def put(self, place: str, content: bytes) -> None:
        """Write an object."""
        path = _check(place)
        with explained("put"):
            if self._folder is not None:
                await asyncio.to_thread(self._put_locally, self._folder / path, content)
                return
            async with asyncio.timeout(write_limit_s(len(content))):
                await obstore.put_async(self._store, path, content, use_multipart=False)

    async def put_file(self, place: str, file: SpoolFile) -> None:
        """Make an object of a file that is finished; it may be gone afterwards."""
        path = _check(place)
        with explained("put"):
            if self._folder is not None:
                await asyncio.to_thread(_move, file.path, self._folder / path)
                return
            async with asyncio.timeout(write_limit_s(file.size_bytes)):
                await obstore.put_async(
                    self._store,
                    path,
                    file.path,
                    chunk_size=_PART_BYTES,
                    max_concurrency=_PARTS_AT_ONCE,
                )

    async def stream(
        self, place: str, start: int, end: int, *, size_bytes: int
    ) -> AsyncGenerator[bytes, None]:
        """Yield the bytes from `start` to before `end`, in pieces of up to 128 KiB.

        Raises:
            FileNotFoundError: there is no object of `size_bytes` bytes.
            MediaStoreError: the store fails; some pieces may have been yielded.
        """
        path = _check(place)
        if self._folder is None:
            pieces = self._fetch(path, start, end, size_bytes)
        else:
            pieces = read_file(self._folder / path, start, end, size_bytes=size_bytes)
        async with aclosing(pieces):
            async for piece in pieces:
                yield piece

    async def size_of(self, place: str) -> int | None:
        """Return the size of an object; None if there is none."""
        path = _check(place)
        with explained("look"):
            try:
                async with asyncio.timeout(_SHORT_S):
                    return (await obstore.head_async(self._store, path))["size"]
            except FileNotFoundError:
                return None

    async def delete(self, places: Sequence[str]) -> list[str]:
        """Remove objects; return the places where there is nothing now."""
        gone = []
        for at in range(0, len(places), _DELETED_AT_ONCE):
            some = places[at : at + _DELETED_AT_ONCE]
            done = await asyncio.gather(*(self._delete(_check(place)) for place in some))
            gone += [place for place, is_gone in zip(some, done, strict=True) if is_gone]
        return gone

    async def list(self, kind: MediaKind) -> AsyncGenerator[list[StoredObject], None]:
        """Yield all objects of a kind in no order, up to a thousand at a time."""
        batches = aiter(obstore.list(self._store, prefix=f"{kind.value}/", chunk_size=LIST_AT_ONCE))
        while True:
            with explained("list"):
                batch = await anext(batches, None)
            if batch is None:
                return
            yield [
                StoredObject(meta["path"], meta["size"], meta["last_modified"].timestamp())
                for meta in batch
            ]

    async def _fetch(
        self, path: str, start: int, end: int, size_bytes: int
    ) -> AsyncGenerator[bytes, None]:
        if start >= end:
            return
        parts = await self._get(path, start, end, size_bytes)
        if parts is None:
            raise FileNotFoundError(path)
        try:
            while True:
                with explained("read"):
                    async with asyncio.timeout(_SHORT_S):
                        part = await anext(parts, None)
                if part is None:
                    return
                for at in range(0, len(part), PIECE_BYTES):
                    yield bytes(part[at : at + PIECE_BYTES])
        finally:
            # The traceback of whatever ends this would keep the connection open.
            del parts

    async def _get(
        self, path: str, start: int, end: int, size_bytes: int
    ) -> AsyncIterator[bytes] | None:
        options: GetOptions = {"range": (start, end)}
        with explained("read"):
            try:
                async with asyncio.timeout(_SHORT_S):
                    result = await obstore.get_async(self._store, path, options=options)
            except FileNotFoundError:
                return None
            except BaseError:
                # A range behind the end of an object is refused.
                if await self.size_of(path) == size_bytes:
                    raise
                return None
        if result.meta["size"] != size_bytes:
            return None
        return aiter(result.stream(min_chunk_size=PIECE_BYTES))

    async def _delete(self, path: str) -> bool:
        try:
            with explained("delete"):
                async with asyncio.timeout(_SHORT_S):
                    await _ignore_missing(obstore.delete_async(self._store, path))
        except MediaStoreError as error:
            log.warning("object_not_removed", detail=error.detail)
            return False
        return True

    def _put_locally(self, path: Path, content: bytes) -> None:
        # In one go, so that a caller who is cancelled leaves nothing half done.
        file = self.open_spool()
        try:
            file.write((content,))
            file.finish()
            _move(file.path, path)
        finally:
            file.discard()


def open_object_store(
    settings: MediaSettings, data_dir: Path, clock: Clock = _CLOCK
) -> ObjectStore:
    """Return the store that settings name: an S3-compatible one, or the data folder.

    What is received is collected in the data folder first, in both cases.

    Raises:
        SettingsError: the folder cannot be written, or the address makes no sense.
    """
    folder = data_dir / "media"
    spool = folder / "spool"
    try:
        for path in (folder, spool):
            path.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
            path.chmod(_FOLDER_MODE)
        sweep(spool, clock.now_s())
    except OSError as error:
        raise SettingsError(f"The folder {folder} cannot be used: {error.strerror}.") from error
    build = partial(ObjectStore, spool=spool, clock=clock)
    if not settings.url:
        return build(LocalStore(folder), folder=folder)
    return build(open_bucket(settings), folder=None)


def write_limit_s(size_bytes: int) -> float:
    """Return how long writing an object may take."""
    return _SHORT_S + size_bytes / _SLOWEST_BYTES_PER_S


def _check(place: str) -> str:
    if parse_place(place) is None:
        raise ValueError("no place of media")
    return place


async def _ignore_missing(work: Awaitable[None]) -> None:
    try:
        await work
    except FileNotFoundError:
        return


def _move(source: Path, target: Path) -> None:
    target.parent.parent.mkdir(mode=_FOLDER_MODE, exist_ok=True)
    target.parent.mkdir(mode=_FOLDER_MODE, exist_ok=True)
    source.rename(target)
