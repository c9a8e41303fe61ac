"""Files of the data folder, read piece by piece in the threads that every process has."""

import asyncio
import os
from collections.abc import AsyncGenerator
from pathlib import Path
from threading import Lock
from typing import Final

from grok2api.errors import MediaStoreError
from grok2api.media.failure import explained

_CLOSED: Final = -1
# What every slow reader holds twice; and large blocks, made in threads, do not come back.
_PIECE_BYTES: Final = 64 * 1024


class _OpenFile:
    """A file that can be opened once; its methods block, in any threads."""

    __slots__ = ("_descriptor", "_is_over", "_lock", "_path")

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = _CLOSED
        self._is_over = False
        # Who is cancelled leaves a thread behind that still reads.
        self._lock = Lock()

    def open(self, size_bytes: int) -> bool:
        """Return whether it is there, and of this size."""
        with self._lock, explained("read"):
            if self._is_over:
                return False
            try:
                self._descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                return False
            return os.fstat(self._descriptor).st_size == size_bytes

    def read(self, start: int, size: int) -> bytes:
        with self._lock, explained("read"):
            return b"" if self._is_over else os.pread(self._descriptor, size, start)

    def close(self) -> None:
        with self._lock:
            self._is_over = True
            if self._descriptor != _CLOSED:
                os.close(self._descriptor)


async def read_file(
    path: Path, start: int, end: int, *, size_bytes: int, piece_bytes: int = _PIECE_BYTES
) -> AsyncGenerator[bytes, None]:
    """Yield the bytes of a file from `start` to before `end`; nothing is read ahead.

    A file that is removed meanwhile is read to its end.

    Raises:
        FileNotFoundError: there is no file of `size_bytes` bytes.
        MediaStoreError: it cannot be read, or has become shorter.
    """
    file = _OpenFile(path)
    try:
        if not await asyncio.to_thread(file.open, size_bytes):
            raise FileNotFoundError(path.name)
        while start < end:
            piece = await asyncio.to_thread(file.read, start, min(piece_bytes, end - start))
            if not piece:
                raise MediaStoreError("The file is damaged.", detail="read: too short")
            start += len(piece)
            yield piece
    finally:
        await asyncio.shield(asyncio.to_thread(file.close))
