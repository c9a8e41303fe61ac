"""Holds the limits of kept media, and makes its index and its object store agree."""

from collections.abc import Awaitable, Callable
from functools import partial

from grok2api.config.media import LocalCacheSettings
from grok2api.maintenance.leader import LeadershipLostError
from grok2api.maintenance.runner import Job
from grok2api.services.media_upkeep import MediaUpkeep


def build_media_jobs(upkeep: MediaUpkeep, settings: LocalCacheSettings) -> tuple[Job, Job]:
    """Return the jobs: one is short and often, the other looks at everything."""
    return (
        Job("media_cleanup", settings.clean_interval_s, partial(_work, upkeep.clean)),
        Job("media_reconcile", settings.reconcile_interval_s, partial(_work, upkeep.reconcile)),
    )


async def _work(work: Callable[[int], Awaitable[bool]], epoch: int) -> None:
    if not await work(epoch):
        raise LeadershipLostError("another has taken the lead")
