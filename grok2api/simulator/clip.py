"""A short real video that can be made as large as wanted."""

import struct
from collections.abc import Iterator
from functools import cache
from importlib.resources import files

_PIECE_BYTES = 64 * 1024
_LARGE_BOX_HEAD_BYTES = 16


@cache
def _clip() -> bytes:
    return files("grok2api.simulator").joinpath("media", "clip.mp4").read_bytes()


def _box_head(video_id: str, size: int) -> bytes:
    """Return the beginning of a box that players skip; `size` counts all of it."""
    return struct.pack(">I4sQ", 1, b"free", size) + video_id.encode()


def clip_size(video_id: str, min_bytes: int) -> int:
    """Return how many bytes the clip with this id has."""
    return max(len(_clip()) + _LARGE_BOX_HEAD_BYTES + len(video_id.encode()), min_bytes)


def clip_pieces(video_id: str, min_bytes: int) -> Iterator[bytes]:
    """Yield the clip with its id inside, and zeros up to the size; it is never held as a whole."""
    left = clip_size(video_id, min_bytes) - len(_clip())
    yield _clip()
    head = _box_head(video_id, left)
    yield head
    left -= len(head)
    zeros = bytes(_PIECE_BYTES)
    while left > 0:
        yield zeros[: min(left, _PIECE_BYTES)]
        left -= _PIECE_BYTES
