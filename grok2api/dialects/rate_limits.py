"""Headers that tell clients what is left of the limits of their key. Names are in lower case."""

import math
from datetime import UTC, datetime, timedelta

from grok2api.error_kinds import LimitsLeft


def openai_limit_headers(left: LimitsLeft) -> dict[str, str]:
    """Return the `x-ratelimit-…` headers; none of limits that the key has not."""
    headers: dict[str, str] = {}
    for name, state in (("requests", left.requests), ("tokens", left.tokens)):
        if state is not None:
            headers[f"x-ratelimit-limit-{name}"] = str(state.limit)
            headers[f"x-ratelimit-remaining-{name}"] = str(state.remaining)
            headers[f"x-ratelimit-reset-{name}"] = format_duration(state.resets_in_s)
    return headers


def anthropic_limit_headers(left: LimitsLeft, now_s: float) -> dict[str, str]:
    """Return the `anthropic-ratelimit-…` headers; resets are times, rounded up to the second."""
    headers: dict[str, str] = {}
    for name, state in (("requests", left.requests), ("tokens", left.tokens)):
        if state is not None:
            headers[f"anthropic-ratelimit-{name}-limit"] = str(state.limit)
            headers[f"anthropic-ratelimit-{name}-remaining"] = str(state.remaining)
            whole_at = datetime.fromtimestamp(0, UTC) + timedelta(
                seconds=math.ceil(now_s + state.resets_in_s)
            )
            headers[f"anthropic-ratelimit-{name}-reset"] = whole_at.strftime("%Y-%m-%dT%H:%M:%SZ")
    return headers


def format_duration(seconds: float) -> str:
    """Return a duration as Go writes it, rounded up: 0s, 12ms, 6m0s, 1h0m0.5s."""
    total_ms = max(0, math.ceil(round(seconds * 1000, 3)))
    if 0 < total_ms < 1000:  # noqa: PLR2004 - a second
        return f"{total_ms}ms"
    minutes, rest_ms = divmod(total_ms, 60_000)
    hours, minutes = divmod(minutes, 60)
    text = f"{rest_ms / 1000:.3f}".rstrip("0").rstrip(".") + "s"
    if hours:
        return f"{hours}h{minutes}m{text}"
    return f"{minutes}m{text}" if minutes else text
