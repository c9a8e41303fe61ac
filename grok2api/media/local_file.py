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


class _OpenFile:
    """A file that is opened by the first reading; its methods block, in any threads."""

    __slots__ = ("_descriptor", "_is_over", "_lock", "_path")

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = _CLOSED
        self._is_over = False
        # Who is cancelled leaves a thread behind that still reads.
        self._lock = Lock()

    def read(self, start: int, size: int) -> bytes:
        with self._lock, explained("read"):
            if self._is_over:
                return b""
            if self._descriptor == _CLOSED:
                self._descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            return os.pread(self._descriptor, size, start)

    def close(self) -> None:
        with self._lock:
            self._is_over = True
            if self._descriptor != _CLOSED:
                os.close(self._descriptor)


async def read_file(
    path: Path, start: int, end: int, *, piece_bytes: int
) -> AsyncGenerator[bytes, None]:
    """Yield the bytes of a file from `start` to before `end`; nothing is read ahead.

    A file that is removed meanwhile is read to its end.

    Raises:
        MediaStoreError: it cannot be read, or is shorter.
    """
    file = _OpenFile(path)
    try:
        while start < end:
            piece = await asyncio.to_thread(file.read, start, min(piece_bytes, end - start))
            if not piece:
                raise MediaStoreError("The file is damaged.", detail="read: too short")
            start += len(piece)
            yield piece
    finally:
        await asyncio.shield(asyncio.to_thread(file.close))
