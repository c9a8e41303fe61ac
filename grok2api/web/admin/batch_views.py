"""A batch as administrative routes show it."""

from collections.abc import Sequence
from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from grok2api.domain.batch import Batch, BatchFailure, BatchParams, BatchState
from grok2api.domain.ids import AccountId


class BatchView(Struct, frozen=True, kw_only=True):
    """A batch. Times are ms since epoch, null when not yet."""

    task_id: str
    kind: str
    status: BatchState
    total: int
    processed: int
    ok: int
    fail: int
    skipped: int
    params: BatchParams
    created_by: str
    created_at: int
    started_at: int | None
    ended_at: int | None


class FailureView(Struct, frozen=True):
    """An account that failed, and why in words that may be shown."""

    id: AccountId
    error: str


class SummaryView(Struct, frozen=True):
    """How many there are, went well and failed; the rest was not done."""

    total: int
    ok: int
    fail: int


class ResultView(Struct, frozen=True):
    """What a batch came to: `success` when it went to its end, else its state.

    `failures` are the first of them.
    """

    status: Literal["success"] | BatchState
    task_id: str
    summary: SummaryView
    failures: list[FailureView]


class BatchEvent(Struct, frozen=True, kw_only=True):
    """What a stream tells of a batch; which members there are depends on `type`."""

    type: Literal["snapshot", "progress", "done", "error", "cancelled"]
    task_id: str
    total: int
    processed: int
    ok: int
    fail: int
    skipped: int
    status: BatchState | UnsetType = UNSET
    warning: str | UnsetType | None = UNSET
    item: AccountId | UnsetType = UNSET
    error: str | UnsetType = UNSET
    result: ResultView | UnsetType = UNSET


def show_batch(batch: Batch) -> BatchView:
    """Return what is shown of a batch."""
    return BatchView(
        task_id=batch.id,
        kind=batch.kind.value,
        status=batch.state,
        total=batch.total,
        processed=batch.processed,
        ok=batch.ok,
        fail=batch.fail,
        skipped=batch.skipped,
        params=batch.params,
        created_by=batch.created_by,
        created_at=round(batch.created_at_s * 1000),
        started_at=round(batch.started_at_s * 1000) or None,
        ended_at=round(batch.ended_at_s * 1000) or None,
    )


def show_failures(failures: Sequence[BatchFailure]) -> list[FailureView]:
    """Return what is shown of failures."""
    return [FailureView(failure.account_id, failure.reason) for failure in failures]


def show_result(batch: Batch, failures: Sequence[BatchFailure]) -> ResultView:
    """Return what a batch came to, or how it stands."""
    return ResultView(
        status="success" if batch.state is BatchState.DONE else batch.state,
        task_id=batch.id,
        summary=SummaryView(batch.total, batch.ok, batch.fail),
        failures=show_failures(failures),
    )
