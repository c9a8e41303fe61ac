"""Statistics and the request log in the form that older pages know. Hours and days are UTC's."""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Final, Literal

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from grok2api.domain.statistics import MAX_DAYS, MAX_HOURS, Dimension, Usage, sum_usage
from grok2api.domain.usage import FinishedRequest, UsageCount
from grok2api.services.request_log import MAX_PAGE, RequestFilter
from grok2api.web.admin.answers import answer, read_limit
from grok2api.web.admin.auth import admit_admin
from grok2api.web.admin.stats import DEFAULT_HOURS, read_count
from grok2api.web.state import state_of

DEFAULT_DAYS: Final = 7
TOP_MODELS: Final = 10
_SUFFIX_CHARS: Final = 8


class Hour(Struct, frozen=True):
    """Requests of an hour, "14:00" of "11-21"."""

    hour: str
    date: str
    total: int
    success: int
    failed: int


class Day(Struct, frozen=True):
    """Requests of a day."""

    date: str
    total: int
    success: int
    failed: int


class ModelCount(Struct, frozen=True):
    """Requests of a model."""

    model: str
    count: int


class Summary(Struct, frozen=True):
    """Requests of all the hours; the rate in percent."""

    total: int
    success: int
    failed: int
    success_rate: float


class Data(Struct, frozen=True):
    """What older pages draw."""

    hourly: list[Hour]
    daily: list[Day]
    models: list[ModelCount]
    summary: Summary


class StatsBody(Struct, frozen=True):
    """Statistics in their old envelope."""

    data: Data
    status: Literal["success"] = "success"


class Entry(Struct, frozen=True, kw_only=True):
    """A request. `id` is ms, `timestamp` and `duration` are seconds, `time` is UTC."""

    id: int
    time: str
    timestamp: float
    ip: str
    model: str
    duration: float
    status: int
    key_name: str
    token_suffix: str
    error: str


class LogBody(Struct, frozen=True):
    """The newest requests in their old envelope."""

    data: list[Entry]
    status: Literal["success"] = "success"


async def read_requests(request: Request) -> Response:
    """Tell how many requests there were in the last `hours` and `days`, and of which models."""
    await admit_admin(request)
    hours = read_count(request, "hours", default=DEFAULT_HOURS, most=MAX_HOURS)
    days = read_count(request, "days", default=DEFAULT_DAYS, most=MAX_DAYS)
    statistics = state_of(request).records.statistics
    hourly, daily = await statistics.hours(hours), await statistics.days(days)
    models = await statistics.by_days(Dimension.MODEL, days)
    top = islice(((name, count) for name, count in models.items() if name), TOP_MODELS)
    return answer(
        StatsBody(
            Data(
                [_show_hour(usage) for usage in hourly],
                [Day(_at(usage.at_s, "%m-%d"), *_counts(usage.count)) for usage in daily],
                [ModelCount(name, count.requests) for name, count in top],
                _sum_up(hourly),
            )
        )
    )


async def read_log(request: Request) -> Response:
    """List the newest requests."""
    await admit_admin(request)
    state = state_of(request)
    limit = read_limit(request, default=MAX_PAGE, most=MAX_PAGE)
    page = await state.records.requests.page(RequestFilter(), limit=limit)
    known = [*await state.keys.list(), *state.keys.configured]
    names: dict[str, str] = {key.id: key.name for key in known}
    return answer(LogBody([_show(entry.finished, names) for entry in page.items]))


def _show_hour(usage: Usage) -> Hour:
    return Hour(_at(usage.at_s, "%H:00"), _at(usage.at_s, "%m-%d"), *_counts(usage.count))


def _counts(count: UsageCount) -> tuple[int, int, int]:
    return count.requests, count.requests - count.errors, count.errors


def _sum_up(hourly: Sequence[Usage]) -> Summary:
    total, success, failed = _counts(sum_usage(usage.count for usage in hourly))
    return Summary(total, success, failed, round(success / total * 100, 1) if total else 0.0)


def _show(one: FinishedRequest, names: dict[str, str]) -> Entry:
    return Entry(
        id=round(one.at_s * 1000),
        time=_at(one.at_s, "%Y-%m-%d %H:%M:%S"),
        timestamp=one.at_s,
        ip=one.client,
        model=one.requested or one.model,
        duration=round(one.duration_ms / 1000, 2),
        status=one.status,
        key_name=names.get(one.key_id, one.key_id),
        token_suffix=one.account[-_SUFFIX_CHARS:],
        error=one.code or one.error,
    )


def _at(at_s: float, form: str) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime(form)
