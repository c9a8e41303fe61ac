"""What batches do to an account, as handlers for the runner. All of them are idempotent."""

from collections.abc import Mapping

from grok2api.domain.batch import BatchKind
from grok2api.errors import InternalError, NotFoundError, UpstreamUnavailableError
from grok2api.services.account_actions import AccountActions
from grok2api.services.asset_batches import AssetBatches
from grok2api.services.batch_exports import BatchExports
from grok2api.services.batch_runner import BatchItem, Handler
from grok2api.services.sensitive_content import SensitiveContent


def build_account_handlers(
    actions: AccountActions,
    sensitive: SensitiveContent,
    exports: BatchExports,
    assets: AssetBatches,
) -> Mapping[BatchKind, Handler]:
    """Return the handler of every kind."""
    handlers = _AccountHandlers(actions, sensitive)
    return {
        BatchKind.REFRESH: handlers.refresh,
        BatchKind.EXPORT: exports.keep,
        BatchKind.DELETE: handlers.delete,
        BatchKind.DISABLE: handlers.disable,
        BatchKind.RESTORE: handlers.restore,
        BatchKind.TAG: handlers.tag,
        BatchKind.UNTAG: handlers.untag,
        BatchKind.MOVE: handlers.move,
        BatchKind.CONCURRENCY: handlers.limit,
        BatchKind.SENSITIVE_ON: handlers.allow_sensitive,
        BatchKind.SENSITIVE_OFF: handlers.forbid_sensitive,
        BatchKind.ASSETS: assets.count,
        BatchKind.CLEAR_ASSETS: assets.clear,
    }


class _AccountHandlers:
    def __init__(self, actions: AccountActions, sensitive: SensitiveContent) -> None:
        self._actions = actions
        self._sensitive = sensitive

    async def refresh(self, item: BatchItem) -> None:
        found = await self._actions.refresh(item.account_id)
        _check(is_there=found is not None)
        if found is not None and found.failure:
            raise UpstreamUnavailableError(f"No quota numbers came ({found.failure}).")

    async def delete(self, item: BatchItem) -> None:
        _check(is_there=await self._actions.delete(item.account_id))

    async def disable(self, item: BatchItem) -> None:
        _check(is_there=await self._actions.disable(item.account_id))

    async def restore(self, item: BatchItem) -> None:
        _check(is_there=await self._actions.restore(item.account_id))

    async def tag(self, item: BatchItem) -> None:
        _check(is_there=await self._actions.tag(item.account_id, item.params.tags))

    async def untag(self, item: BatchItem) -> None:
        _check(is_there=await self._actions.untag(item.account_id, item.params.tags))

    async def move(self, item: BatchItem) -> None:
        if item.params.tier is None:
            raise InternalError("The batch names no tier.")
        _check(is_there=await self._actions.move(item.account_id, item.params.tier))

    async def limit(self, item: BatchItem) -> None:
        if item.params.max_concurrency is None:
            raise InternalError("The batch names no limit.")
        _check(is_there=await self._actions.limit(item.account_id, item.params.max_concurrency))

    async def allow_sensitive(self, item: BatchItem) -> None:
        _check(is_there=await self._sensitive.set(item.account_id, is_on=True))

    async def forbid_sensitive(self, item: BatchItem) -> None:
        _check(is_there=await self._sensitive.set(item.account_id, is_on=False))


def _check(*, is_there: bool) -> None:
    if not is_there:
        raise NotFoundError("There is no such account.")
