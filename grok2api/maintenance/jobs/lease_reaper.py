"""Ends leases that ran out and wakes accounts that have cooled, until none is left that is due."""

from functools import partial
from typing import Final

from grok2api.maintenance.leader import LeadershipLostError
from grok2api.maintenance.runner import Job
from grok2api.store.account_replies import StaleEpoch
from grok2api.store.account_timers import AccountTimers

_AT_ONCE: Final = 256
_MAX_ROUNDS: Final = 400


def build_lease_reaper(timers: AccountTimers, interval_s: float) -> Job:
    """Return the job. Requests do the same in passing; it keeps lists right when none come."""
    return Job("lease_reaper", interval_s, partial(_reap, timers))


async def _reap(timers: AccountTimers, epoch: int) -> None:
    for _ in range(_MAX_ROUNDS):
        done = await timers.reap(_AT_ONCE, epoch=epoch)
        if isinstance(done, StaleEpoch):
            raise LeadershipLostError("another has taken the lead")
        if done < _AT_ONCE:
            return
