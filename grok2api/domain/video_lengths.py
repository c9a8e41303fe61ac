"""How long a video can be, and of how many parts the upstream makes it."""

from typing import Final

from grok2api.domain.video import SEGMENTS

MAX_SINGLE_S: Final = 15
"""What the upstream makes at once from words alone."""
_OLDER: Final = (6, 10)
_OFFICIAL: Final = {4: 6, 8: 10}
"""Lengths that OpenAI's clients can only choose from, and what comes next."""


def allowed_lengths(*, is_limited: bool) -> tuple[int, ...]:
    """Return the lengths that can be made, in seconds.

    `is_limited`: with pictures to begin with, or a preset, the upstream makes few lengths only.
    """
    single = _OLDER if is_limited else tuple(range(1, MAX_SINGLE_S + 1))
    return tuple(sorted({*single, *SEGMENTS}))


def most_parts(seconds: int) -> int:
    """Return of how many parts a video of so many seconds is made at most."""
    return len(SEGMENTS.get(seconds, (seconds,)))


def choose_segments(seconds: int, *, is_limited: bool) -> tuple[int, ...] | None:
    """Return the parts of a video of so many seconds, None if there is none so long.

    A length that OpenAI's clients can choose, and the upstream cannot, becomes the next longer one.
    """
    if seconds in _OLDER or (not is_limited and 1 <= seconds <= MAX_SINGLE_S):
        return (seconds,)
    if is_limited and seconds in _OFFICIAL:
        return (_OFFICIAL[seconds],)
    return SEGMENTS.get(seconds)
