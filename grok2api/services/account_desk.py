"""Accounts as administrative requests change them: several at once, named by id or session."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from msgspec import Struct

from grok2api.domain.account import Pool, Status, Tier
from grok2api.domain.ids import AccountId
from grok2api.errors import ConflictError, InvalidRequestError, NotFoundError, StoreUnavailableError
from grok2api.services.account_actions import AccountActions, clean_tags
from grok2api.services.account_names import AccountNames, is_account_id
from grok2api.services.accounts import Accounts
from grok2api.services.imports import ImportReport, RefusedLine, account_id_of, mask_session
from grok2api.store.account_edits import AccountEdits, Edit
from grok2api.store.account_replacement import AccountReplacement
from grok2api.store.account_replies import Known, Unknown
from grok2api.store.account_vault import Successor
from grok2api.store.accounts import AccountStore

MAX_NAMED: Final = 2000
"""Accounts that one request changes; more are a batch."""
_CONCURRENCY: Final = 32
_FIND: Final = 1000
_REPLACED: Final = "replaced"


class AccountChange(Struct, frozen=True, kw_only=True):
    """What becomes of an account; None stays. `max_concurrency` 0 is the general limit."""

    session: str | None = None
    tier: Tier | None = None
    tags: tuple[str, ...] | None = None
    max_concurrency: int | None = None


class PoolReport(Struct, frozen=True):
    """What putting accounts into a pool came to."""

    added: list[AccountId]
    moved: list[AccountId]
    missing: list[AccountId]
    refused: list[RefusedLine]


@dataclass(frozen=True, slots=True)
class DeskParts:
    """What a desk works with."""

    store: AccountStore
    edits: AccountEdits
    replacement: AccountReplacement
    accounts: Accounts
    actions: AccountActions
    names: AccountNames


class AccountDesk:
    """Every method raises StoreUnavailableError when Redis does not answer: repeating is safe."""

    __slots__ = ("_accounts", "_actions", "_edits", "_keep_s", "_names", "_replacement", "_store")

    def __init__(self, parts: DeskParts, *, keep_s: float) -> None:
        self._store = parts.store
        self._edits = parts.edits
        self._replacement = parts.replacement
        self._accounts = parts.accounts
        self._actions = parts.actions
        self._names = parts.names
        self._keep_s = keep_s

    async def add(
        self, sessions: Sequence[str], *, tier: Tier | None, tags: Sequence[str]
    ) -> ImportReport:
        """Add the accounts of some sessions; those that are known stay as they are.

        Raises:
            InvalidRequestError: a tag is none, or no session is one.
        """
        report = await self._import(sessions, tier=tier, tags=clean_tags(tags))
        if not (report.added or report.known):
            raise InvalidRequestError("There is no valid token among these.", param="tokens")
        return report

    async def put_in_pool(
        self, tier: Tier, names: Sequence[str], tags: Sequence[str]
    ) -> PoolReport:
        """Bring accounts into a pool, new sessions too, and add tags; no other account changes.

        Raises:
            InvalidRequestError: there are none or too many, or a tag is none.
        """
        _check_count(names)
        cleaned = clean_tags(tags)
        ids = [AccountId(name.strip()) for name in names if is_account_id(name.strip())]
        sessions = {at: name for at, name in enumerate(names, 1) if not is_account_id(name.strip())}
        report = await self._import(list(sessions.values()), tier=tier, tags=cleaned)
        lines = list(sessions)
        refused = [RefusedLine(lines[r.line - 1], r.why) for r in report.refused]
        pool_of = await self._find([*ids, *report.known])

        async def move(account_id: AccountId) -> bool:
            pool = pool_of.get(account_id)
            if pool is None:
                return False
            change = Edit(pool=Pool(pool.kind, tier), add_tags=cleaned)
            return await self._edits.edit(account_id, change)

        done = await side_by_side(list(dict.fromkeys([*ids, *report.known])), move)
        return PoolReport(
            report.added,
            [account_id for account_id, is_moved in done.items() if is_moved],
            [account_id for account_id, is_moved in done.items() if not is_moved],
            refused,
        )

    async def edit(self, name: str, change: AccountChange, *, param: str) -> AccountId:
        """Change an account; return its id, which is another one with another session.

        A new session takes over tier, tags, limit, quota and counters; the account of the old one
        is deleted. `param` is where the name stands.

        Raises:
            InvalidRequestError: name, session or tags do not hold.
            NotFoundError: there is no such account.
            ConflictError: there is an account with the new session already; nothing changed.
        """
        account_id = self._names.resolve(name, param=param)
        pool = (await self._find([account_id])).get(account_id)
        if pool is None:
            raise account_not_found(param)
        successor = None
        if change.session is not None:
            credentials = self._names.parse_session(change.session, param="token")
            new_id = account_id_of(pool.kind, credentials)
            if new_id != account_id or credentials.cookies:  # else the cookies it has would go
                successor = Successor(new_id, credentials, mask_session(credentials.session))
            if new_id != account_id and await self._store.find_known([new_id]):
                raise _conflict()
        edit = Edit(
            tags=None if change.tags is None else clean_tags(change.tags),
            max_concurrency=change.max_concurrency,
            pool=None if change.tier is None else Pool(pool.kind, change.tier),
        )
        # First, so that a failure in between leaves an account that can be named as before.
        if edit != Edit() and not await self._edits.edit(account_id, edit):
            raise account_not_found(param)
        if successor is None:
            return account_id
        reply = await self._replacement.replace(
            account_id, successor, keep_s=self._keep_s, reason=_REPLACED
        )
        if isinstance(reply, Known):
            raise _conflict()
        if isinstance(reply, Unknown):
            raise account_not_found(param)
        return successor.id

    async def delete(self, names: Sequence[str]) -> Mapping[AccountId, bool]:
        """Delete accounts so that they can be restored; tell of each whether there was one.

        Raises:
            InvalidRequestError: there are none or too many, or one has no name of an account.
        """
        ids = self._resolve(names)
        known = await self._find(ids)

        async def delete(account_id: AccountId) -> bool:
            return account_id in known and await self._actions.delete(account_id)

        return await side_by_side(ids, delete)

    async def set_disabled(
        self, names: Sequence[str], *, is_disabled: bool
    ) -> Mapping[AccountId, bool]:
        """Disable or restore accounts; tell of each whether there was one.

        Raises:
            InvalidRequestError: there are none or too many, or one has no name of an account.
        """
        act = self._actions.disable if is_disabled else self._actions.restore
        return await side_by_side(self._resolve(names), act)

    def _resolve(self, names: Sequence[str]) -> list[AccountId]:
        _check_count(names)
        return self._names.resolve_all(names, param="tokens")

    async def _find(self, ids: Sequence[AccountId]) -> dict[AccountId, Pool]:
        """Return the pools of those of `ids` that there are and that are not deleted."""
        found: dict[AccountId, Pool] = {}
        for start in range(0, len(ids), _FIND):
            page = await self._store.find(ids[start : start + _FIND])
            found |= {i: a.pool for i, a in page.items() if a.status is not Status.DELETED}
        return found

    async def _import(
        self, sessions: Sequence[str], *, tier: Tier | None, tags: Sequence[str]
    ) -> ImportReport:
        async def batches() -> AsyncIterator[list[dict[str, object]]]:
            yield [{"token": session, "tags": list(tags)} for session in sessions]

        return await self._accounts.import_records(batches(), tier=tier)


def account_not_found(param: str) -> NotFoundError:
    """Return the error of a name that no account has."""
    return NotFoundError("There is no such account.", param=param, code="account_not_found")


async def side_by_side(
    ids: Sequence[AccountId], act: Callable[[AccountId], Awaitable[bool]]
) -> dict[AccountId, bool]:
    """Do something to several accounts, a few at once; tell what each came to, in order.

    Raises:
        StoreUnavailableError: those that were done stay done.
    """
    waiting, done = iter(ids), dict.fromkeys(ids, False)

    async def work() -> None:
        for account_id in waiting:
            done[account_id] = await act(account_id)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(_CONCURRENCY, len(ids))):
                group.create_task(work())
    except* StoreUnavailableError as failures:
        first = failures.exceptions[0]
        raise first from None
    return done


def _check_count(names: Sequence[str]) -> None:
    if not names:
        raise InvalidRequestError("Name at least one account.", param="tokens")
    if len(names) > MAX_NAMED:
        raise InvalidRequestError(
            f"One request changes at most {MAX_NAMED} accounts; use a batch for more.",
            param="tokens",
        )


def _conflict() -> ConflictError:
    return ConflictError(
        "There is an account with this session already.", param="token", code="token_conflict"
    )
