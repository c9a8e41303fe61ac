"""The account owner's choice of sensitive content: changed at the upstream, shown as a tag."""

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Final

from grok2api.domain.account import ProviderKind, Status
from grok2api.domain.ids import AccountId
from grok2api.errors import InvalidRequestError, UpstreamTimeoutError
from grok2api.providers.base import Provider
from grok2api.providers.session import UpstreamSession
from grok2api.store.account_edits import AccountEdits, Edit
from grok2api.store.accounts import AccountStore

SENSITIVE_TAG: Final = "nsfw"
"""What accounts carry that may show sensitive content."""
_LIMIT_S: Final = 60.0


class SensitiveContent:
    """Changes that one preference, and nothing else of what the owner has said of themselves."""

    __slots__ = ("_edits", "_providers", "_store")

    def __init__(
        self,
        store: AccountStore,
        edits: AccountEdits,
        providers: Mapping[ProviderKind, Provider],
    ) -> None:
        self._store = store
        self._edits = edits
        self._providers = providers

    async def set(self, account_id: AccountId, *, is_on: bool) -> bool:
        """Change it, and the tag once the upstream has agreed; False if there is no such account.

        Raises:
            InvalidRequestError: accounts of this kind have no such preference.
            UpstreamError: the upstream refused or could not be asked; the tag is as it was.
            SettingsError: no configured secret key opens the account's credentials.
            StoreUnavailableError: Redis did not answer; doing it again is safe.
        """
        account = (await self._store.find([account_id])).get(account_id)
        if account is None or account.status is Status.DELETED:
            return False
        backend = self._providers[account.pool.kind].settings
        if backend is None:
            raise InvalidRequestError("Accounts of this kind have no such preference.")
        credentials = (await self._store.reveal([account_id])).get(account_id)
        if credentials is None:
            return False
        remember = partial(self._store.set_user_id, account_id)
        session = UpstreamSession(credentials, account.user_id, remember)
        try:
            async with asyncio.timeout(_LIMIT_S):
                await backend.set_sensitive_content(session, is_on=is_on)
        except TimeoutError:
            raise UpstreamTimeoutError(
                "The upstream took too long to change the preference.",
                code="upstream_total_timeout",
            ) from None
        tags = (SENSITIVE_TAG,)
        change = Edit(add_tags=tags) if is_on else Edit(remove_tags=tags)
        return await self._edits.edit(account_id, change)
