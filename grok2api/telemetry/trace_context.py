"""W3C trace context: which trace a request belongs to, as its client says."""

import re
from typing import Final

from msgspec import Struct

_FORM: Final = re.compile(
    r"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})"
    r"(?P<more>-.*)?"
)
_FIRST_VERSION: Final = "00"
_NO_VERSION: Final = "ff"


class TraceParent(Struct, frozen=True):
    """The trace and the client's span in it, both in lower-case hexadecimal digits."""

    trace_id: str
    span_id: str
    is_sampled: bool


def parse_traceparent(text: str) -> TraceParent | None:
    """Read the header; None where it is not valid, and so does not count."""
    found = _FORM.fullmatch(text.strip())
    if found is None or found["version"] == _NO_VERSION:
        return None
    if found["version"] == _FIRST_VERSION and found["more"]:
        return None
    if not found["trace"].strip("0") or not found["span"].strip("0"):
        return None
    return TraceParent(found["trace"], found["span"], bool(int(found["flags"], 16) & 1))
