"""What batches do to an account, as handlers for the runner. All of them are idempotent."""

from collections.abc import Mapping

from grok2api.domain.account import Status
from grok2api.domain.batch import BatchKind, BatchParams
from grok2api.domain.ids import AccountId
from grok2api.errors import NotFoundError
from grok2api.services.batch_runner import Handler
from grok2api.store.accounts import AccountStore

_BY_HAND = "operator"


def build_account_handlers(store: AccountStore) -> Mapping[BatchKind, Handler]:
    """Return the handlers of those kinds that change nothing but our own store."""
    handlers = _AccountHandlers(store)
    return {
        BatchKind.DELETE: handlers.delete,
        BatchKind.DISABLE: handlers.disable,
        BatchKind.RESTORE: handlers.restore,
    }


class _AccountHandlers:
    def __init__(self, store: AccountStore) -> None:
        self._store = store

    async def delete(self, account_id: AccountId, params: BatchParams) -> None:
        await self._store.remove(account_id)  # one that is gone is as it should be

    async def disable(self, account_id: AccountId, params: BatchParams) -> None:
        if not await self._store.set_status(account_id, Status.DISABLED, reason=_BY_HAND):
            raise NotFoundError("There is no such account.")

    async def restore(self, account_id: AccountId, params: BatchParams) -> None:
        if not await self._store.set_status(account_id, Status.ACTIVE):
            raise NotFoundError("There is no such account.")
