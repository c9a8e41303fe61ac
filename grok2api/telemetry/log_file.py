"""A log file that many processes write to: whole lines, from a thread, begun anew when it is large.

A line goes out in one write to a file opened for appending, so lines of several processes do not
mix. Who finds the file too large moves it aside under a lock; the others notice and follow.
"""

import atexit
import fcntl
import os
import queue
import threading
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

CAPACITY: Final = 10_000
"""Lines that wait to be written; more are dropped and counted."""
_AT_ONCE_BYTES: Final = 64 * 1024
_CLOSE_S: Final = 5.0
_MODE: Final = 0o600
_NONE: Final = -1


class LogFile:
    """The file at `path`, as one process writes it. `backups` older ones are kept.

    `max_bytes` and `backups` may be set at any time.
    """

    __slots__ = (
        "_dropped",
        "_fd",
        "_is_torn",
        "_lines",
        "_lock",
        "_path",
        "_pid",
        "_thread",
        "backups",
        "max_bytes",
    )

    def __init__(self, path: Path, *, max_bytes: int, backups: int) -> None:
        """Begin; a file that cannot be opened is tried again with every line."""
        self._path = path
        self.max_bytes = max_bytes
        self.backups = backups
        self._is_torn = False
        self._fd = _NONE
        self._start()
        atexit.register(self.close)

    def check(self) -> None:
        """Return if the file can be written.

        Raises:
            OSError: its folder cannot be made, or it cannot be written.
        """
        os.close(self._open())

    def write(self, line: str) -> None:
        """Have a line written soon; never waits. Where too many wait already, it is dropped."""
        if self._pid != os.getpid():
            self._start()  # threads and locks do not cross a fork
        try:
            self._lines.put_nowait(f"{line}\n".encode("utf-8", "backslashreplace"))
        except queue.Full:
            self._count_dropped(1)

    def close(self) -> None:
        """Write what waits, for at most some seconds, and end."""
        atexit.unregister(self.close)
        if self._pid == os.getpid() and self._thread.is_alive():
            with suppress(queue.Full):
                self._lines.put(None, timeout=_CLOSE_S)
            self._thread.join(_CLOSE_S)

    def _start(self) -> None:
        self._pid = os.getpid()
        self._dropped = 0
        self._lock = threading.Lock()
        self._lines: queue.Queue[bytes | None] = queue.Queue(CAPACITY)
        self._thread = threading.Thread(target=self._run, name="log-file", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        waiting: bytes | None = b""
        while waiting is not None:
            waiting = self._lines.get()
            batch: list[bytes] = []
            size = 0
            while waiting is not None:
                batch.append(waiting)
                size += len(waiting)
                if size >= _AT_ONCE_BYTES:
                    break
                try:
                    waiting = self._lines.get_nowait()
                except queue.Empty:
                    break
            self._write_out(b"".join(batch))

    def _write_out(self, data: bytes) -> None:
        with self._lock:
            dropped, self._dropped = self._dropped, 0
        if dropped:
            note = {"level": "warning", "msg": "log_lines_dropped", "count": dropped}
            data += msgspec.json.encode(note) + b"\n"
        try:
            self._follow(len(data))
            if self._is_torn:  # a line that found no room must not spoil the next one
                os.write(self._fd, b"\n")
            while data:
                done = os.write(self._fd, data)
                self._is_torn = data[done - 1 : done] != b"\n"
                data = data[done:]
        except OSError:
            # The same lines are on the standard output; they tell of a full disk, if anything does.
            self._count_dropped(dropped - bool(dropped) + data.count(b"\n"))

    def _count_dropped(self, lines: int) -> None:
        with self._lock:
            self._dropped += lines

    def _follow(self, coming: int) -> None:
        """Write where the path leads, not to a file that was moved aside or removed."""
        if self._fd == _NONE or not self._is_current():
            self._reopen()
        if os.fstat(self._fd).st_size and os.fstat(self._fd).st_size + coming > self.max_bytes:
            with (self._path.parent / f"{self._path.name}.lock").open("ab") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                if self._is_current():  # else another process was first
                    self._move_aside()
                self._reopen()

    def _is_current(self) -> bool:
        try:
            named, held = self._path.stat(), os.fstat(self._fd)
        except FileNotFoundError:
            return False
        return (named.st_ino, named.st_dev) == (held.st_ino, held.st_dev)

    def _move_aside(self) -> None:
        for number in range(self.backups - 1, 0, -1):
            with suppress(FileNotFoundError):
                self._aside(number).replace(self._aside(number + 1))
        self._path.replace(self._aside(1))
        older = self.backups + 1  # there were to be more before
        while self._aside(older).exists():
            self._aside(older).unlink()
            older += 1

    def _aside(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")

    def _reopen(self) -> None:
        held, self._fd = self._fd, self._open()
        self._is_torn = False
        if held != _NONE:
            os.close(held)

    def _open(self) -> int:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, _MODE)
