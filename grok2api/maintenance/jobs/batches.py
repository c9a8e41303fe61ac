"""Works on batches: operations over many accounts, asked for by the operator."""

from functools import partial
from typing import Final

from grok2api.maintenance.leader import LeadershipLostError
from grok2api.maintenance.runner import Job
from grok2api.services.batch_runner import BatchRunner

_IDLE_S: Final = 0.9  # with the jitter of intervals a batch waits a second at most


def build_batch_job(runner: BatchRunner) -> Job:
    """Return the job. One run goes on as long as there is work."""
    return Job("batches", _IDLE_S, partial(_work, runner))


async def _work(runner: BatchRunner, epoch: int) -> None:
    if not await runner.run(epoch):
        raise LeadershipLostError("another has taken the lead")
