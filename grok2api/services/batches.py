"""Batches as the operator handles them: create, follow, cancel. The leader does their work."""

import re
import secrets
from collections.abc import AsyncGenerator, AsyncIterable, Collection, Iterable, Mapping
from contextlib import aclosing, suppress
from typing import Final

import msgspec

from grok2api.domain.batch import WITH_RESULT, Batch, BatchKind, BatchParams
from grok2api.domain.ids import AccountId, BatchId
from grok2api.errors import (
    InvalidRequestError,
    NotFoundError,
    RateLimitExceededError,
    StoreUnavailableError,
)
from grok2api.services.account_actions import clean_tags
from grok2api.store.account_edits import GENERAL_LIMIT
from grok2api.store.batch_pages import BatchPage, FailurePage
from grok2api.store.batch_replies import Added, Created, Empty, Full, Started, TooMany
from grok2api.store.batches import MAX_AT_ONCE, MAX_ITEMS, BatchStore

_ID: Final = re.compile(r"bat_[0-9a-f]{16}")
_ACCOUNT_ID: Final = re.compile(r"[!-~]{1,128}")
MAX_EXPORTED: Final = 100_000
"""Accounts of a batch with a result: the store keeps all their lines until it is forgotten."""
_MAX_CONCURRENCY: Final = 1000
_LABEL_CHARS: Final = 64
_CREATE_ATTEMPTS: Final = 5

_NEEDS: Final = {
    BatchKind.TAG: "tags",
    BatchKind.UNTAG: "tags",
    BatchKind.MOVE: "tier",
    BatchKind.CONCURRENCY: "max_concurrency",
}
_TAKES: Final = {**_NEEDS, BatchKind.EXPORT: "with_secrets"}


class Batches:
    """The operator's batches. `kinds` are those that the leader has a handler for."""

    __slots__ = ("_keep_s", "_kinds", "_max_items", "_store")

    def __init__(
        self,
        store: BatchStore,
        kinds: Collection[BatchKind],
        *,
        keep_s: float,
        max_items: int = MAX_ITEMS,
    ) -> None:
        self._store = store
        self._kinds = frozenset(kinds)
        self._keep_s = keep_s
        self._max_items = max_items

    async def create(
        self,
        kind: str,
        params: Mapping[str, object],
        ids: Iterable[AccountId] | AsyncIterable[AccountId],
        *,
        created_by: str,
    ) -> Batch:
        """Start `kind` over the accounts `ids`; one that is given twice counts once.

        Nothing is done to any account before all ids are in; when that fails, nothing is left.

        Raises:
            InvalidRequestError: unknown kind, wrong params or ids, none, or too many.
            RateLimitExceededError: too many batches have not ended.
        """
        what = parse_kind(kind, self._kinds)
        how = parse_params(what, params)
        batch_id = await self._open(what, how, created_by[:_LABEL_CHARS])
        try:
            await self._fill(batch_id, ids, self._limit_of(what))
            reply = await self._store.start(batch_id)
        except BaseException:
            with suppress(StoreUnavailableError):  # it is forgotten soon in any case
                await self._store.forget(batch_id)
            raise
        if isinstance(reply, Empty):
            await self._store.forget(batch_id)
            raise InvalidRequestError("No accounts are given.", param="tokens")
        if not isinstance(reply, Started):
            raise InvalidRequestError("The batch was cancelled before it started.")
        return await self.get(batch_id)

    async def get(self, batch_id: str) -> Batch:
        """Return a batch.

        Raises:
            NotFoundError: there is none of this id.
        """
        batch = await self._store.find(parse_id(batch_id))
        if batch is None:
            raise _not_found(batch_id)
        return batch

    async def list(self, *, cursor: str = "", limit: int = 20) -> BatchPage:
        """Return up to `limit` batches behind `cursor`, the newest first.

        Raises:
            InvalidRequestError: the cursor is none of ours.
        """
        _check_cursor(cursor)
        return await self._store.list(cursor=cursor, limit=limit)

    async def failures(self, batch_id: str, *, cursor: str = "", limit: int = 100) -> FailurePage:
        """Return up to `limit` failures of a batch behind `cursor`, the earliest first.

        The first 1000 of a batch are kept.

        Raises:
            NotFoundError: there is none of this id.
            InvalidRequestError: the cursor is none of ours.
        """
        _check_cursor(cursor)
        batch = await self.get(batch_id)
        return await self._store.failures(batch.id, first=int(cursor or 0), limit=limit)

    async def cancel(self, batch_id: str) -> Batch:
        """Do nothing more than what is being done now; return how the batch stands.

        Raises:
            NotFoundError: there is none of this id.
        """
        if await self._store.cancel(parse_id(batch_id)) is None:
            raise _not_found(batch_id)
        return await self.get(batch_id)

    async def _open(self, kind: BatchKind, params: BatchParams, created_by: str) -> BatchId:
        batch_id = BatchId(f"bat_{secrets.token_hex(8)}")
        for _ in range(_CREATE_ATTEMPTS):
            reply = await self._store.create(
                batch_id, kind, params, created_by=created_by, keep_s=self._keep_s
            )
            if isinstance(reply, Created):
                return batch_id
            if not isinstance(reply, Full):
                break
            await self._store.forget(BatchId(reply.oldest))
        raise RateLimitExceededError(
            "Too many batches have not ended yet; wait for one, or cancel one.",
            code="too_many_batches",
        )

    def _limit_of(self, kind: BatchKind) -> int:
        return min(self._max_items, MAX_EXPORTED if kind in WITH_RESULT else MAX_ITEMS)

    async def _fill(
        self,
        batch_id: BatchId,
        ids: Iterable[AccountId] | AsyncIterable[AccountId],
        max_items: int,
    ) -> None:
        async with aclosing(_in_chunks(ids)) as chunks:
            async for chunk in chunks:
                reply = await self._store.add(batch_id, chunk, max_items=max_items)
                if isinstance(reply, TooMany):
                    raise InvalidRequestError(
                        f"A batch of this kind has at most {max_items} accounts.", param="tokens"
                    )
                if not isinstance(reply, Added):
                    raise InvalidRequestError("The batch was cancelled before it started.")


def parse_kind(kind: str, available: Collection[BatchKind]) -> BatchKind:
    """Return the kind that a word names.

    Raises:
        InvalidRequestError: there is no such kind, or nothing here does it.
    """
    if kind not in available:
        known = ", ".join(sorted(available))
        raise InvalidRequestError(f"Unknown kind of batch; there are: {known}.", param="kind")
    return BatchKind(kind)


def parse_params(kind: BatchKind, params: Mapping[str, object]) -> BatchParams:
    """Return the params of a batch; only those that its kind takes may be there.

    Raises:
        InvalidRequestError: one is missing, unknown, not of this kind, or out of bounds.
    """
    needed, taken = _NEEDS.get(kind), _TAKES.get(kind)
    for name in params:
        if name != taken:
            raise InvalidRequestError(f"A batch of kind {kind} has no such param.", param=name)
    if needed is not None and needed not in params:
        raise InvalidRequestError(f"A batch of kind {kind} needs {needed}.", param=needed)
    try:
        parsed = msgspec.convert(params, BatchParams)
    except msgspec.ValidationError:
        raise InvalidRequestError(f"{taken} is not what it must be.", param=taken) from None
    _check_bounds(kind, parsed)
    return parsed


def parse_id(batch_id: str) -> BatchId:
    """Return the id of a batch.

    Raises:
        NotFoundError: no batch can have it.
    """
    if not _ID.fullmatch(batch_id):
        raise _not_found(batch_id)
    return BatchId(batch_id)


def _check_bounds(kind: BatchKind, params: BatchParams) -> None:
    match _NEEDS.get(kind):
        case "tags":
            if not clean_tags(params.tags):
                raise InvalidRequestError("tags must name a tag.", param="tags")
        case "tier":
            if params.tier is None:
                raise InvalidRequestError("tier must be a tier's name.", param="tier")
        case "max_concurrency":
            limit = params.max_concurrency
            if limit is None or not GENERAL_LIMIT <= limit <= _MAX_CONCURRENCY:
                raise InvalidRequestError(
                    f"max_concurrency must be a whole number from 1 to {_MAX_CONCURRENCY}, "
                    f"or {GENERAL_LIMIT} for the general limit.",
                    param="max_concurrency",
                )
        case _:
            pass


def _check_cursor(cursor: str) -> None:
    if cursor and not re.fullmatch(r"[0-9]{1,15}", cursor):
        raise InvalidRequestError("This cursor is none of ours.", param="cursor")


def _not_found(batch_id: str) -> NotFoundError:
    return NotFoundError(f"There is no batch {batch_id[:_LABEL_CHARS]!r}.", code="task_not_found")


async def _in_chunks(
    ids: Iterable[AccountId] | AsyncIterable[AccountId],
) -> AsyncGenerator[list[AccountId], None]:
    chunk: list[AccountId] = []
    async with aclosing(_each(ids)) as each:
        async for account_id in each:
            if not _ACCOUNT_ID.fullmatch(account_id):
                raise InvalidRequestError("An id is no account's id.", param="tokens")
            chunk.append(account_id)
            if len(chunk) == MAX_AT_ONCE:
                yield chunk
                chunk = []
    if chunk:
        yield chunk


async def _each(
    ids: Iterable[AccountId] | AsyncIterable[AccountId],
) -> AsyncGenerator[AccountId, None]:
    if isinstance(ids, AsyncIterable):
        async for account_id in ids:
            yield account_id
        return
    for account_id in ids:
        yield account_id
