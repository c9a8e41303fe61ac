"""The end of a whole turn, however lively its stream is."""

from grok2api.clock import Clock
from grok2api.errors import UpstreamTimeoutError


class Deadline:
    """A moment that is looked at whenever something arrives; silence has its own limit."""

    __slots__ = ("_at_s", "_clock", "_limit_s")

    def __init__(self, clock: Clock, limit_s: float) -> None:
        self._clock = clock
        self._limit_s = limit_s
        self._at_s = clock.monotonic_s() + limit_s

    def check(self) -> None:
        """Raise UpstreamTimeoutError once the moment has passed."""
        if self._clock.monotonic_s() > self._at_s:
            raise UpstreamTimeoutError(
                f"The upstream's answer took longer than {self._limit_s:g} seconds.",
                code="upstream_total_timeout",
            )
