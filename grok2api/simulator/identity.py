"""Names that follow from what they name: the same seed gives the same ids."""

import re
from hashlib import blake2b, sha256

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def make_uuid(*parts: object) -> str:
    """Return a canonical version 4 UUID that depends on `parts` alone."""
    digits = bytearray(blake2b("\0".join(map(str, parts)).encode(), digest_size=16).digest())
    digits[6] = digits[6] & 0x0F | 0x40
    digits[8] = digits[8] & 0x3F | 0x80
    text = digits.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def make_number(*parts: object) -> int:
    """Return a number below 2**64 that depends on `parts` alone."""
    return int.from_bytes(blake2b("\0".join(map(str, parts)).encode(), digest_size=8).digest())


def short_hash(text: str) -> str:
    """Return twelve hex digits that stand for a secret or a prompt in the ledger."""
    return sha256(text.encode()).hexdigest()[:12]


def is_uuid(text: str) -> bool:
    """Whether `text` is a UUID in canonical lower-case form."""
    return _UUID.fullmatch(text) is not None


def is_uuid4(text: str) -> bool:
    """Whether `text` is a random (version 4) UUID in canonical lower-case form."""
    return _UUID4.fullmatch(text) is not None
