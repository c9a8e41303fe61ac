"""Quota windows: how many queries a plan has per mode, and how many are left."""

from collections.abc import Mapping
from types import MappingProxyType

from msgspec import Struct

from grok2api.clock import Clock
from grok2api.simulator.options import Tier

_DAY_S = 86400
_TWO_HOURS_S = 7200

# The site reports an `auto` window to basic accounts although they cannot chat in that mode.
_BASIC_AUTO_TOTAL = 20
_TOTALS: Mapping[Tier, Mapping[str, int]] = MappingProxyType(
    {
        "basic": {"auto": _BASIC_AUTO_TOTAL, "fast": 30},
        "super": {"auto": 50, "fast": 140, "expert": 50},
        "heavy": {"auto": 150, "fast": 400, "expert": 150, "heavy": 20},
    }
)
_CHAT_MODES: Mapping[Tier, frozenset[str]] = MappingProxyType(
    {
        "basic": frozenset({"fast"}),
        "super": frozenset({"auto", "fast", "expert"}),
        "heavy": frozenset({"auto", "fast", "expert", "heavy"}),
    }
)


class Window(Struct):
    """The queries of one mode; full again `size_s` seconds after its first use."""

    size_s: int
    total: int
    remaining: int
    ends_at_s: float = 0.0


class Quota:
    """All windows of one account."""

    __slots__ = ("_clock", "_tier", "_windows")

    def __init__(self, tier: Tier, clock: Clock) -> None:
        self._tier = tier
        self._clock = clock
        size_s = _DAY_S if tier == "basic" else _TWO_HOURS_S
        self._windows = {mode: Window(size_s, n, n) for mode, n in _TOTALS[tier].items()}

    def renew(self) -> "Quota":
        """Return the same windows, full."""
        return Quota(self._tier, self._clock)

    def allows(self, mode: str) -> bool:
        """Whether the plan can chat in `mode` at all."""
        return mode in _CHAT_MODES[self._tier]

    def look(self, mode: str) -> Window:
        """Return the window of `mode`; one without queries if the plan has none."""
        window = self._windows.get(mode)
        if window is None:
            return Window(_TWO_HOURS_S, 0, 0)
        if window.ends_at_s and self._clock.now_s() >= window.ends_at_s:
            window.remaining, window.ends_at_s = window.total, 0.0
        return window

    def spend(self, mode: str) -> None:
        """Count one query."""
        window = self.look(mode)
        window.remaining = max(window.remaining - 1, 0)
        window.ends_at_s = window.ends_at_s or self._clock.now_s() + window.size_s
