"""Base64 as the site sends it: with or without its padding, sometimes behind a data URI's head."""

import binascii
from typing import Final

# One step holds the interpreter for a few milliseconds at most.
_SLICE_CHARS: Final = 4 * 256 * 1024
_LONELY: Final = 1


def decode_base64(text: str, limit_bytes: int) -> bytes:
    """Return what `text` stands for, or b"" if it is none or larger than `limit_bytes`."""
    plain = text.strip()
    if plain.startswith("data:"):
        plain = plain.partition(",")[2]
    plain = plain.rstrip("=")
    if len(plain) % 4 == _LONELY or len(plain) * 3 // 4 > limit_bytes:
        return b""
    padded = plain + "=" * (-len(plain) % 4)
    slices = (padded[at : at + _SLICE_CHARS] for at in range(0, len(padded), _SLICE_CHARS))
    try:
        return b"".join([binascii.a2b_base64(piece, strict_mode=True) for piece in slices])
    except ValueError:
        return b""
