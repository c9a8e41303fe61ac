"""Administrative routes of statistics: sums over finished requests, by time and by member."""

from collections.abc import Sequence
from itertools import islice
from typing import Final, Literal

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from grok2api.domain.statistics import MAX_DAYS, MAX_HOURS, Dimension, Usage, sum_usage
from grok2api.domain.usage import UsageCount
from grok2api.errors import InvalidRequestError
from grok2api.web.admin.answers import answer, read_choice, read_limit, read_number
from grok2api.web.admin.auth import admit_admin
from grok2api.web.state import state_of

MAX_TOP: Final = 500
DEFAULT_HOURS: Final = 24
_MS_PER_S: Final = 1000


class UsageView(UsageCount, frozen=True, kw_only=True):
    """Sums; durations are in ms, means null where there is nothing to divide."""

    mean_duration_ms: int | None
    mean_first_output_ms: int | None


class MomentView(UsageView, frozen=True, kw_only=True):
    """Sums of the hour or day that begins `at`, in ms since epoch."""

    at: int


class MemberView(UsageView, frozen=True, kw_only=True):
    """Sums of one model, key, account or status; "" where a request had none."""

    name: str


class StatsBody(Struct, frozen=True, kw_only=True):
    """What was used in so many hours or days (of UTC), the current one included.

    With `by` the members with most requests are in `top`; `others` is the sum of all the rest.
    """

    period: Literal["hour", "day"]
    count: int
    enabled: bool
    total: UsageView
    series: list[MomentView]
    by: Dimension | None = None
    top: list[MemberView] | None = None
    others: UsageView | None = None


class ResetBody(Struct, frozen=True):
    """All sums are zero."""

    status: Literal["success"] = "success"


async def read_stats(request: Request) -> Response:
    """Tell what was used in the last `hours` or `days`, and `by` whom."""
    await admit_admin(request)
    state, params = state_of(request), request.query_params
    if "hours" in params and "days" in params:
        raise InvalidRequestError("Give hours or days.", param="days", code="invalid_value")
    is_daily = "days" in params
    count = _read_days(request) if is_daily else _read_hours(request)
    given = params.get("by")
    dimension = read_choice(Dimension, given, "by") if given else None
    most = read_limit(request, default=20, most=MAX_TOP)
    statistics = state.records.statistics
    series = await (statistics.days(count) if is_daily else statistics.hours(count))
    body = StatsBody(
        period="day" if is_daily else "hour",
        count=len(series),
        enabled=state.settings.stats.enabled,
        total=_show(sum_usage(usage.count for usage in series)),
        series=_show_series(series),
    )
    if dimension is None:
        return answer(body)
    read = statistics.by_days if is_daily else statistics.by_hours
    members = await read(dimension, count)
    top = [
        MemberView(name=name, **msgspec.structs.asdict(_show(used)))
        for name, used in islice(members.items(), most)
    ]
    others = _show(sum_usage(islice(members.values(), most, None)))
    return answer(msgspec.structs.replace(body, by=dimension, top=top, others=others))


async def reset_stats(request: Request) -> Response:
    """Forget all sums; the log of requests stays."""
    await admit_admin(request)
    await state_of(request).records.statistics.reset()
    return answer(ResetBody())


def _read_hours(request: Request) -> int:
    return read_count(request, "hours", default=DEFAULT_HOURS, most=MAX_HOURS)


def _read_days(request: Request) -> int:
    return read_count(request, "days", default=1, most=MAX_DAYS)


def read_count(request: Request, name: str, *, default: int, most: int) -> int:
    """Return how many hours or days are wanted.

    Raises:
        InvalidRequestError: it is no number from 1 to `most`.
    """
    count = read_number(request, name, default=default)
    if not 1 <= count <= most:
        raise InvalidRequestError(
            f"{name} must be a whole number from 1 to {most}.", param=name, code="invalid_value"
        )
    return count


def _show_series(series: Sequence[Usage]) -> list[MomentView]:
    return [
        MomentView(at=round(usage.at_s * _MS_PER_S), **msgspec.structs.asdict(_show(usage.count)))
        for usage in series
    ]


def _show(count: UsageCount) -> UsageView:
    return UsageView(
        **msgspec.structs.asdict(count),
        mean_duration_ms=_mean(count.duration_ms, count.requests),
        mean_first_output_ms=_mean(count.first_output_ms, count.first_outputs),
    )


def _mean(total: int, count: int) -> int | None:
    return round(total / count) if count else None
