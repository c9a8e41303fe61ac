"""Bringing accounts in: what a source has, in batches, and what became of each of them."""

import asyncio
import hashlib
from collections.abc import Callable, Sequence

from msgspec import Struct, field

from grok2api.clock import Clock
from grok2api.domain.account import Credentials, Pool, ProviderKind, Status, Tier
from grok2api.domain.ids import AccountId
from grok2api.errors import StoreUnavailableError
from grok2api.providers.base import ImportEntry, ImportFinding, ImportSkip
from grok2api.store.accounts import AccountStore, NewAccount, Saved

BATCH = 500
CONCURRENCY = 32
MASKED_FROM_LENGTH = 24
"""Shorter sessions show nothing of themselves."""


_ENDING = frozenset({Status.COOLING, Status.EXHAUSTED})


class RefusedLine(Struct, frozen=True):
    """An entry that could not be taken. `line` counts from 1; `why` quotes nothing of it."""

    line: int
    why: str


class TierCount(Struct):
    """How many accounts of one tier there were."""

    added: int = 0
    known: int = 0


class ImportReport(Struct):
    """What an import did, or would do: `is_dry_run`.

    `skipped` are those that their source had deleted; `tiers` counts the others by the tier they
    come with.
    """

    added: list[AccountId] = field(default_factory=list)
    known: list[AccountId] = field(default_factory=list)
    refused: list[RefusedLine] = field(default_factory=list)
    skipped: int = 0
    tiers: dict[Tier, TierCount] = field(default_factory=dict)
    is_dry_run: bool = False


def account_id_of(kind: ProviderKind, credentials: Credentials) -> AccountId:
    """Return the id of the account with these credentials: the same wherever it is imported."""
    digest = hashlib.sha256(f"{kind}\0{credentials.session}".encode()).hexdigest()
    return AccountId(f"acc_{digest[:20]}")


def mask_session(session: str) -> str:
    """Return a hint by which an owner recognises a session: at most 8 of its characters."""
    return f"{session[:4]}…{session[-4:]}" if len(session) >= MASKED_FROM_LENGTH else "…"


class _Candidate(Struct, frozen=True):
    """An entry under the id that its account will have."""

    id: AccountId
    pool: Pool
    entry: ImportEntry


class Importer:
    """One import: takes batches and keeps the report."""

    __slots__ = ("_clock", "_kind", "_lines", "_store", "_tier", "report")

    def __init__(
        self,
        store: AccountStore,
        clock: Clock,
        kind: ProviderKind,
        *,
        tier: Tier | None,
        is_dry_run: bool,
    ) -> None:
        self._store = store
        self._clock = clock
        self._kind = kind
        self._tier = tier
        self._lines: dict[AccountId, int] = {}
        self.report = ImportReport(is_dry_run=is_dry_run)

    async def take(
        self, findings: Sequence[ImportFinding], on_done: Callable[[int], None] | None = None
    ) -> None:
        """Import some findings. Known accounts stay as they are. `on_done` gets how many are done.

        Raises:
            StoreUnavailableError: what was saved before stays saved; importing again is safe.
        """
        for start in range(0, len(findings), BATCH):
            batch = findings[start : start + BATCH]
            candidates = [found for item in batch if (found := self._sort(item)) is not None]
            known = await self._store.find_known([found.id for found in candidates])
            is_new = {found.id: found.id not in known for found in candidates}
            if not self.report.is_dry_run:
                fresh = [found for found in candidates if is_new[found.id]]
                is_new.update(await self._save_all(fresh))
            for found in candidates:
                self._count(found, is_new=is_new[found.id])
            if on_done is not None:
                on_done(start + len(batch))

    def _sort(self, item: ImportFinding) -> _Candidate | None:
        """Note what cannot be taken; return what can."""
        if isinstance(item, ImportSkip):
            self.report.skipped += 1
            return None
        if not isinstance(item, ImportEntry):
            self.report.refused.append(RefusedLine(item.line, item.why))
            return None
        account_id = account_id_of(self._kind, item.credentials)
        first = self._lines.setdefault(account_id, item.line)
        if first != item.line:
            self.report.refused.append(RefusedLine(item.line, f"It is the same as number {first}."))
            return None
        pool = Pool(self._kind, self._tier or item.tier or Tier.BASIC)
        return _Candidate(account_id, pool, item)

    async def _save_all(self, fresh: Sequence[_Candidate]) -> dict[AccountId, bool]:
        """Save some accounts, a few at once; return which of them were new indeed."""
        waiting, is_new = iter(fresh), dict[AccountId, bool]()

        async def work() -> None:
            for found in waiting:
                is_new[found.id] = await self._save(found)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(CONCURRENCY, len(fresh))):
                    group.create_task(work())
        except* StoreUnavailableError as failures:
            first = failures.exceptions[0]
            raise first from None
        return is_new

    async def _save(self, found: _Candidate) -> bool:
        entry, now_s = found.entry, self._clock.now_s()
        is_over = entry.status in _ENDING and entry.until_s <= now_s
        saved = await self._store.save(
            NewAccount(
                id=found.id,
                pool=found.pool,
                credentials=entry.credentials,
                mask=mask_session(entry.credentials.session),
                tags=entry.tags,
                created_at_s=now_s if entry.created_at_s is None else entry.created_at_s,
                status=Status.ACTIVE if is_over else entry.status,
                cooldown_s=max(0.0, entry.until_s - now_s),
                reason=entry.reason,
                max_concurrency=entry.max_concurrency,
                windows=entry.windows,
            )
        )
        return isinstance(saved, Saved)

    def _count(self, found: _Candidate, *, is_new: bool) -> None:
        count = self.report.tiers.setdefault(found.pool.tier, TierCount())
        if is_new:
            self.report.added.append(found.id)
            count.added += 1
        else:
            self.report.known.append(found.id)
            count.known += 1
