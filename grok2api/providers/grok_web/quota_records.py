"""Reads the quota windows that a gateway kept of an account: ours, and the reference's."""

from collections.abc import Callable, Mapping
from typing import Final

from grok2api.domain.account import Mode
from grok2api.domain.quota import Source, Window

_MAX_UNITS: Final = 1_000_000
_MAX_LENGTH_S: Final = 31 * 86_400
_SOURCES: Final = {0: Source.DEFAULT, 1: Source.REAL, 2: Source.ESTIMATED}

ReadMoment = Callable[[object], float | None]


def read_windows(value: object, read_moment_s: ReadMoment) -> dict[Mode, Window]:
    """Return the windows in `value`, mode -> window; what is odd in it is left out.

    A number that cannot be read is asked for again anyway, so it is no reason to refuse an account.
    """
    found = {}
    for name, window in value.items() if isinstance(value, Mapping) else ():
        if name in tuple(Mode) and isinstance(window, Mapping):
            read = _read_window(window, read_moment_s)
            if read is not None:
                found[Mode(name)] = read
    return found


def _read_window(window: Mapping[str, object], read_moment_s: ReadMoment) -> Window | None:
    remaining = _number(window.get("remaining"), _MAX_UNITS)
    length_s = _number(window.get("length_s") or window.get("window_seconds"), _MAX_LENGTH_S)
    reset_at_s = read_moment_s(window.get("reset_at")) or 0.0
    total = _number(window.get("total"), _MAX_UNITS)
    # What remains of a window without a total counts until it ends, so it must say when that is.
    is_whole = bool(total) or (window.get("total", 0) is None and reset_at_s > 0)
    if remaining is None or not is_whole or not length_s:
        return None
    word = window.get("source")
    source = _SOURCES.get(word) if isinstance(word, int) else None
    if source is None:
        source = Source(str(word)) if word in tuple(Source) else Source.ESTIMATED
    return Window(
        remaining=remaining if total is None else min(remaining, total),
        total=total,
        length_s=length_s,
        source=source,
        reset_at_s=reset_at_s,
    )


def _number(value: object, most: int) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most:
        return value
    return None
