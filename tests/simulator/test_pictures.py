"""Pictures and the clip as files: what any decoder of theirs relies on."""

import struct
import zlib
from itertools import pairwise

import pytest

from grok2api.simulator.clip import clip_pieces, clip_size
from grok2api.simulator.pictures import SIZES, Picture, draw_jpeg, draw_png
from tests.simulator.media_client import size_of


def picture(key: str = "a", name: str = "id", min_bytes: int = 0) -> Picture:
    return Picture(key=key, id=name, width=784, height=1168, min_bytes=min_bytes)


def png_chunks(data: bytes) -> dict[bytes, bytes]:
    chunks, at = {}, 8
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + 8 + size]
        assert struct.unpack(">I", data[at + 8 + size : at + 12 + size])[0] == zlib.crc32(
            kind + body
        )
        chunks[kind] = body
        at += 12 + size
    return chunks


def test_png_holds_every_row_and_right_checksums() -> None:
    chunks = png_chunks(draw_png(picture()))

    assert list(chunks) == [b"IHDR", b"PLTE", b"tEXt", b"IDAT", b"IEND"]
    assert len(zlib.decompress(chunks[b"IDAT"])) == 1168 * (1 + 784 // 4)


def read_jpeg(data: bytes) -> list[tuple[int, int, int]]:
    """Decode the colour of each row of blocks, with tables of the file itself."""
    segments: dict[int, bytes] = {}
    at = 2
    while True:
        marker, size = data[at + 1], int.from_bytes(data[at + 2 : at + 4])
        segments.setdefault(marker, data[at + 4 : at + 2 + size])
        at += 2 + size
        if marker == 0xDA:
            break
    table = segments[0xC4]
    codes, code, symbols = {}, 0, iter(table[17:])
    for length, count in enumerate(table[1:17], 1):
        for _ in range(count):
            codes[format(code, f"0{length}b")] = next(symbols)
            code += 1
        code <<= 1
    body = data[at:-2].replace(b"\xff\0", b"\xff")
    bits = iter(format(int.from_bytes(body), f"0{len(body) * 8}b"))

    def change() -> int:
        word = next(bits)
        while word not in codes:
            word += next(bits)
        size = codes[word]
        digits = "".join(next(bits) for _ in range(size))
        assert next(bits) == "0"
        value = int(digits or "0", 2)
        return value if not size or digits[0] == "1" else value - (1 << size) + 1

    rows, now = [], [128, 128, 128]
    for _ in range(1168 // 8):
        for column in range(784 // 8):
            changes = [change() for _ in range(3)]
            assert column == 0 or changes == [0, 0, 0]
            now = [old + new for old, new in zip(now, changes, strict=True)]
        rows.append((now[0], now[1], now[2]))
    assert set(bits) <= {"1"}
    return rows


def test_jpeg_decodes_to_bands_of_at_most_four_colours() -> None:
    rows = read_jpeg(draw_jpeg(picture()))

    assert len(rows) == 146
    assert 1 < len(set(rows)) <= 4
    assert sum(one != two for one, two in pairwise(rows)) == 11
    assert all(0 <= value <= 255 for row in rows for value in row)


@pytest.mark.parametrize("draw", [draw_png, draw_jpeg])
def test_size_is_met_to_the_byte_from_afar(draw: object) -> None:
    assert callable(draw)

    assert len(draw(picture(min_bytes=200_000))) == 200_000
    assert size_of(draw(picture(min_bytes=200_000))) == (784, 1168)


def test_ratios_are_kept_on_a_grid_of_sixteen() -> None:
    for ratio, (width, height) in SIZES.items():
        across, down = map(float, ratio.replace("auto", "1:1").split(":"))
        assert (width % 16, height % 16) == (0, 0)
        assert abs(width / height - across / down) < 0.06 * across / down


@pytest.mark.parametrize("min_bytes", [0, 20_100, 1_000_000])
def test_clip_has_whole_boxes_of_its_size(min_bytes: int) -> None:
    data = b"".join(clip_pieces("an-id", min_bytes))

    kinds, at = [], 0
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        kinds.append(kind)
        at += struct.unpack(">Q", data[at + 8 : at + 16])[0] if size == 1 else size
    assert at == len(data) == clip_size("an-id", min_bytes) >= min_bytes
    assert kinds[0] == b"ftyp"
    assert kinds.index(b"moov") < kinds.index(b"mdat")
    assert b"an-id" in data
