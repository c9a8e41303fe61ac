"""What the operator does to accounts: each is one script, and the next request obeys anywhere."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from grok2api.config.schema import AccountSettings
from grok2api.domain.account import Pool, Status, Tier
from grok2api.domain.ids import AccountId
from grok2api.errors import InvalidRequestError, StoreUnavailableError
from grok2api.services.quota import QuotaService, Refreshed
from grok2api.store.account_edits import GENERAL_LIMIT, AccountEdits, Edit
from grok2api.store.accounts import MAX_CONCURRENCY, AccountStore

BY_OPERATOR: Final = "operator"
"""The reason of a status that the operator gave."""
MAX_TAG_CHARS: Final = 64
MAX_TAGS: Final = 32


class AccountActions:
    """Actions on one account by its id; False: there is none, or it is deleted."""

    __slots__ = ("_edits", "_quota", "_settings", "_store")

    def __init__(
        self,
        store: AccountStore,
        edits: AccountEdits,
        quota: QuotaService,
        settings: AccountSettings,
    ) -> None:
        self._store = store
        self._edits = edits
        self._quota = quota
        self._settings = settings

    async def disable(self, account_id: AccountId) -> bool:
        """Take an account out of use until it is restored. Its open requests go on."""
        return await self._store.set_status(account_id, Status.DISABLED, reason=BY_OPERATOR)

    async def restore(self, account_id: AccountId) -> bool:
        """Bring an account back, also a deleted one; what was held against it is forgotten."""
        return await self._store.set_status(account_id, Status.ACTIVE)

    async def delete(self, account_id: AccountId) -> bool:
        """Delete an account; it can be restored for `account.deleted_keep_s`, then it is gone."""
        keep_s = self._settings.deleted_keep_s
        if keep_s == 0:
            return await self._store.remove(account_id)
        return await self._store.set_status(
            account_id, Status.DELETED, for_s=keep_s, reason=BY_OPERATOR
        )

    async def tag(self, account_id: AccountId, tags: Sequence[str]) -> bool:
        """Add tags.

        Raises:
            InvalidRequestError: one is no tag.
        """
        return await self._edits.edit(account_id, Edit(add_tags=clean_tags(tags)))

    async def untag(self, account_id: AccountId, tags: Sequence[str]) -> bool:
        """Take tags away; those it does not have are no matter."""
        return await self._edits.edit(account_id, Edit(remove_tags=clean_tags(tags)))

    async def set_tags(self, account_id: AccountId, tags: Sequence[str]) -> bool:
        """Give an account these tags and no others."""
        return await self._edits.edit(account_id, Edit(tags=clean_tags(tags)))

    async def move(self, account_id: AccountId, tier: Tier) -> bool:
        """Move an account to the pool of a tier; a higher one that is proven moves it again."""
        account = (await self._store.find([account_id])).get(account_id)
        if account is None:
            return False
        return await self._edits.edit(account_id, Edit(pool=Pool(account.pool.kind, tier)))

    async def limit(self, account_id: AccountId, max_concurrency: int) -> bool:
        """Limit an account's concurrent requests; `GENERAL_LIMIT`: as all others.

        Raises:
            InvalidRequestError: the number is out of bounds.
        """
        if not GENERAL_LIMIT <= max_concurrency <= MAX_CONCURRENCY:
            raise InvalidRequestError(
                f"An account serves 1 to {MAX_CONCURRENCY} requests at the same time; "
                f"{GENERAL_LIMIT} is the general limit.",
                param="max_concurrency",
            )
        return await self._edits.edit(account_id, Edit(max_concurrency=max_concurrency))

    async def refresh(self, account_id: AccountId) -> Refreshed | None:
        """Ask the upstream about an account now, also where nobody asks by itself.

        Returns None if there is none, or it is deleted.
        """
        found = await self._quota.refresh(account_id, is_by_hand=True)
        return found if isinstance(found, Refreshed) else None

    async def refresh_all(
        self, ids: Sequence[AccountId], on_progress: Callable[[int, int], None]
    ) -> dict[AccountId, Refreshed | None]:
        """Refresh several accounts, as many at the same time as the settings allow.

        `on_progress` gets (done, total).

        Raises:
            StoreUnavailableError: those that were done stay done.
        """
        waiting, found = iter(ids), dict[AccountId, Refreshed | None]()

        async def work() -> None:
            for account_id in waiting:
                found[account_id] = await self.refresh(account_id)
                on_progress(len(found), len(ids))

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(self._settings.refresh.concurrency, len(ids))):
                    group.create_task(work())
        except* StoreUnavailableError as failures:
            error = failures.exceptions[0]
        else:
            return {account_id: found[account_id] for account_id in ids}
        raise error


def clean_tags(tags: Sequence[str]) -> tuple[str, ...]:
    """Return tags trimmed, each once.

    Raises:
        InvalidRequestError: one is no tag, or there are too many.
    """
    names = tuple(dict.fromkeys(tag.strip() for tag in tags))
    for name in names:
        if not (name and name.isprintable() and "," not in name and len(name) <= MAX_TAG_CHARS):
            raise InvalidRequestError(
                f"A tag has 1 to {MAX_TAG_CHARS} printable characters and no comma.", param="tags"
            )
    if len(names) > MAX_TAGS:
        raise InvalidRequestError(f"More than {MAX_TAGS} tags are too many.", param="tags")
    return names
