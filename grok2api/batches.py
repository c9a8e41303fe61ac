"""`batches list`, `batches show` and `batches cancel`."""

import asyncio
from argparse import Namespace
from datetime import UTC, datetime
from typing import Final

from grok2api.administration import administer
from grok2api.bootstrap import AdminTools
from grok2api.console import remark, say, say_json, say_table, show_progress
from grok2api.domain.batch import Batch, BatchFailure

_LOOK_AGAIN_S: Final = 0.5
_MAX_FAILURES_SHOWN: Final = 50
_MAX_KEPT: Final = 100


def batches_list(arguments: Namespace) -> int:
    """List batches, the newest first."""
    page = administer(arguments, lambda admin: admin.operator.batches.list(limit=_MAX_KEPT))
    if arguments.json:
        say_json(page.batches)
        return 0
    heads = ("id", "kind", "state", "done", "of", "failed", "created (UTC)", "by")
    say_table(heads, [_row(batch) for batch in page.batches])
    return 0


def batches_show(arguments: Namespace) -> int:
    """Show how a batch stands, and what failed."""

    async def look(admin: AdminTools) -> tuple[Batch, list[BatchFailure]]:
        batch = await admin.operator.batches.get(arguments.id)
        while arguments.follow and not batch.is_over:
            show_progress(batch.processed, batch.total)
            await asyncio.sleep(_LOOK_AGAIN_S)
            batch = await admin.operator.batches.get(arguments.id)
        if arguments.follow:
            show_progress(batch.processed, batch.total)
        page = await admin.operator.batches.failures(arguments.id, limit=1000)
        return batch, page.failures

    batch, failures = administer(arguments, look)
    if arguments.json:
        say_json({"batch": batch, "failures": failures})
        return 0
    _say_batch(batch)
    for failure in failures[:_MAX_FAILURES_SHOWN]:
        say(f"{failure.account_id}: {failure.reason}")
    if batch.fail > _MAX_FAILURES_SHOWN:
        remark(f"… and {batch.fail - _MAX_FAILURES_SHOWN} more; --json lists {len(failures)}")
    return 0


def batches_cancel(arguments: Namespace) -> int:
    """Cancel a batch; what is being done to an account just now is still done."""
    batch = administer(arguments, lambda admin: admin.operator.batches.cancel(arguments.id))
    if arguments.json:
        say_json(batch)
    else:
        _say_batch(batch)
    return 0


def _say_batch(batch: Batch) -> None:
    skipped = f", {batch.skipped} skipped" if batch.skipped else ""
    counts = f"{batch.ok} done, {batch.fail} failed{skipped}, of {batch.total}"
    say(f"{batch.kind} {batch.state}: {counts}")


def _row(batch: Batch) -> tuple[object, ...]:
    created = datetime.fromtimestamp(batch.created_at_s, UTC).strftime("%Y-%m-%d %H:%M")
    return (
        batch.id,
        batch.kind,
        batch.state,
        batch.processed,
        batch.total,
        batch.fail,
        created,
        batch.created_by,
    )
