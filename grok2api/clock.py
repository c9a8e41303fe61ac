"""The one place that reads the time."""

import time
from typing import Protocol


class Clock(Protocol):
    """Wall-clock seconds for records, monotonic seconds for differences."""

    def now_s(self) -> float: ...

    def monotonic_s(self) -> float: ...


class SystemClock:
    """The machine's own clock."""

    __slots__ = ()

    def now_s(self) -> float:
        return time.time()

    def monotonic_s(self) -> float:
        return time.monotonic()
