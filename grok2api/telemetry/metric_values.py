"""Where the numbers of one worker live: a memory-mapped file named by slot, not by process id.

A worker that dies leaves its slot to the next one, so counters go on, and there are never more
files than workers. The library's own naming leaves a set of files for each worker that ever ran.
"""

import fcntl
import os
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Final, Protocol

from prometheus_client.core import Metric
from prometheus_client.mmap_dict import MmapedDict, mmap_key
from prometheus_client.multiprocess import MultiProcessCollector

MAX_SLOTS = 256
FIRST_BYTES: Final = 65_536
"""How large a file is at first; it doubles when it has to."""

_ENTRY_BYTES: Final = 32
"""What an entry takes besides its key, at most."""


class ValueClass(Protocol):
    """Builds the number behind one metric and its labels, as prometheus_client asks for it."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...


class Slot:
    """A number this process has to itself, from a lock that the kernel drops when it dies."""

    __slots__ = ("_lock_file", "number")

    def __init__(self, number: int, lock_file: IO[bytes]) -> None:
        self.number = number
        self._lock_file = lock_file

    def close(self) -> None:
        """Give the slot back."""
        self._lock_file.close()


def take_slot(directory: Path) -> Slot:
    """Take the first free slot; what its last owner left of live gauges is removed.

    Raises:
        OSError: the directory cannot be written, or all `MAX_SLOTS` are taken.
    """
    directory.mkdir(parents=True, exist_ok=True)
    for number in range(MAX_SLOTS):
        lock_file = (directory / f"slot-{number}.lock").open("ab")
        try:
            fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock_file.close()
            continue
        for stale in directory.glob(f"gauge_live*_{number}.db"):
            stale.unlink()
        return Slot(number, lock_file)
    raise OSError(f"all {MAX_SLOTS} metric slots in {directory} are taken")


def _is_taken(directory: Path, number: str) -> bool:
    try:
        with (directory / f"slot-{number}.lock").open("rb") as lock_file:
            # Shared and only for a moment: a worker that starts just now takes the next slot.
            fcntl.flock(lock_file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


class LiveSlots:
    """The numbers of all slots together; a dead worker's gauges are gone with it."""

    __slots__ = ("_directory",)

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def collect(self) -> Iterable[Metric]:
        """Merge what lies in the files."""
        files = []
        taken: dict[str, bool] = {}
        for path in self._directory.glob("*.db"):
            number = path.stem.rpartition("_")[2]
            if path.name.startswith("gauge_live"):
                if number not in taken:
                    taken[number] = _is_taken(self._directory, number)
                if not taken[number]:
                    continue
            if path.stat().st_size:  # else the disk was full when it was made
                files.append(str(path))
        merged: Iterable[Metric] = MultiProcessCollector.merge(files)  # type: ignore[no-untyped-call]
        return merged


class _Numbers(MmapedDict):
    """A file of numbers whose room on the disk is taken before it is mapped.

    The library leaves holes in its files. To write into one on a full disk kills the process.
    """

    def __init__(self, path: Path) -> None:
        with path.open("ab", buffering=0) as file:
            _take_room(file.fileno(), FIRST_BYTES)
        super().__init__(str(path))  # type: ignore[no-untyped-call]

    def _init_value(self, key: str) -> None:
        if self._used + len(key.encode()) + _ENTRY_BYTES > self._capacity:
            _take_room(self._f.fileno(), 2 * self._capacity)
        super()._init_value(key)  # type: ignore[no-untyped-call]


def _take_room(descriptor: int, size: int) -> None:
    """Append zeros up to `size`.

    Raises:
        OSError: the disk is full; another try goes on.
    """
    while (missing := size - os.fstat(descriptor).st_size) > 0:
        os.write(descriptor, bytes(missing))


def slot_values(directory: Path, slot: Slot) -> ValueClass:
    """Return a class of numbers kept in the files of `slot`."""
    files: dict[str, _Numbers] = {}
    lock = threading.Lock()

    def open_file(prefix: str) -> _Numbers:
        if prefix not in files:
            files[prefix] = _Numbers(directory / f"{prefix}_{slot.number}.db")
        return files[prefix]

    class SlotValue:
        """One number in a file of the slot; nobody sees it while the disk has no room for it."""

        __slots__ = ("_key", "_prefix", "_value")
        _multiprocess = True

        def __init__(  # noqa: PLR0913, PLR0917 -- the library calls it so
            self,
            kind: str,
            metric_name: str,
            name: str,
            labels: Any,
            label_values: Any,
            help_text: str,
            multiprocess_mode: str = "",
            **_: Any,
        ) -> None:
            self._key = mmap_key(metric_name, name, labels, label_values, help_text)
            self._prefix = f"{kind}_{multiprocess_mode}" if kind == "gauge" else kind
            self._value = 0.0
            with lock, suppress(OSError):
                file = open_file(self._prefix)
                self._value = file.read_value(self._key)[0]  # type: ignore[no-untyped-call]

        def inc(self, amount: float) -> None:
            with lock:
                self._value += amount
                self._write(0.0)

        def set(self, value: float, timestamp: float | None = None) -> None:
            with lock:
                self._value = value
                self._write(timestamp or 0.0)

        def _write(self, timestamp: float) -> None:
            with suppress(OSError):
                file = open_file(self._prefix)
                file.write_value(self._key, self._value, timestamp)  # type: ignore[no-untyped-call]

        def get(self) -> float:
            with lock:
                return float(self._value)

        def set_exemplar(self, exemplar: object) -> None:
            """Exemplars cannot be merged over processes."""

        def get_exemplar(self) -> None:
            return None

    return SlotValue
