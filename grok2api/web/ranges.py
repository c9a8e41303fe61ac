"""Byte ranges and conditions of a request for one file, as RFC 9110 has them; pure."""

import re
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Final

from msgspec import Struct

MAX_DATE_CHARS: Final = 64
_MAX_DIGITS: Final = 18
"""More than any file has; a longer number says the same and is never counted with."""
_BEYOND: Final = 10**_MAX_DIGITS
_SPEC: Final = re.compile(r"([0-9]*)-([0-9]*)")
_UNIT: Final = "bytes"


class ByteRange(Struct, frozen=True):
    """A part of a file that is there; `end` is the first byte behind it."""

    start: int
    end: int


class RangeNotSatisfiableError(Exception):
    """The part that was asked for lies behind the end of the file."""


class Validators(Struct, frozen=True):
    """What tells one state of a file from another: a strong entity tag, and seconds since epoch."""

    etag: str
    modified_s: float

    @property
    def last_modified(self) -> str:
        """Return the date as headers have it."""
        return format_datetime(datetime.fromtimestamp(int(self.modified_s), UTC), usegmt=True)

    def is_unchanged(self, if_none_match: str | None, if_modified_since: str | None) -> bool:
        """Whether the client has this state already; an entity tag says it before a date does."""
        if if_none_match is not None:
            given = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
            return self.etag in given or given == ["*"]
        since_s = _parse_date(if_modified_since)
        return since_s is not None and int(self.modified_s) <= since_s

    def allow_range(self, if_range: str | None) -> bool:
        """Whether a part of this state continues what the client has; a weak tag never says so."""
        if if_range is None:
            return True
        given = if_range.strip()
        return given == self.etag or _parse_date(given) == int(self.modified_s)


def parse_range(header: str | None, size_bytes: int) -> ByteRange | None:
    """Return the part that `header` asks for; None stands for the whole file.

    One part is served; several at once, other units and what is no range mean the whole file,
    as a server may answer. Takes time in proportion to the length of the header.

    Raises:
        RangeNotSatisfiableError: no byte of the part is there.
    """
    unit, _, given = (header or "").partition("=")
    if unit.strip().lower() != _UNIT:
        return None
    specs = [spec.strip(" \t") for spec in given.split(",")]
    asked = [spec for spec in specs if spec]
    found = _SPEC.fullmatch(asked[0]) if len(asked) == 1 else None
    if found is None:
        return None
    first, last = (_count(digits) for digits in found.groups())
    if first is None:
        return None if last is None else _suffix(last, size_bytes)
    if last is not None and last < first:
        return None
    if first >= size_bytes:
        raise RangeNotSatisfiableError
    return ByteRange(first, size_bytes if last is None else min(last + 1, size_bytes))


def _suffix(length: int, size_bytes: int) -> ByteRange:
    if not length or not size_bytes:
        raise RangeNotSatisfiableError
    return ByteRange(max(0, size_bytes - length), size_bytes)


def _count(digits: str) -> int | None:
    if not digits:
        return None
    significant = digits.lstrip("0")
    return int(significant or "0") if len(significant) <= _MAX_DIGITS else _BEYOND


def _parse_date(text: str | None) -> int | None:
    """Return seconds since epoch; None where `text` is no date of a header."""
    if text is None or len(text) > MAX_DATE_CHARS or not text.endswith("GMT"):
        return None
    try:
        return int(parsedate_to_datetime(text).replace(tzinfo=UTC).timestamp())
    except (ValueError, OverflowError, TypeError):
        return None
