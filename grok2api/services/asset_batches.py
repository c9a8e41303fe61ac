"""What accounts keep at the upstream, as batches: counted and deleted for many accounts."""

import msgspec
from msgspec import Struct

from grok2api.domain.ids import AccountId
from grok2api.errors import InternalError, UpstreamUnavailableError
from grok2api.services.assets import Assets
from grok2api.services.batch_runner import BatchItem
from grok2api.store.batch_results import BatchResults

_ENCODER = msgspec.json.Encoder()


class CountedAssets(Struct, frozen=True):
    """A line of the result. `complete` is False where there is more than was looked at."""

    id: AccountId
    mask: str
    count: int
    size_bytes: int
    complete: bool


class AssetBatches:
    """Handlers of the two kinds."""

    __slots__ = ("_assets", "_results")

    def __init__(self, assets: Assets, results: BatchResults) -> None:
        self._assets = assets
        self._results = results

    async def count(self, item: BatchItem) -> None:
        """Keep how many files an account has, and how large they are.

        Raises:
            GatewayError: as `Assets`.
        """
        found = await self._assets.count(item.account_id)
        line = _ENCODER.encode(
            CountedAssets(
                item.account_id, found.account.mask, found.count, found.size_bytes, found.is_whole
            )
        )
        if not await self._results.keep(item.batch_id, item.account_id, line, epoch=item.epoch):
            # Then this failure counts for nothing either.
            raise InternalError("Another process works on it now.")

    async def clear(self, item: BatchItem) -> None:
        """Delete an account's files.

        Raises:
            GatewayError: as `Assets`, or some are left.
        """
        cleared = await self._assets.clear(item.account_id)
        if cleared.failed:
            raise UpstreamUnavailableError(
                f"{cleared.deleted} files were deleted, {cleared.failed} were not "
                f"({cleared.failure})."
            )
        if not cleared.is_whole:
            raise UpstreamUnavailableError(
                f"{cleared.deleted} files were deleted, and there are more; do it once more."
            )
