"""Works on batches: takes their items in turn, does them side by side, reports in groups.

A crash loses nothing: an item that was taken and not reported is taken again by whoever leads
next. It may therefore be done twice, so handlers are idempotent.
"""

import asyncio
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import structlog
from msgspec import Struct

from grok2api.domain.batch import BatchKind, BatchParams
from grok2api.domain.ids import AccountId, BatchId
from grok2api.errors import GatewayError
from grok2api.services.cleanup import end_if_cancelled
from grok2api.store.batch_replies import Over, StaleEpoch
from grok2api.store.batches import MAX_AT_ONCE, BatchStore, Claimed

log = structlog.get_logger(__name__)


class BatchItem(Struct, frozen=True):
    """An account that a batch does something to, on behalf of the leader of `epoch`."""

    batch_id: BatchId
    account_id: AccountId
    params: BatchParams
    epoch: int


Handler = Callable[[BatchItem], Awaitable[None]]
"""Does one item. A GatewayError is why it failed; it may be called again after a crash."""

_ITEM_LIMIT_S: Final = 120.0
_CLAIM_S: Final = 240.0  # longer than an item may take and its report may wait
_LOOK_AGAIN_S: Final = 1.0
_REFILL: Final = 4

_Item = tuple[BatchId, AccountId]


class BatchRunner:
    """Does the items of running batches, `concurrency` at a time, the same share for each batch."""

    __slots__ = ("_concurrency", "_handlers", "_store")

    def __init__(
        self, store: BatchStore, handlers: Mapping[BatchKind, Handler], *, concurrency: int
    ) -> None:
        self._store = store
        self._handlers = handlers
        self._concurrency = min(concurrency, MAX_AT_ONCE)

    async def run(self, epoch: int) -> bool:
        """Work until nothing is left to do; False once another process has the lead.

        When it is cancelled, or the store fails, what is under way is cancelled and left to the
        next run.

        Raises:
            StoreUnavailableError: Redis did not answer.
        """
        failure: GatewayError | None = None
        is_leader = True
        async with asyncio.TaskGroup() as group:
            shift = _Shift(self._store, self._handlers, self._concurrency, epoch, group)
            try:
                is_leader = await shift.work()
            except GatewayError as error:  # raised in here it would come out as a group
                failure = error
            finally:
                shift.stop()
        end_if_cancelled()
        if failure is not None:
            raise failure
        return is_leader


class _Shift:
    """One run: a claimer of its own, and the items that it has under way."""

    def __init__(
        self,
        store: BatchStore,
        handlers: Mapping[BatchKind, Handler],
        concurrency: int,
        epoch: int,
        group: asyncio.TaskGroup,
    ) -> None:
        self._store = store
        self._handlers = handlers
        self._concurrency = concurrency
        self._epoch = epoch
        self._group = group
        self._claimer = f"{epoch}-{secrets.token_hex(4)}"
        self._tasks: dict[asyncio.Task[str], _Item] = {}

    async def work(self) -> bool:
        while True:
            if not await self._take_more():
                return False
            if not self._tasks:
                return True
            done, _ = await asyncio.wait(
                self._tasks, timeout=_LOOK_AGAIN_S, return_when=asyncio.FIRST_COMPLETED
            )
            end_if_cancelled()
            if not await self._report(done):
                return False

    def stop(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _take_more(self) -> bool:
        """Fill every batch's share; False if another leads."""
        batch_ids = await self._store.working()
        under_way = Counter(batch_id for batch_id, _ in self._tasks.values())
        share = max(1, self._concurrency // max(1, len(batch_ids)))
        for batch_id in batch_ids:
            room = min(share - under_way[batch_id], self._concurrency - len(self._tasks))
            if room < 1 or (under_way[batch_id] and room < share // _REFILL):
                continue
            claimed = await self._store.take(
                batch_id, self._claimer, limit=room, ttl_s=_CLAIM_S, epoch=self._epoch
            )
            if isinstance(claimed, StaleEpoch):
                return False
            if not isinstance(claimed, Over):
                self._begin(batch_id, claimed)
        return True

    def _begin(self, batch_id: BatchId, claimed: Claimed) -> None:
        handler = self._handlers.get(claimed.kind)
        for account_id in claimed.items:
            item = BatchItem(batch_id, account_id, claimed.params, self._epoch)
            task = self._group.create_task(_do(handler, item))
            self._tasks[task] = (batch_id, account_id)

    async def _report(self, done: set[asyncio.Task[str]]) -> bool:
        """Tell the store what became of items; False if another leads."""
        results: dict[BatchId, dict[AccountId, str]] = {}
        for task in done:
            batch_id, account_id = self._tasks.pop(task)
            results.setdefault(batch_id, {})[account_id] = (
                "internal: it was cancelled" if task.cancelled() else task.result()
            )
        for batch_id, of_batch in results.items():
            reply = await self._store.finish(batch_id, of_batch, epoch=self._epoch)
            if isinstance(reply, StaleEpoch):
                return False
        return True


async def _do(handler: Handler | None, item: BatchItem) -> str:
    """Do one item; return why it failed, in words that may be shown, or ""."""
    if handler is None:
        return "internal: this version of the gateway cannot do it"
    try:
        async with asyncio.timeout(_ITEM_LIMIT_S):
            await handler(item)
    except GatewayError as error:
        return " ".join(f"{error.kind.value}: {error.message}".split())
    except TimeoutError:
        return "timeout: it took too long"
    except Exception:
        log.exception("batch_item_failed", account=item.account_id)
        return "internal: internal error"
    end_if_cancelled()
    return ""
