"""Where the numbers of one worker live: a memory-mapped file named by slot, not by process id.

A worker that dies leaves its slot to the next one, so counters go on, and there are never more
files than workers. The library's own naming leaves a set of files for each worker that ever ran.
"""

import fcntl
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any, Protocol

from prometheus_client.core import Metric
from prometheus_client.mmap_dict import MmapedDict, mmap_key
from prometheus_client.multiprocess import MultiProcessCollector

MAX_SLOTS = 256


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
            files.append(str(path))
        merged: Iterable[Metric] = MultiProcessCollector.merge(files)  # type: ignore[no-untyped-call]
        return merged


def slot_values(directory: Path, slot: Slot) -> ValueClass:
    """Return a class of numbers kept in the files of `slot`."""
    files: dict[str, MmapedDict] = {}
    lock = threading.Lock()

    def open_file(prefix: str) -> MmapedDict:
        if prefix not in files:
            path = directory / f"{prefix}_{slot.number}.db"
            files[prefix] = MmapedDict(str(path))  # type: ignore[no-untyped-call]
        return files[prefix]

    class SlotValue:
        """One number in a file of the slot."""

        __slots__ = ("_file", "_key", "_value")
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
            prefix = f"{kind}_{multiprocess_mode}" if kind == "gauge" else kind
            with lock:
                self._file = open_file(prefix)
                self._value = self._file.read_value(self._key)[0]  # type: ignore[no-untyped-call]

        def inc(self, amount: float) -> None:
            with lock:
                self._value += amount
                self._file.write_value(self._key, self._value, 0.0)  # type: ignore[no-untyped-call]

        def set(self, value: float, timestamp: float | None = None) -> None:
            with lock:
                self._value = value
                stamp = timestamp or 0.0
                self._file.write_value(self._key, value, stamp)  # type: ignore[no-untyped-call]

        def get(self) -> float:
            with lock:
                return float(self._value)

        def set_exemplar(self, exemplar: object) -> None:
            """Exemplars cannot be merged over processes."""

        def get_exemplar(self) -> None:
            return None

    return SlotValue
