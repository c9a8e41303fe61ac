"""Accounts as the operator handles them: import, export, list, remove."""

import asyncio
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import aclosing

from grok2api.clock import Clock
from grok2api.domain.account import ProviderKind, Status, Tier
from grok2api.domain.ids import AccountId
from grok2api.domain.pool_member import Account
from grok2api.providers.base import Provider
from grok2api.services.exports import export_accounts, iterate_export
from grok2api.services.imports import Importer, ImportReport
from grok2api.store.accounts import AccountStore

Record = Mapping[str, object]


class Accounts:
    """The operator's accounts."""

    __slots__ = ("_clock", "_providers", "_store")

    def __init__(
        self, store: AccountStore, providers: Mapping[ProviderKind, Provider], clock: Clock
    ) -> None:
        self._store = store
        self._providers = providers
        self._clock = clock

    async def import_text(
        self,
        text: str,
        *,
        tier: Tier | None = None,
        is_dry_run: bool = False,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> ImportReport:
        """Import every credential in `text`: one a line, or JSON.

        `tier` wins over what an entry says of itself; without either it is basic. Known accounts
        stay as they are, and nothing is ever removed. `on_progress` gets (done, total). A dry run
        only says what would be done.

        Raises:
            StoreUnavailableError: what was saved before stays saved; importing again is safe.
        """
        kind = ProviderKind.GROK_WEB
        importer = Importer(self._store, self._clock, kind, tier=tier, is_dry_run=is_dry_run)
        # A file of many MB takes its time; others are served meanwhile.
        findings = await asyncio.to_thread(self._providers[kind].credentials.parse_import, text)

        def report_progress(done: int) -> None:
            if on_progress is not None:
                on_progress(done, len(findings))

        await importer.take(findings, report_progress)
        return importer.report

    async def import_records(
        self,
        batches: AsyncIterable[Sequence[Record]],
        *,
        tier: Tier | None = None,
        is_dry_run: bool = False,
        on_progress: Callable[[int, None], None] | None = None,
    ) -> ImportReport:
        """Import the records of another gateway's store, as `import_text` does.

        Nobody knows how many there are: `on_progress` gets (done, None).
        """
        kind = ProviderKind.GROK_WEB
        importer = Importer(self._store, self._clock, kind, tier=tier, is_dry_run=is_dry_run)
        parse = self._providers[kind].credentials.parse_record
        done = 0
        async for records in batches:
            await importer.take([parse(n, record) for n, record in enumerate(records, done + 1)])
            done += len(records)
            if on_progress is not None:
                on_progress(done, None)
        return importer.report

    async def export(
        self,
        write: Callable[[bytes], object],
        *,
        with_secrets: bool,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> int:
        """Write all accounts as JSON, page by page, sessions only `with_secrets`; say how many."""
        return await export_accounts(
            self._store, write, with_secrets=with_secrets, on_progress=on_progress
        )

    async def iterate_export(self, *, with_secrets: bool) -> AsyncGenerator[bytes, None]:
        """Yield what `export` writes, for a reader that may be slow; it is whole at its end only.

        Raises:
            SettingsError: no configured secret key opens the credentials of an account.
            StoreUnavailableError: Redis did not answer.
        """
        async with aclosing(iterate_export(self._store, with_secrets=with_secrets)) as parts:
            async for part in parts:
                yield part.data

    async def list(
        self, *, status: Status | None = None, tier: Tier | None = None, tag: str | None = None
    ) -> AsyncIterator[Account]:
        """Yield all accounts, or those of a status, a tier, with a tag; page by page."""
        cursor = ""
        while True:
            page = await self._store.list(cursor=cursor)
            for account in page.accounts:
                is_wanted = (
                    status in {None, account.status}
                    and tier in {None, account.pool.tier}
                    and (tag is None or tag in account.tags)
                )
                if is_wanted:
                    yield account
            cursor = page.next_cursor
            if not cursor:
                return

    async def remove(self, ids: Iterable[AccountId]) -> int:
        """Remove accounts with everything that is kept of them; return how many there were."""
        return sum([await self._store.remove(account_id) for account_id in ids])
