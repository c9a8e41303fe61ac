"""The windows of pictures and videos: one question for all, and what its answer says."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from grok2api.domain.account import Mode
from grok2api.domain.quota import DAY_S, Reading
from grok2api.domain.upstream import UpstreamRequest
from grok2api.providers.grok_web.codec.failure import decode_json
from grok2api.providers.grok_web.codec.identity import Headers
from grok2api.providers.grok_web.codec.loose import Loose, as_mapping
from grok2api.providers.grok_web.codec.modes import MEDIA_PRODUCTS
from grok2api.providers.grok_web.codec.quota import (
    MAX_LENGTH_S,
    MAX_QUERIES,
    odd_quota,
    whole_number,
)

IMAGINE_PAGE: Final = "/imagine"
"""The page that asks this question."""

_UNUSED: Final = "image"
"""Pictures made in a chat. They draw on the chat's own window, so only its presence counts."""
_MOMENT: Final = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:(\.\d{1,6})\d{0,3})?(Z|[+-]\d\d:\d\d)", re.ASCII
)


def media_quota_query(base_url: str, headers: Headers) -> UpstreamRequest:
    """Build the request that asks for all windows of pictures and videos at once."""
    return UpstreamRequest("POST", f"{base_url}/rest/media/imagine/quota_info", headers, b"{}")


def parse_media_windows(body: bytes, *, now_s: float) -> Mapping[Mode, Reading | None]:
    """Return what the answer says of each mode; None: its queries are not counted, or not told.

    `now_s` is seconds since epoch. No reading has a total, for there is none in the answer.

    Raises:
        UpstreamProtocolError: a product is missing, or what is said of one makes no sense.
    """
    root = decode_json(body)
    if not isinstance(root, dict):
        raise odd_quota("it is no object")
    told = as_mapping(root)
    missing = [name for name in (_UNUSED, *MEDIA_PRODUCTS) if name not in told]
    if missing:
        raise odd_quota(f"it says nothing of {', '.join(missing)}")
    return {
        mode: None if told[name] is None else _parse_window(mode, told[name], now_s)
        for name, mode in MEDIA_PRODUCTS.items()
    }


def _parse_window(mode: Mode, value: object, now_s: float) -> Reading:
    """Return the window of one product. One that is not available has nothing left."""
    window = as_mapping(value)
    is_available = window.get("available")
    if not isinstance(is_available, bool):
        raise odd_quota(f"it does not say whether {mode} is available")
    left = _read_whole(window, "remainingQueries", 0, MAX_QUERIES) if is_available else 0
    length_s = _read_whole(window, "windowSizeSeconds", 1, MAX_LENGTH_S)
    if left is None or (is_available and length_s is None):
        raise odd_quota(f"it does not say how much of {mode} is left, or for how long")
    length_s = length_s or DAY_S
    return Reading(
        mode=mode,
        remaining=left,
        total=None,
        length_s=length_s,
        resets_in_s=_read_rest_s(window, left, length_s, now_s),
    )


def _read_whole(window: Loose, name: str, least: int, most: int) -> int | None:
    number = whole_number(window.get(name))
    if number is None or not least <= max(number, 0) <= most:
        return None
    return max(number, 0)


def _read_rest_s(window: Loose, left: int, length_s: int, now_s: float) -> float:
    """Return in how many seconds a window ends; a whole length where it does not say when."""
    told = window.get("nextAvailableAt")
    if told is None:
        return float(length_s)
    match = _MOMENT.fullmatch(told) if isinstance(told, str) else None
    try:
        moment = datetime.fromisoformat("".join(filter(None, match.groups()))) if match else None
    except ValueError:
        moment = None
    if moment is None:
        raise odd_quota("its nextAvailableAt is no time")
    rest_s = min(moment.timestamp() - now_s, float(MAX_LENGTH_S))
    if rest_s <= 0 < left:  # the end of a window before this one
        return float(length_s)
    return max(rest_s, 0.0)
