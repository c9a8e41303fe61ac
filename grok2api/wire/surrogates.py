"""Mends JSON from clients that cut a string inside an emoji."""

import re

MAX_REPAIRS = 10_000
"""Who cuts more emoji than this does it on purpose; the rest stays refused."""

# A run of backslashes begins an escape when its length is odd. A pair is left alone by looking
# ahead from its first half and back from its second, so that only lone halves cost time.
_LONE_SURROGATE = re.compile(
    rb"\\(?<!\\\\)((?:\\\\)*+)"
    rb"(?:u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|(?<!\\u[dD][89abAB][0-9a-fA-F]{2}\\)u[dD][c-fC-F][0-9a-fA-F]{2})"
)


def repair_surrogates(body: bytes) -> bytes:
    r"""Replace lone surrogate escapes by `\ufffd`; return `body` itself when it has none."""
    mended, count = _LONE_SURROGATE.subn(rb"\\\1ufffd", body, count=MAX_REPAIRS)
    return mended if count else body
