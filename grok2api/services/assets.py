"""What accounts keep at the upstream, as their operator sees it: listed, counted, deleted."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Final

import structlog
from msgspec import Struct, structs

from grok2api.domain.account import Outcome, ProviderKind, Status
from grok2api.domain.ids import AccountId
from grok2api.domain.pool_member import Account
from grok2api.errors import InvalidRequestError, UpstreamError
from grok2api.providers.base import Provider
from grok2api.providers.media import Asset, AssetBackend, AssetPage
from grok2api.providers.session import UpstreamSession
from grok2api.services.account_desk import account_not_found
from grok2api.services.quota import RETRY_S
from grok2api.services.verdict import judge
from grok2api.store.account_edits import AccountEdits, Silence
from grok2api.store.accounts import AccountStore

log = structlog.get_logger(__name__)

MAX_ASSETS: Final = 10_000
"""Files of one account that are looked at in one go."""
MAX_PAGES: Final = 1000
"""Pages of one account's list that are asked for in one go."""
DELETIONS_AT_ONCE: Final = 10
"""Files of one account that are deleted at the same time."""
MAX_DELETIONS: Final = 50
"""Files that this process deletes at the same time."""
LIMIT_S: Final = 60.0
"""After this long nothing more is begun; the rest is for the next time."""
LISTING_LIMIT_S: Final = 30.0
"""How much of it listing may take before the first file is deleted, so that each time some are."""

_REFUSALS: Final = frozenset({Outcome.UNAUTHORIZED, Outcome.UNCONFIRMED})


class Inventory(Struct, frozen=True):
    """How much an account keeps. `is_whole` is False where there is more than was looked at."""

    account: Account
    count: int
    size_bytes: int
    is_whole: bool


class Cleared(Struct, frozen=True):
    """What became of an account's files.

    `failure` is one word for why some could not be deleted; `is_whole` is False where some were
    not tried for lack of time.
    """

    deleted: int
    failed: int
    is_whole: bool
    failure: str = ""


@dataclass(frozen=True, slots=True)
class _Opened:
    """An account, and the way to its files."""

    account: Account
    backend: AssetBackend
    session: UpstreamSession


class Assets:
    """Files of accounts at the upstream. A session that it refuses is held against its account.

    Every method raises:
        NotFoundError: there is no such account, or it is deleted.
        InvalidRequestError: accounts of this kind keep nothing.
        UpstreamError: the upstream refused or could not be asked.
        SettingsError: no configured secret key opens the account's credentials.
        StoreUnavailableError: Redis did not answer.
    """

    __slots__ = ("_edits", "_providers", "_slots", "_store")

    def __init__(
        self,
        store: AccountStore,
        edits: AccountEdits,
        providers: Mapping[ProviderKind, Provider],
    ) -> None:
        self._store = store
        self._edits = edits
        self._providers = providers
        self._slots = asyncio.Semaphore(MAX_DELETIONS)

    async def page(self, account_id: AccountId, token: str = "") -> AssetPage:
        """Return the first files of an account, or those of the page that `token` names."""
        opened = await self._open(account_id)
        try:
            return await opened.backend.list_page(opened.session, token)
        except UpstreamError as error:
            await self._note(account_id, error)
            raise

    async def count(self, account_id: AccountId) -> Inventory:
        """Count an account's files, `MAX_ASSETS` at most."""
        opened = await self._open(account_id)
        try:
            found, is_whole = await _list(opened, _deadline(LIMIT_S))
        except UpstreamError as error:
            await self._note(account_id, error)
            raise
        size_bytes = sum(asset.size_bytes for asset in found)
        return Inventory(opened.account, len(found), size_bytes, is_whole)

    async def delete(self, account_id: AccountId, asset_id: str) -> None:
        """Delete one file; one that is not there any more is no error."""
        opened = await self._open(account_id)
        try:
            await opened.backend.delete(asset_id, opened.session)
        except UpstreamError as error:
            await self._note(account_id, error)
            raise

    async def clear(self, account_id: AccountId) -> Cleared:
        """Delete an account's files; those that cannot be deleted are counted."""
        opened = await self._open(account_id)
        deadline = _deadline(LIMIT_S)
        try:
            found, is_whole = await _list(opened, _deadline(LISTING_LIMIT_S))
            cleared = await self._delete_all(opened, found, deadline)
        except UpstreamError as error:
            await self._note(account_id, error)
            raise
        return cleared if is_whole else structs.replace(cleared, is_whole=False)

    async def _delete_all(self, opened: _Opened, found: list[Asset], deadline: float) -> Cleared:
        waiting = iter(found)
        deleted, failures = 0, list[str]()

        async def work() -> None:
            nonlocal deleted
            while True:
                async with self._slots:
                    asset = None if _now() > deadline else next(waiting, None)
                    if asset is None:
                        return
                    try:
                        await opened.backend.delete(asset.id, opened.session)
                    except UpstreamError as error:
                        if judge(error).outcome in _REFUSALS:
                            raise  # every other one would be refused as well
                        failures.append(error.code or error.kind)
                    else:
                        deleted += 1

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(DELETIONS_AT_ONCE, len(found))):
                    group.create_task(work())
        except* UpstreamError as refusals:
            refusal = refusals.exceptions[0]
        else:
            is_done = deleted + len(failures) == len(found)
            return Cleared(deleted, len(failures), is_done, failures[-1] if failures else "")
        raise refusal

    async def _open(self, account_id: AccountId) -> _Opened:
        account = (await self._store.find([account_id])).get(account_id)
        if account is None or account.status is Status.DELETED:
            raise account_not_found("id")
        backend = self._providers[account.pool.kind].assets
        if backend is None:
            raise InvalidRequestError("Accounts of this kind keep no files.", param="id")
        credentials = (await self._store.reveal([account_id])).get(account_id)
        if credentials is None:
            raise account_not_found("id")
        remember = partial(self._store.set_user_id, account_id)
        return _Opened(account, backend, UpstreamSession(credentials, account.user_id, remember))

    async def _note(self, account_id: AccountId, error: UpstreamError) -> None:
        """Hold a refusal of the session against the account; nothing else is about it."""
        verdict = judge(error)
        if verdict.outcome not in _REFUSALS:
            return
        silence = Silence(
            next_in_s=RETRY_S,
            refusal=verdict.reason,
            is_certain=verdict.outcome is Outcome.UNAUTHORIZED,
        )
        await self._edits.defer(account_id, silence)
        log.info("account_refused", account=account_id, reason=verdict.reason)


async def _list(opened: _Opened, deadline: float) -> tuple[list[Asset], bool]:
    """Return an account's files, each once, and whether these are all."""
    found = dict[str, Asset]()
    token, seen = "", {""}
    for _ in range(MAX_PAGES):
        page = await opened.backend.list_page(opened.session, token)
        room = MAX_ASSETS - len(found)
        fresh = {asset.id: asset for asset in page.assets if asset.id not in found}
        found.update(islice(fresh.items(), room))
        token = page.next_token
        if token in seen:  # an upstream that repeats itself has no more
            return list(found.values()), len(fresh) <= room
        if len(fresh) >= room or _now() > deadline:
            break
        seen.add(token)
    return list(found.values()), False


def _deadline(limit_s: float) -> float:
    return _now() + limit_s


def _now() -> float:
    return asyncio.get_running_loop().time()
