"""What batches leave: each account's line is kept, sealed, and the operator fetches all of them.

An export's has the form of any other export, so an import reads it.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from grok2api.domain.account import Status
from grok2api.domain.batch import WITH_RESULT, Batch, BatchKind
from grok2api.errors import ConflictError, InternalError, NotFoundError
from grok2api.services.batch_runner import BatchItem
from grok2api.services.batches import Batches
from grok2api.services.exports import describe_account, frame_export
from grok2api.store.accounts import AccountStore
from grok2api.store.batch_results import FIRST, BatchResults


class BatchExports:
    """The results of batches of the kinds that leave one, and how an export makes its lines."""

    __slots__ = ("_accounts", "_batches", "_results")

    def __init__(self, batches: Batches, results: BatchResults, accounts: AccountStore) -> None:
        self._batches = batches
        self._results = results
        self._accounts = accounts

    async def keep(self, item: BatchItem) -> None:
        """Keep how an account stands now, with its session if the batch says so.

        Raises:
            NotFoundError: there is no such account, or it is deleted.
            SettingsError: no configured secret key opens its credentials.
            StoreUnavailableError: Redis did not answer.
        """
        account_id = item.account_id
        account = (await self._accounts.find([account_id])).get(account_id)
        secret = None
        if item.params.with_secrets:
            secret = (await self._accounts.reveal([account_id])).get(account_id)
        if account is None or (item.params.with_secrets and secret is None):
            raise NotFoundError("There is no such account.")
        if account.status is Status.DELETED:
            raise NotFoundError("The account is deleted.")
        line = describe_account(account, secret)
        if not await self._results.keep(item.batch_id, account_id, line, epoch=item.epoch):
            # Then this failure counts for nothing either.
            raise InternalError("Another process works on it now.")

    async def find(self, batch_id: str) -> Batch:
        """Return a batch whose result can be fetched.

        Raises:
            NotFoundError: there is none of this id, or it has no result.
            ConflictError: it has not ended.
        """
        batch = await self._batches.get(batch_id)
        if batch.kind not in WITH_RESULT:
            raise NotFoundError(
                f"A batch of kind {batch.kind} has no result; "
                f"one of kind {' or '.join(sorted(WITH_RESULT))} has.",
                code="no_result",
            )
        if not batch.is_over:
            raise ConflictError(
                "The batch has not ended; its result is there when it has.",
                code="batch_not_ended",
            )
        return batch

    async def iterate(self, batch: Batch) -> AsyncGenerator[bytes, None]:
        """Yield what a batch kept, page by page: an export, or one JSON object a line.

        An export is whole at its end only.

        Raises:
            SettingsError: no configured secret key opens what was kept.
            NotFoundError: the batch was forgotten meanwhile.
            StoreUnavailableError: Redis did not answer.
        """
        if batch.kind is BatchKind.EXPORT:
            async with aclosing(frame_export(self._read_pages(batch))) as parts:
                async for part in parts:
                    yield part.data
            return
        async with aclosing(self._read_pages(batch)) as pages:
            async for page in pages:
                yield b"".join(line + b"\n" for line in page)

    async def _read_pages(self, batch: Batch) -> AsyncGenerator[list[bytes], None]:
        seen, cursor = set[str](), FIRST
        while cursor:
            page = await self._results.page(batch.id, cursor)
            yield [line for name, line in page.results.items() if name not in seen]
            seen.update(page.results)
            cursor = page.next_cursor
        if len(seen) < batch.ok:
            raise NotFoundError("The result is no longer kept.", code="task_not_found")
