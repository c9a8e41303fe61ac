"""Real pictures without a library: bands of colour as PNG and as JPEG, of any size."""

import struct
import zlib
from collections.abc import Mapping
from itertools import pairwise
from types import MappingProxyType

from msgspec import Struct

from grok2api.simulator.identity import make_number

_AREA = 784 * 1168
_GRID = 16
_AUTO = "1:1"
_BLOCK = 8
_COLOURS = 4
_MAX_COMMENT = 0xFFFF - 2


def _measure(ratio: str) -> tuple[int, int]:
    across, down = map(float, ratio.split(":"))
    width = (_AREA * across / down) ** 0.5
    return round(width / _GRID) * _GRID, round(width * down / across / _GRID) * _GRID


_RATIOS = (
    *("1:1", "16:9", "9:16", "4:3", "3:4", "3:2", "2:3", "2:1", "1:2"),
    *("19.5:9", "9:19.5", "20:9", "9:20"),
)
SIZES: Mapping[str, tuple[int, int]] = MappingProxyType(
    {"auto": _measure(_AUTO)} | {ratio: _measure(ratio) for ratio in _RATIOS}
)
"""Width and height by the aspect ratios that the site knows."""


class Picture(Struct, frozen=True, kw_only=True):
    """What a picture shows: bands that follow from `key`, and `id` in a comment.

    Its file has at least `min_bytes`.
    """

    key: str
    id: str
    width: int
    height: int
    min_bytes: int = 0


def draw_png(picture: Picture) -> bytes:
    """Return the picture as PNG."""
    width, height = picture.width, picture.height
    per_row = -(-width // 4)
    rows = [
        b"\0" + bytes([0b01010101 * colour]) * per_row for colour in _bands(picture.key, height)
    ]
    head = struct.pack(">IIBBBBB", width, height, 2, 3, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n" + _png_chunk(b"IHDR", head)
    start += _png_chunk(b"PLTE", b"".join(map(bytes, _palette(picture.key))))
    end = _png_chunk(b"IDAT", zlib.compress(b"".join(rows), 1)) + _png_chunk(b"IEND", b"")
    note = f"Comment\0{picture.id}".encode()
    missing = picture.min_bytes - len(start) - len(end) - len(note) - 12
    return start + _png_chunk(b"tEXt", note + b" " * max(missing, 0)) + end


def draw_jpeg(picture: Picture) -> bytes:
    """Return the picture as baseline JPEG."""
    quantisation = b"\0" + bytes([8]) * 64
    frame = struct.pack(">BHHB", 8, picture.height, picture.width, 3)
    frame += b"".join(bytes([n, 0x11, 0]) for n in (1, 2, 3))
    # Ten sizes of a change of colour, no change being a single bit; and one code for "no detail".
    changes = bytes([0, 1, 0, 0, 0, 9, *[0] * 11, *range(10)])
    details = bytes([0x10, 1, *[0] * 15, 0])
    scan = bytes([3, 1, 0, 2, 0, 3, 0, 0, 63, 0])
    start = b"\xff\xd8" + _segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0")
    middle = _segment(0xDB, quantisation) + _segment(0xC0, frame)
    middle += _segment(0xC4, changes) + _segment(0xC4, details) + _segment(0xDA, scan)
    body = middle + _entropy(picture) + b"\xff\xd9"
    return start + _comments(picture, picture.min_bytes - len(start) - len(body)) + body


def _palette(key: str) -> list[tuple[int, int, int]]:
    return [
        ((n := make_number("colour", key, at)) & 0xFF, n >> 8 & 0xFF, n >> 16 & 0xFF)
        for at in range(_COLOURS)
    ]


def _bands(key: str, rows: int) -> list[int]:
    """Return the colour of every row."""
    heights = [40 + make_number("band", key, at) % 60 for at in range(12)]
    total = sum(heights)
    edges = [0]
    for height in heights:
        edges.append(edges[-1] + height)
    scaled = [edge * rows // total for edge in edges]
    return [
        number % _COLOURS
        for number, (top, bottom) in enumerate(pairwise(scaled))
        for _ in range(bottom - top)
    ]


def _png_chunk(kind: bytes, data: bytes) -> bytes:
    checked = kind + data
    return struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))


def _segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def _comments(picture: Picture, wanted: int) -> bytes:
    out = _segment(0xFE, picture.id.encode())
    while len(out) < wanted:
        out += _segment(0xFE, b" " * min(max(wanted - len(out) - 4, 0), _MAX_COMMENT))
    return out


def _entropy(picture: Picture) -> bytes:
    """Return the coded blocks: the first of a row may change the colours, the rest repeat it."""
    columns, rows = -(-picture.width // _BLOCK), -(-picture.height // _BLOCK)
    palette = _palette(picture.key)
    same = "0" * 2 * 3
    last = (128, 128, 128)
    bits = []
    for colour in _bands(picture.key, rows):
        now = palette[colour]
        bits.append("".join(_code(new - old) + "0" for new, old in zip(now, last, strict=True)))
        bits.append(same * (columns - 1))
        last = now
    text = "".join(bits)
    text += "1" * (-len(text) % 8)
    packed = int(text, 2).to_bytes(len(text) // 8)
    return packed.replace(b"\xff", b"\xff\0")


def _code(change: int) -> str:
    if not change:
        return "0"
    size = abs(change).bit_length()
    value = change if change > 0 else change + (1 << size) - 1
    return f"{0b10000 + size - 1:05b}{value:0{size}b}"
