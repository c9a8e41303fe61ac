"""Joins what records finished requests, and what shows the records."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from grok2api.clock import SystemClock
from grok2api.config.stats import StatsSettings
from grok2api.services.action_log import ActionLog
from grok2api.services.refused_logins import RefusedLogins
from grok2api.services.request_file import RequestFile
from grok2api.services.request_log import RequestLog
from grok2api.services.statistics import Statistics
from grok2api.services.usage import RequestSink, UsageRecorder
from grok2api.store.action_log import ActionLogStore
from grok2api.store.connection import RedisClient
from grok2api.store.request_log import RequestLogStore
from grok2api.store.usage import UsageLimits, UsageStore
from grok2api.telemetry.rotating_file import RotatingFile

_HOUR_S = 3600
_MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Records:
    """What operators read of the past."""

    statistics: Statistics
    requests: RequestLog
    actions: ActionLog
    logins: RefusedLogins


def build_records(redis: RedisClient, settings: StatsSettings) -> Records:
    """Return what shows statistics, finished requests and actions; also where none are written."""
    actions = ActionLog(ActionLogStore(redis, max_entries=settings.actions_max_entries))
    return Records(
        statistics=Statistics(
            UsageStore(redis, _limits(settings)),
            kept_hours=settings.hourly_retention_h,
            kept_days=settings.daily_retention_d,
        ),
        requests=RequestLog(RequestLogStore(redis)),
        actions=actions,
        logins=RefusedLogins(actions, SystemClock()),
    )


@asynccontextmanager
async def open_recorder(
    redis: RedisClient, data_dir: Path, settings: StatsSettings
) -> AsyncIterator[UsageRecorder]:
    """Open what records finished requests; what waits is written down at the end."""
    every_s = settings.flush_interval_s
    async with AsyncExitStack() as stack:
        sinks: list[RequestSink] = []
        if settings.enabled and settings.file:
            file = RotatingFile(
                data_dir / settings.file,
                max_bytes=settings.file_max_mb * _MEGABYTE,
                period_s=settings.file_period_h * _HOUR_S,
                backups=settings.file_backups,
            )
            sinks.append(
                await stack.enter_async_context(RequestFile(file, SystemClock(), every_s=every_s))
            )
        store = UsageStore(redis, _limits(settings))
        yield await stack.enter_async_context(UsageRecorder(store, sinks, every_s=every_s))


def _limits(settings: StatsSettings) -> UsageLimits:
    return UsageLimits(
        is_enabled=settings.enabled,
        hourly_retention_h=settings.hourly_retention_h,
        daily_retention_d=settings.daily_retention_d,
        log_max_entries=settings.log_max_entries,
    )
