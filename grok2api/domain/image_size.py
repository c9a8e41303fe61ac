"""The width and height of a picture, from its first bytes."""

_PNG = b"\x89PNG\r\n\x1a\n"
_GIFS = (b"GIF87a", b"GIF89a")
_JPEG = b"\xff\xd8"
# Frame headers; the other markers of this range are tables.
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_FRAME_BYTES = 9
_JPEG_FILL = 0xFF

Size = tuple[int, int]


def read_image_size(data: bytes) -> Size | None:
    """Return width and height in pixels of a PNG, GIF, JPEG or WebP; None if they are not told."""
    size: Size | None = None
    if data.startswith(_PNG):
        size = _big(data[16:20]), _big(data[20:24])
    elif data.startswith(_GIFS):
        size = _little(data[6:8]), _little(data[8:10])
    elif data.startswith(_JPEG):
        size = _read_jpeg(data)
    elif data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        size = _read_webp(data)
    return size if size is not None and all(size) else None


def _read_webp(data: bytes) -> Size | None:
    match data[12:16]:
        case b"VP8 ":
            return _little(data[26:28]) & 0x3FFF, _little(data[28:30]) & 0x3FFF
        case b"VP8L":
            bits = _little(data[21:25])
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8X":
            return _little(data[24:27]) + 1, _little(data[27:30]) + 1
        case _:
            return None


def _read_jpeg(data: bytes) -> Size | None:
    at = len(_JPEG)
    while at + _JPEG_FRAME_BYTES <= len(data) and data[at] == _JPEG_FILL:
        marker = data[at + 1]
        if marker in _JPEG_FRAMES:
            return _big(data[at + 7 : at + 9]), _big(data[at + 5 : at + 7])
        # A fill byte stands alone; everything else tells its length.
        at += 1 if marker == _JPEG_FILL else 2 + _big(data[at + 2 : at + 4])
    return None


def _big(data: bytes) -> int:
    return int.from_bytes(data, "big")


def _little(data: bytes) -> int:
    return int.from_bytes(data, "little")
