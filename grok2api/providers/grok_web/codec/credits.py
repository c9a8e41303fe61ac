"""The weekly allowance of paid accounts, a protobuf message over gRPC-web."""

import math
from typing import Final

from msgspec import Struct

from grok2api.domain.quota import DAY_S, Credits
from grok2api.domain.upstream import UpstreamRequest
from grok2api.errors import UpstreamProtocolError
from grok2api.providers.grok_web.codec import grpc_web
from grok2api.providers.grok_web.codec.identity import Headers
from grok2api.providers.grok_web.codec.protobuf import read_fields

_PATH: Final = "/grok_api_v2.GrokBuildBilling/GetGrokCreditsConfig"
_CONFIG: Final = 1
_USED, _START, _END = 1, 4, 5
_SECONDS, _NANOS = 1, 2
_WHOLE_PERCENT: Final = 100.0
_HUNDREDTHS: Final = 100
_ALL: Final = 10_000
_MAX_NANOS: Final = 999_999_999
_MAX_SECONDS: Final = 253_402_300_799  # the last second of the year 9999
_MIN_PERIOD_S: Final = DAY_S
_MAX_PERIOD_S: Final = 31 * DAY_S


class _Moment(Struct, frozen=True):
    seconds: int = 0
    nanos: int = 0

    @property
    def s(self) -> float:
        return self.seconds + self.nanos / 1e9


class _Config(Struct, frozen=True):
    """`used` is a percentage. The other fields say nothing that is needed."""

    used: float | None
    start: _Moment | None
    end: _Moment | None


def credits_query(base_url: str, headers: Headers) -> UpstreamRequest:
    """Build the request for the weekly allowance."""
    return UpstreamRequest("POST", base_url + _PATH, headers, grpc_web.frame(b""))


def parse_credits(message: bytes, *, now_s: float) -> Credits | None:
    """Return the weekly allowance, or None if the account does not draw on a paid pool.

    Args:
        message: the answer's message, unframed.
        now_s: seconds since epoch; the answer names its end as a date.

    Raises:
        UpstreamProtocolError: the message is broken, or says what cannot be.
    """
    try:
        return _parse(message, now_s)
    except ValueError as error:
        raise UpstreamProtocolError(
            "The upstream's answer about credits makes no sense.",
            code="upstream_odd_credits",
            detail=str(error),
        ) from None


def _parse(message: bytes, now_s: float) -> Credits | None:
    config = _read_config(_last(message, _CONFIG))
    start, end, used = config.start, config.end, config.used
    if start is None or end is None:
        raise ValueError("the period has no start or no end")
    if not _MIN_PERIOD_S <= end.s - start.s <= _MAX_PERIOD_S:
        raise ValueError("the period is shorter than a day or longer than a month")
    if used is None and not start.nanos and not end.nanos:
        return None
    used = used or 0.0
    if not (math.isfinite(used) and 0.0 <= used <= _WHOLE_PERCENT):
        raise ValueError("the used share is no percentage")
    return Credits(_ALL - round(used * _HUNDREDTHS), max(end.s - now_s, 0.0), _ALL)


def _last(message: bytes, field_id: int) -> bytes:
    """Return the last message that a field holds; an absent one is an empty one."""
    found = b""
    for field in read_fields(message):
        if field.id == field_id:
            found = field.as_message()
    return found


def _read_config(message: bytes) -> _Config:
    used: float | None = None
    start: _Moment | None = None
    end: _Moment | None = None
    for field in read_fields(message):
        if field.id == _USED:
            used = field.as_float()
        elif field.id == _START:
            start = _read_moment(field.as_message())
        elif field.id == _END:
            end = _read_moment(field.as_message())
    return _Config(used, start, end)


def _read_moment(message: bytes) -> _Moment:
    seconds = nanos = 0
    for field in read_fields(message):
        if field.id == _SECONDS:
            seconds = field.as_signed()
        elif field.id == _NANOS:
            nanos = field.as_signed()
    if not (0 < seconds <= _MAX_SECONDS and 0 <= nanos <= _MAX_NANOS):
        raise ValueError("a time is out of range")
    return _Moment(seconds, nanos)
