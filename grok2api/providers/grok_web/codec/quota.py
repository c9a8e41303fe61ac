"""The window of one mode: the question and what its answer says."""

from typing import Final

from grok2api.domain.account import Mode
from grok2api.domain.quota import TWO_HOURS_S, Reading
from grok2api.domain.upstream import UpstreamRequest
from grok2api.errors import UpstreamProtocolError
from grok2api.providers.grok_web import wire
from grok2api.providers.grok_web.codec.failure import decode_json
from grok2api.providers.grok_web.codec.identity import Headers
from grok2api.providers.grok_web.codec.loose import as_mapping
from grok2api.providers.grok_web.codec.modes import word_of

NOT_AVAILABLE: Final = "mode_not_available"
"""Code of the error where the account has no such mode."""

MAX_QUERIES: Final = 1_000_000_000
MAX_LENGTH_S: Final = 366 * 86_400
_MAX_DIGITS: Final = 18


def quota_query(base_url: str, headers: Headers, mode: Mode) -> UpstreamRequest:
    """Build the request that asks for one mode; there is none for all of them."""
    body = wire.ENCODER.encode({"modelName": word_of(mode)})
    return UpstreamRequest("POST", f"{base_url}/rest/rate-limits", headers, body)


def parse_window(mode: Mode, body: bytes) -> Reading:
    """Return what the answer says of `mode`.

    The answer never says when the window resets; it rolls, so a whole length is the latest time.

    Raises:
        UpstreamProtocolError: there is no such mode for this account (its `code` is
            `NOT_AVAILABLE`), or the numbers make no sense.
    """
    root = decode_json(body)
    if not isinstance(root, dict):
        raise odd_quota("it is no object")
    told = as_mapping(root)
    total = whole_number(told.get("totalQueries"))
    if total is None or total <= 0:
        raise UpstreamProtocolError(
            "The account does not have this mode at the upstream.", code=NOT_AVAILABLE
        )
    remaining = whole_number(told.get("remainingQueries"))
    if remaining is None:
        raise odd_quota("it does not say what remains")
    if total > MAX_QUERIES:
        raise odd_quota("it grants more than can be")
    length_s = whole_number(told.get("windowSizeSeconds"))
    if length_s is None or not 0 < length_s <= MAX_LENGTH_S:
        length_s = TWO_HOURS_S
    return Reading(
        mode=mode,
        remaining=min(max(remaining, 0), total),
        total=total,
        length_s=length_s,
        resets_in_s=float(length_s),
    )


def whole_number(value: object) -> int | None:
    """Return a whole number, also where it is written as a fraction or as text; else None."""
    if isinstance(value, str):
        digits = value.strip().removeprefix("-")
        if not (digits.isascii() and digits.isdigit() and len(digits) <= _MAX_DIGITS):
            return None
        return int(value)
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value


def odd_quota(detail: str) -> UpstreamProtocolError:
    """Return the error that an answer about quota makes no sense; `detail` says why."""
    return UpstreamProtocolError(
        "The upstream's answer about quota makes no sense.",
        code="upstream_odd_quota",
        detail=detail,
    )
