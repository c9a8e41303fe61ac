"""Quota windows: how many queries a plan has per mode, and how many have been spent."""

from collections.abc import Mapping
from types import MappingProxyType

from msgspec import UNSET, Struct, UnsetType

from grok2api.clock import Clock
from grok2api.simulator.options import Tier

_DAY_S = 86400
_TWO_HOURS_S = 7200
_COMPUTER = "grok-420-computer-use-sa"

# The site reports an `auto` window to basic accounts although they cannot chat in that mode.
_BASIC_AUTO_TOTAL = 20
_TOTALS: Mapping[Tier, Mapping[str, int]] = MappingProxyType(
    {
        "basic": {"auto": _BASIC_AUTO_TOTAL, "fast": 30},
        "super": {"auto": 50, "fast": 140, "expert": 50, _COMPUTER: 50},
        "heavy": {"auto": 150, "fast": 400, "expert": 150, "heavy": 20, _COMPUTER: 150},
    }
)
_CHAT_MODES: Mapping[Tier, frozenset[str]] = MappingProxyType(
    {
        "basic": frozenset({"fast"}),
        "super": frozenset({"auto", "fast", "expert", _COMPUTER}),
        "heavy": frozenset({"auto", "fast", "expert", "heavy", _COMPUTER}),
    }
)


MEDIA_KEYS: Mapping[str, str] = MappingProxyType(
    {
        "image": "image",
        "image_pro": "imagePro",
        "image_edit": "imageEdit",
        "video": "video",
        "video_720p": "video720p",
    }
)
"""What the site calls the windows of pictures and videos; no plan has any until it is told."""


class WindowOrder(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A window as the control API sets it; without `remaining`, what is used stays used.

    `available` is for pictures and videos: whether the account may make them at all.
    """

    available: bool = True
    total: int | UnsetType = UNSET
    remaining: int | UnsetType = UNSET
    size_s: int | UnsetType = UNSET


class Window(Struct):
    """The queries of one mode; full again `size_s` seconds after its first use.

    `used` may exceed `total` where nobody enforces it.
    """

    size_s: int
    total: int
    used: int = 0
    ends_at_s: float = 0.0
    is_available: bool = True

    @property
    def remaining(self) -> int:
        return max(self.total - self.used, 0) if self.is_available else 0


class Quota:
    """All windows of one account."""

    __slots__ = ("_clock", "_media", "_size_s", "_tier", "_windows")

    def __init__(self, tier: Tier, clock: Clock) -> None:
        self._tier = tier
        self._clock = clock
        self._size_s = _DAY_S if tier == "basic" else _TWO_HOURS_S
        self._windows = {mode: Window(self._size_s, n) for mode, n in _TOTALS[tier].items()}
        self._media: dict[str, Window] = {}

    @property
    def is_paid(self) -> bool:
        """Whether the plan draws on a weekly pool too."""
        return self._tier != "basic"

    @property
    def used_percent(self) -> float:
        """How much of all windows together is used up."""
        windows = [self.look(mode) for mode in self._windows]
        total = sum(window.total for window in windows)
        left = sum(window.remaining for window in windows)
        return 100.0 * (total - left) / total if total else 0.0

    def refill(self) -> None:
        """Give every window all its queries back."""
        for window in (*self._windows.values(), *self._media.values()):
            window.used, window.ends_at_s = 0, 0.0

    def allows(self, mode: str) -> bool:
        """Whether the plan can chat in `mode` at all."""
        return mode in _CHAT_MODES[self._tier]

    def look(self, mode: str) -> Window:
        """Return the window of `mode`; one without queries if the plan has none."""
        window = self._windows.get(mode)
        if window is None:
            window = self._windows[mode] = Window(_TWO_HOURS_S, 0)
        return self._renew(window)

    def look_at_media(self, mode: str) -> Window | None:
        """Return the window of pictures or videos; None if they are not metered."""
        window = self._media.get(mode)
        return None if window is None else self._renew(window)

    def change(self, mode: str, order: WindowOrder | None) -> None:
        """Make a window what the control API says, also one that the plan does not have.

        None takes the window of pictures or videos away; one of chat has no queries left then.
        """
        if order is None:
            self._media.pop(mode, None)
            self._windows.pop(mode, None)
            return
        if mode in MEDIA_KEYS:
            window = self._media.setdefault(mode, Window(_DAY_S, 0))
            window.is_available = order.available
        else:
            window = self.look(mode)
        if order.total is not UNSET:
            window.total = order.total
        if order.size_s is not UNSET:
            window.size_s = order.size_s
        if order.remaining is not UNSET:
            window.total = max(window.total, order.remaining)
            window.used = window.total - order.remaining
        window.ends_at_s = self._clock.now_s() + window.size_s if window.used > 0 else 0.0

    def spend(self, mode: str, units: int = 1) -> Window:
        """Count queries; return their window."""
        window = self._media[mode] if mode in self._media else self.look(mode)
        window.used += units
        window.ends_at_s = window.ends_at_s or self._clock.now_s() + window.size_s
        return window

    def _renew(self, window: Window) -> Window:
        if window.ends_at_s and self._clock.now_s() >= window.ends_at_s:
            window.used, window.ends_at_s = 0, 0.0
        return window
