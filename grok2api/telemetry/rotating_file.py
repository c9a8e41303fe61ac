"""A file of lines that several processes write to and put aside when it is large or old."""

import fcntl
import os
from pathlib import Path
from typing import Final

_READABLE_BY_OWNER: Final = 0o600


class RotatingFile:
    """Lines of all processes that name the same `path`.

    Before a write that would make it larger than `max_bytes`, and at the first one of each period
    of `period_s` seconds since epoch, the file becomes `path.1`, that one `path.2`, and so on;
    `backups` of them are kept. It blocks: call it from a thread.
    """

    __slots__ = ("_backups", "_max_bytes", "_path", "_period_s")

    def __init__(self, path: Path, *, max_bytes: int, period_s: float, backups: int) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._period_s = period_s
        self._backups = backups

    def append(self, lines: bytes, now_s: float) -> None:
        """Write whole lines.

        Raises:
            OSError: they could not be written.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT
        lock = os.open(f"{self._path}.lock", flags, _READABLE_BY_OWNER)
        try:
            # The system lets go of it when a process dies.
            fcntl.flock(lock, fcntl.LOCK_EX)
            if self._is_over(len(lines), now_s):
                self._put_aside()
            descriptor = os.open(self._path, flags | os.O_APPEND, _READABLE_BY_OWNER)
            with os.fdopen(descriptor, "ab") as file:
                file.write(lines)
        finally:
            os.close(lock)

    def _is_over(self, more: int, now_s: float) -> bool:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return False
        is_of_before = found.st_mtime // self._period_s < now_s // self._period_s
        return found.st_size > 0 and (is_of_before or found.st_size + more > self._max_bytes)

    def _put_aside(self) -> None:
        for number in range(self._backups, 0, -1):
            newer = self._path if number == 1 else self._aside(number - 1)
            if newer.exists():
                newer.replace(self._aside(number))
        if not self._backups:
            self._path.unlink()

    def _aside(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")
