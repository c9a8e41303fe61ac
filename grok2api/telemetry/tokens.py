"""How many tokens a text has, estimated without any vocabulary."""

_UPPER = bytes(range(65, 91))
_LOWER = bytes(range(97, 123))
_DIGITS = b"0123456789"
_PUNCTUATION = bytes(c for c in range(33, 127) if c not in _UPPER + _LOWER + _DIGITS)


def _all_but(kept: bytes) -> bytes:
    return bytes(set(range(256)) - set(kept))


# Byte classes with their weight in tokens a byte, fitted against o200k_base on prose, code and
# JSON. Of characters beyond ASCII only the leading byte of its UTF-8 form is counted.
_ASCII_CLASSES = (
    (_all_but(_UPPER + _LOWER), 0.185),
    (_all_but(_DIGITS), 1.091),
    (_all_but(_PUNCTUATION), 0.466),
)
_OTHER_CLASSES = (
    (_all_but(bytes(range(0xC3, 0xD0))), 0.77),
    (_all_but(bytes(range(0xD0, 0xE0))), 0.352),
    (_all_but(bytes(range(0xE0, 0xF0))), 0.538),
    (_all_but(bytes(range(0xF0, 0xF5))), 2.5),
)
_SPACE_WEIGHT = 0.217
_NEWLINE_WEIGHT = 0.802


def estimate_tokens(text: str) -> int:
    """Estimate the tokens of `text`: 0 for nothing, else at least 1; more text never has fewer.

    The median error is 3 to 4 % on English, code and JSON, about 22 % on other languages.
    """
    data = text.encode("utf-8", "replace")
    if not data:
        return 0
    classes = _ASCII_CLASSES if len(data) == len(text) else _ASCII_CLASSES + _OTHER_CLASSES
    # A run of spaces counts for half of its length: indentation is cheap.
    spaces = data.count(b" ") - data.count(b"  ")
    total = _SPACE_WEIGHT * spaces + _NEWLINE_WEIGHT * data.count(b"\n")
    for others, weight in classes:
        total += weight * len(data.translate(None, others))
    return max(1, round(total))
