"""Files of unknown length that are being received, in a folder of their own."""

import hashlib
import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Final

from grok2api.media.failure import explained

_KEPT_S: Final = 86_400.0


class SpoolFile:
    """A file that grows, and the SHA-256 of what is in it.

    Its methods block: call them in threads, one after the other. `discard` ends its life.
    """

    __slots__ = ("_file", "_hash", "path", "size_bytes")

    def __init__(self, folder: Path) -> None:
        self.path = folder / secrets.token_hex(16)
        self.size_bytes = 0
        self._hash = hashlib.sha256()
        self._file: FileIO | None = None

    def write(self, pieces: Sequence[bytes]) -> None:
        """Append.

        Raises:
            MediaStoreError: the disk is full, or fails.
        """
        with explained("spool"):
            if self._file is None:
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
                self._file = FileIO(os.open(self.path, flags, 0o600), "w")
            for piece in pieces:
                rest = memoryview(piece)
                while rest:
                    rest = rest[self._file.write(rest) :]
                self._hash.update(piece)
                self.size_bytes += len(piece)

    def finish(self) -> str:
        """Close the file when it is safe on the disk; return its SHA-256 in hex.

        Raises:
            MediaStoreError: the disk fails.
        """
        self.write(())
        with explained("spool"):
            if self._file is not None:
                os.fsync(self._file.fileno())
                self._file.close()
        return self._hash.hexdigest()

    def discard(self) -> None:
        """Close and remove the file, unless it has been moved away."""
        if self._file is not None:
            self._file.close()
        self.path.unlink(missing_ok=True)


def sweep(folder: Path, now_s: float) -> int:
    """Remove files that processes left behind which died a day ago; return how many."""
    count = 0
    for path in folder.iterdir():
        with suppress(FileNotFoundError):  # another process does the same
            if path.stat().st_mtime < now_s - _KEPT_S:
                path.unlink()
                count += 1
    return count
