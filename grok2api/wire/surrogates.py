"""Mends JSON from clients that cut a string inside an emoji."""

import re

# Every escape in turn, so that an escaped backslash is not taken for the start of another escape.
_ESCAPE = re.compile(
    rb"\\(?:(?P<pair>u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|(?P<lone>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)


def _mend(match: re.Match[bytes]) -> bytes:
    return rb"\ufffd" if match["lone"] else match[0]


def repair_surrogates(body: bytes) -> bytes:
    r"""Replace every lone surrogate escape by `\ufffd`; return `body` itself when it has none."""
    mended = _ESCAPE.sub(_mend, body)
    return body if mended == body else mended
