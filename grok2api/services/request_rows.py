"""Finished requests as text: JSON lines and CSV, for files and other programs."""

import csv
import io
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

from grok2api.domain.usage import FinishedRequest

_FIELDS: Final = tuple(
    name for name in FinishedRequest.__struct_fields__ if name not in ("at_s", "attempts")
)
CSV_HEADS: Final = ("at", *_FIELDS, "attempts")
_ENCODER = msgspec.json.Encoder()
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001


def describe_request(finished: FinishedRequest) -> dict[str, object]:
    """Return all that is known of a request, with every field and a readable time."""
    return {
        "at": _moment(finished),
        **{name: getattr(finished, name) for name in _FIELDS},
        "attempts": [msgspec.structs.asdict(attempt) for attempt in finished.attempts],
    }


def encode_lines(requests: Sequence[FinishedRequest]) -> bytes:
    """Return one JSON object a line."""
    return b"".join(_ENCODER.encode(describe_request(one)) + b"\n" for one in requests)


def encode_csv_heads() -> bytes:
    """Return the first line of a table."""
    return _write_rows([CSV_HEADS])


def encode_csv(requests: Sequence[FinishedRequest]) -> bytes:
    """Return a row for each request; of its attempts their number."""
    return _write_rows(
        [
            (
                _moment(one),
                *(_cell(getattr(one, name)) for name in _FIELDS),
                len(one.attempts),
            )
            for one in requests
        ]
    )


def _write_rows(rows: Sequence[Sequence[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _cell(value: object) -> object:
    """Clients choose some of these texts, and programs that show tables run formulas."""
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return "" if value is None else value


def _moment(finished: FinishedRequest) -> str:
    return datetime.fromtimestamp(finished.at_s, UTC).isoformat(timespec="milliseconds")
