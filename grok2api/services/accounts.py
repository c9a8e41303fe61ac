"""Accounts as the operator handles them: import, list, remove."""

import hashlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping

from msgspec import Struct, field

from grok2api.clock import Clock
from grok2api.domain.account import Account, Credentials, Pool, ProviderKind, Tier
from grok2api.domain.ids import AccountId
from grok2api.providers.base import ImportEntry, Provider
from grok2api.store.accounts import AccountStore, NewAccount, Saved


class RefusedLine(Struct, frozen=True):
    """An entry that could not be taken. `line` counts from 1; `why` quotes nothing of it."""

    line: int
    why: str


class ImportReport(Struct):
    """What an import did."""

    added: list[AccountId] = field(default_factory=list)
    known: list[AccountId] = field(default_factory=list)
    refused: list[RefusedLine] = field(default_factory=list)


def account_id_of(kind: ProviderKind, credentials: Credentials) -> AccountId:
    """Return the id of the account with these credentials: the same wherever it is imported."""
    digest = hashlib.sha256(f"{kind}\0{credentials.session}".encode()).hexdigest()
    return AccountId(f"acc_{digest[:20]}")


MASKED_FROM_LENGTH = 24
"""Shorter sessions show nothing of themselves."""


def mask_session(session: str) -> str:
    """Return a hint by which an owner recognises a session: at most 8 of its characters."""
    return f"{session[:4]}…{session[-4:]}" if len(session) >= MASKED_FROM_LENGTH else "…"


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
        kind: ProviderKind = ProviderKind.GROK_WEB,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> ImportReport:
        """Import every credential in `text`: one a line, or JSON.

        `tier` wins over what an entry says of itself; without either it is basic. Known accounts
        stay as they are, and nothing is ever removed. `on_progress` gets (done, total).

        Raises:
            StoreUnavailableError: what was saved before stays saved; importing again is safe.
        """
        report = ImportReport()
        entries = self._providers[kind].credentials.parse_import(text)
        for done, entry in enumerate(entries, 1):
            if isinstance(entry, ImportEntry):
                await self._save(entry, Pool(kind, tier or entry.tier or Tier.BASIC), report)
            else:
                report.refused.append(RefusedLine(entry.line, entry.why))
            if on_progress is not None:
                on_progress(done, len(entries))
        return report

    async def _save(self, entry: ImportEntry, pool: Pool, report: ImportReport) -> None:
        account_id = account_id_of(pool.kind, entry.credentials)
        saved = await self._store.save(
            NewAccount(
                id=account_id,
                pool=pool,
                credentials=entry.credentials,
                mask=mask_session(entry.credentials.session),
                tags=entry.tags,
                created_at_s=self._clock.now_s(),
            )
        )
        (report.added if isinstance(saved, Saved) else report.known).append(account_id)

    async def list(self) -> AsyncIterator[Account]:
        """Yield all accounts, page by page."""
        cursor = ""
        while True:
            page = await self._store.list(cursor=cursor)
            for account in page.accounts:
                yield account
            cursor = page.next_cursor
            if not cursor:
                return

    async def remove(self, ids: Iterable[AccountId]) -> int:
        """Remove accounts with everything that is kept of them; return how many there were."""
        return sum([await self._store.remove(account_id) for account_id in ids])
