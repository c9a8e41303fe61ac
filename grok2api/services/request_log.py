"""Search in the log of finished requests, and write it out."""

import re
import sys
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from enum import StrEnum
from typing import Final

from msgspec import Struct

from grok2api.domain.usage import FinishedRequest
from grok2api.errors import InvalidRequestError, NotFoundError
from grok2api.services.request_rows import encode_csv, encode_csv_heads, encode_lines
from grok2api.store.request_log import LoggedRequest, RequestLogStore

MAX_PAGE: Final = 500

_READ_AT_ONCE: Final = 500
_LOOKED_AT: Final = 20_000
_PLACE = re.compile(r"\d{1,16}-\d{1,16}")
_STATUS = re.compile(r"[1-5](xx|\d\d)")


class LogForm(StrEnum):
    """How the log is written out."""

    JSONL = "jsonl"
    CSV = "csv"


class RequestFilter(Struct, frozen=True, kw_only=True):
    """Which requests are wanted; what is left empty does not matter.

    `since_s` and `until_s` are when a request ended. `status` is one, "429", or a class, "4xx".
    `model` is also what the client wrote, `account` any that was tried, `error` a kind or a code.
    `text` is part of an id (of the request, key, account, call or video) or of a client's address.
    """

    since_s: float = 0.0
    until_s: float = 0.0
    key_id: str = ""
    model: str = ""
    account: str = ""
    status: str = ""
    error: str = ""
    text: str = ""
    is_failed: bool = False


class RequestPage(Struct, frozen=True):
    """Requests, the newest first. There may be more behind `next_cursor` unless that is ""."""

    items: tuple[LoggedRequest, ...]
    next_cursor: str


class RequestLog:
    """The log of finished requests.

    Every method raises StoreUnavailableError when Redis does not answer.
    """

    __slots__ = ("_store",)

    def __init__(self, store: RequestLogStore) -> None:
        self._store = store

    async def find(self, request_id: str) -> LoggedRequest:
        """Return the last request with this id.

        Raises:
            NotFoundError: there is none, or it is in the log no longer.
        """
        found = await self._store.find(request_id)
        if found is None:
            raise NotFoundError("There is no such request in the log.", code="request_not_found")
        return found

    async def page(
        self, wanted: RequestFilter, *, cursor: str = "", limit: int = 50
    ) -> RequestPage:
        """Return up to `limit` requests behind `cursor`.

        A page may have fewer, or none, although there are more: one call looks at no more than
        20,000 entries.

        Raises:
            InvalidRequestError: the cursor, or a filter, is none.
        """
        fits = _build_filter(wanted)
        place, found, looked_at = _start(wanted, cursor), list[LoggedRequest](), 0
        while looked_at < _LOOKED_AT:
            entries = await self._read(place, wanted)
            for entry in entries:
                place = entry.place
                if fits(entry.finished):
                    found.append(entry)
                if len(found) == limit:
                    return RequestPage(tuple(found), place)
            looked_at += len(entries)
            if len(entries) < _READ_AT_ONCE:
                return RequestPage(tuple(found), "")
        return RequestPage(tuple(found), place)

    async def iterate(
        self, wanted: RequestFilter, *, limit: int | None = None
    ) -> AsyncGenerator[Sequence[LoggedRequest], None]:
        """Yield all requests that are wanted, or `limit`, the newest first, some at a time.

        Raises:
            InvalidRequestError: a filter is none.
        """
        fits, place = _build_filter(wanted), _start(wanted, "")
        left = sys.maxsize if limit is None else limit
        while left and (entries := await self._read(place, wanted)):
            place = entries[-1].place
            if some := [entry for entry in entries if fits(entry.finished)][:left]:
                left -= len(some)
                yield some

    async def export(
        self, wanted: RequestFilter, form: LogForm, *, limit: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Yield what `iterate` does as a file: JSON lines, or CSV with a line of heads.

        Raises:
            InvalidRequestError: a filter is none.
        """
        if form is LogForm.CSV:
            yield encode_csv_heads()
        encode = encode_csv if form is LogForm.CSV else encode_lines
        async with aclosing(self.iterate(wanted, limit=limit)) as parts:
            async for some in parts:
                yield encode([entry.finished for entry in some])

    async def clear(self) -> int:
        """Forget all requests; return how many there were."""
        return await self._store.clear()

    async def _read(self, place: str, wanted: RequestFilter) -> Sequence[LoggedRequest]:
        return await self._store.read(place, _READ_AT_ONCE, since_ms=_to_ms(wanted.since_s))


def check_filter(wanted: RequestFilter) -> None:
    """Make sure that a filter holds.

    Raises:
        InvalidRequestError: it does not; `param` names what is wrong.
    """
    if wanted.status and not _STATUS.fullmatch(wanted.status):
        raise InvalidRequestError('A status is as "429" or "4xx".', param="status")


def _start(wanted: RequestFilter, cursor: str) -> str:
    if cursor and not _PLACE.fullmatch(cursor):
        raise InvalidRequestError("This cursor is none that a page gave.", param="cursor")
    return cursor or (f"{_to_ms(wanted.until_s)}-0" if wanted.until_s else "")


def _build_filter(wanted: RequestFilter) -> Callable[[FinishedRequest], bool]:
    check_filter(wanted)
    first = wanted.status.removesuffix("xx")
    text = wanted.text.lower()

    def fits(one: FinishedRequest) -> bool:
        return (
            wanted.key_id in ("", one.key_id)
            and wanted.model in ("", one.model, one.requested)
            and wanted.error in ("", one.error, one.code)
            and str(one.status).startswith(first)
            and not (wanted.is_failed and one.is_success)
            and (not wanted.account or wanted.account in _accounts_of(one))
            and (not text or any(text in known.lower() for known in _names_of(one)))
        )

    return fits


def _accounts_of(one: FinishedRequest) -> tuple[str, ...]:
    return (one.account, *(attempt.account for attempt in one.attempts))


def _names_of(one: FinishedRequest) -> tuple[str, ...]:
    return (one.id, one.key_id, one.call_id, one.client, one.job, *_accounts_of(one))


def _to_ms(seconds: float) -> int:
    return max(0, round(seconds * 1000))
