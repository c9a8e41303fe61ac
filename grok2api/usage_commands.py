"""`stats`, `log` and `explain`: what was used, and what happened to requests."""

import re
import sys
from argparse import Namespace
from collections.abc import Mapping
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Final

from msgspec import structs

from grok2api.administration import administer
from grok2api.bootstrap import AdminTools
from grok2api.clock import SystemClock
from grok2api.console import say, say_json, say_table
from grok2api.domain.client_key import ANONYMOUS
from grok2api.domain.statistics import Dimension, Usage, sum_usage
from grok2api.domain.usage import FinishedRequest, UsageCount
from grok2api.domain.video_job import VideoJob
from grok2api.errors import SettingsError
from grok2api.services.request_log import LogForm, RequestFilter
from grok2api.services.request_rows import describe_request
from grok2api.services.request_story import tell_request
from grok2api.store.request_log import LoggedRequest

_DEFAULT_HOURS: Final = 24
_DEFAULT_ROWS: Final = 20
_KEY_ID: Final = "key_"
_COUNTED: Final = ("requests", "failed", "tokens in", "tokens out", "queries", "time", "to output")
_AGE = re.compile(r"(\d{1,9})([mhd])")
_AGE_S: Final = {"m": 60, "h": 3600, "d": 86_400}


def stats(arguments: Namespace) -> int:
    """Show what was used, by hour, day, model, key, account or status."""
    return _show_members(arguments) if arguments.by else _show_times(arguments)


def log(arguments: Namespace) -> int:
    """Search in the log of finished requests."""
    wanted = RequestFilter(
        since_s=_read_moment(arguments.since),
        until_s=_read_moment(arguments.until),
        key_id=arguments.key,
        model=arguments.model,
        account=arguments.account,
        status=arguments.status,
        error=arguments.error,
        text=arguments.text,
        is_failed=arguments.failed,
    )
    if arguments.csv or arguments.json:
        form = LogForm.CSV if arguments.csv else LogForm.JSONL

        async def write(admin: AdminTools) -> None:
            known = await _with_key(admin, wanted)
            source = admin.records.requests.export(known, form, limit=arguments.limit)
            async with aclosing(source) as parts:
                async for part in parts:
                    sys.stdout.buffer.write(part)
            sys.stdout.buffer.flush()

        administer(arguments, write)
        return 0

    async def collect(admin: AdminTools) -> list[LoggedRequest]:
        known = await _with_key(admin, wanted)
        source = admin.records.requests.iterate(known, limit=arguments.limit or _DEFAULT_ROWS)
        async with aclosing(source) as parts:
            return [entry async for some in parts for entry in some]

    heads = ("ended", "id", "status", "model", "key", "account", "time", "tokens", "error")
    say_table(heads, [_as_row(entry) for entry in administer(arguments, collect)])
    return 0


def explain(arguments: Namespace) -> int:
    """Say what happened to a request: attempts, waits, timings."""

    async def find(admin: AdminTools) -> tuple[FinishedRequest, VideoJob | None]:
        found = (await admin.records.requests.find(arguments.id)).finished
        if not found.job:
            return found, None
        return found, await admin.videos.find(found.key_id or ANONYMOUS, found.job)

    finished, video = administer(arguments, find)
    if arguments.json:
        say_json(describe_request(finished))
        return 0
    for line in tell_request(finished, video):
        say(line)
    return 0


async def _with_key(admin: AdminTools, wanted: RequestFilter) -> RequestFilter:
    """Return the filter with the id of a key that was named; an id may be of a revoked one."""
    if not wanted.key_id or wanted.key_id.startswith(_KEY_ID):
        return wanted
    return structs.replace(wanted, key_id=(await admin.keys.find(wanted.key_id)).id)


def _show_times(arguments: Namespace) -> int:
    days, hours = arguments.days, arguments.hours or _DEFAULT_HOURS

    async def read(admin: AdminTools) -> tuple[Usage, ...]:
        statistics = admin.records.statistics
        return await (statistics.days(days) if days else statistics.hours(hours))

    found = administer(arguments, read)
    if arguments.json:
        say_json(found)
        return 0
    rows = [(_moment(usage.at_s, is_day=bool(days)), *_cells(usage.count)) for usage in found]
    total = sum_usage(usage.count for usage in found)
    say_table(("from", *_COUNTED), [*rows, ("total", *_cells(total))])
    return 0


def _show_members(arguments: Namespace) -> int:
    by, days, hours = arguments.by, arguments.days, arguments.hours or _DEFAULT_HOURS

    async def read(admin: AdminTools) -> tuple[Mapping[str, UsageCount], dict[str, str]]:
        statistics = admin.records.statistics
        found = await (statistics.by_days(by, days) if days else statistics.by_hours(by, hours))
        keys = await admin.keys.list() if by is Dimension.KEY else []
        return found, {key.id: f"{key.id} {key.name}" for key in (*keys, *admin.keys.configured)}

    found, names = administer(arguments, read)
    if arguments.json:
        say_json(found)
        return 0
    rows = [(names.get(one, one) or "(none)", *_cells(count)) for one, count in found.items()]
    total = sum_usage(found.values())
    say_table((by.value, *_COUNTED), [*rows, ("total", *_cells(total))])
    return 0


def _cells(count: UsageCount) -> tuple[object, ...]:
    return (
        count.requests,
        count.errors,
        count.input_tokens,
        count.output_tokens,
        count.units,
        _mean(count.duration_ms, count.requests),
        _mean(count.first_output_ms, count.first_outputs),
    )


def _mean(total_ms: int, count: int) -> str:
    return f"{total_ms / count / 1000:.2f} s" if count else ""


def _as_row(entry: LoggedRequest) -> tuple[object, ...]:
    one = entry.finished
    return (
        _moment(entry.settled_at_s),
        one.id,
        one.status,
        one.model or one.requested,
        one.key_id,
        one.account,
        f"{one.duration_ms / 1000:.2f} s",
        f"{one.input_tokens}+{one.output_tokens}",
        one.code or one.error,
    )


def _moment(at_s: float, *, is_day: bool = False) -> str:
    """Return local time; of a day its date, which is that of UTC."""
    at = datetime.fromtimestamp(at_s, UTC)
    return f"{at:%Y-%m-%d}" if is_day else f"{at.astimezone():%Y-%m-%d %H:%M:%S}"


def _read_moment(text: str | None) -> float:
    """Return seconds since epoch, 0 for none.

    Raises:
        SettingsError: it is neither an age nor a time.
    """
    if not text:
        return 0.0
    if age := _AGE.fullmatch(text):
        return SystemClock().now_s() - int(age[1]) * _AGE_S[age[2]]
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        raise SettingsError(f"{text}: no age such as 2h and no time such as 2026-11-21") from None
