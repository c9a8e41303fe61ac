"""Batches: one operation over many accounts."""

from enum import StrEnum
from typing import Final

from msgspec import Struct

from grok2api.domain.account import Tier
from grok2api.domain.ids import AccountId, BatchId


class BatchKind(StrEnum):
    """What is done to each account."""

    REFRESH = "refresh"
    EXPORT = "export"
    DELETE = "delete"
    DISABLE = "disable"
    RESTORE = "restore"
    TAG = "tag"
    UNTAG = "untag"
    MOVE = "move"
    CONCURRENCY = "concurrency"
    SENSITIVE_ON = "sensitive_on"
    SENSITIVE_OFF = "sensitive_off"
    ASSETS = "assets"
    """Count what it keeps at the upstream."""
    CLEAR_ASSETS = "clear_assets"


WITH_RESULT: Final = frozenset({BatchKind.EXPORT, BatchKind.ASSETS})
"""Kinds that leave a line for each account."""


class BatchState(StrEnum):
    """Where a batch stands. Open: its accounts are being listed, nothing is done yet."""

    OPEN = "open"
    RUNNING = "running"
    CANCELLING = "cancelling"
    DONE = "done"
    CANCELLED = "cancelled"


class BatchParams(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """How it is done: `tags` of tag and untag, `tier` of move, the limit of concurrency.

    `with_secrets` of export: the sessions too.
    """

    tags: tuple[str, ...] = ()
    tier: Tier | None = None
    max_concurrency: int | None = None
    with_secrets: bool = False


class Batch(Struct, frozen=True, kw_only=True):
    """A batch as pages and lists show it. Times: seconds since epoch, 0 when not yet.

    Each account counts once: `total` = `ok` + `fail` + `skipped` + those still to come.
    `more_failures` are in `fail` but not in the list of failures.
    """

    id: BatchId
    kind: BatchKind
    params: BatchParams
    created_by: str
    state: BatchState
    total: int
    ok: int
    fail: int
    skipped: int
    more_failures: int
    created_at_s: float
    started_at_s: float
    ended_at_s: float

    @property
    def processed(self) -> int:
        """How many accounts nothing more will be done to."""
        return self.ok + self.fail + self.skipped

    @property
    def is_over(self) -> bool:
        return self.state in (BatchState.DONE, BatchState.CANCELLED)


class BatchFailure(Struct, frozen=True):
    """An account that the operation failed on, and why in words that may be shown."""

    account_id: AccountId
    reason: str
