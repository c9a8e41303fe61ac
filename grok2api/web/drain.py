"""What this worker knows about its own end: that it comes, when, and which requests still run."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Listener = Callable[[], None]


class Drain:
    """Whether this worker is about to stop. One per process; all methods run on its event loop.

    After `begin` the worker still finishes what it has; at the end of the grace period everything
    that listens is told to come to its end at once.
    """

    __slots__ = (
        "_begin_listeners",
        "_idle",
        "_in_flight",
        "_listeners",
        "_timer",
        "is_draining",
        "is_over",
    )

    def __init__(self) -> None:
        self.is_draining = False
        self.is_over = False
        self._in_flight = 0
        self._listeners: set[Listener] = set()
        self._begin_listeners: list[Listener] = []
        self._idle = asyncio.Event()
        self._idle.set()
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, grace_s: float) -> None:
        """Start draining: running requests have `grace_s` seconds left.

        A later call can only make it shorter.
        """
        if not self.is_draining:
            self.is_draining = True
            for listener in self._begin_listeners:
                listener()
        loop = asyncio.get_running_loop()
        if self._timer is not None:
            if self.is_over or self._timer.when() <= loop.time() + grace_s:
                return
            self._timer.cancel()
        self._timer = loop.call_later(max(0.0, grace_s), self._end)

    def tell_begin(self, listener: Listener) -> None:
        """Call `listener` once when draining begins: what nobody waits for is left to others."""
        self._begin_listeners.append(listener)

    def _end(self) -> None:
        self.is_over = True
        for listener in tuple(self._listeners):
            listener()

    @contextmanager
    def listening(self, listener: Listener) -> Iterator[None]:
        """Call `listener` once, without arguments, when the grace period ends in the body."""
        if self.is_over:
            listener()
        self._listeners.add(listener)
        try:
            yield
        finally:
            self._listeners.discard(listener)

    @contextmanager
    def request(self) -> Iterator[None]:
        """Count the body as one running request."""
        self._in_flight += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._in_flight -= 1
            if not self._in_flight:
                self._idle.set()

    @property
    def left_s(self) -> float:
        """Seconds of the grace period that are left; 0 where none has begun."""
        if self._timer is None or self.is_over:
            return 0.0
        return max(0.0, self._timer.when() - asyncio.get_running_loop().time())

    @property
    def in_flight(self) -> int:
        """How many requests run now."""
        return self._in_flight

    async def wait_idle(self, timeout_s: float) -> bool:
        """Wait until no request runs; return False when some still do after `timeout_s`.

        Requests that were cancelled at the deadline free their accounts in their last steps; what
        they need for it must not be closed before.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True
