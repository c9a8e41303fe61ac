"""Administrative routes of batches: start, look, cancel, result; `batch_stream` follows one."""

import asyncio
from collections.abc import AsyncIterable, Iterable
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response

from grok2api.domain.account import Tier
from grok2api.domain.batch import Batch, BatchKind
from grok2api.domain.ids import AccountId
from grok2api.errors import InvalidRequestError, NotFoundError
from grok2api.web.admin.answers import answer, read_choice, read_flag, read_number
from grok2api.web.admin.audit import about
from grok2api.web.admin.auth import admit_admin
from grok2api.web.admin.batch_views import (
    BatchView,
    FailureView,
    ResultView,
    show_batch,
    show_failures,
    show_result,
)
from grok2api.web.admin.export_stream import check_confirmation, stream_export, stream_lines
from grok2api.web.admin.tokens import parse_filter
from grok2api.web.body import read_json
from grok2api.web.presence import client_present
from grok2api.web.state import AppState, state_of

SYNC_LIMIT_S: Final = 60.0
ALL: Final = "all"
NSFW: Final = "nsfw"
CACHE_CLEAR: Final = "cache-clear"
"""What other gateways call clear_assets."""
MAX_PAGE: Final = 1000
_LOOK_AGAIN_S: Final = 0.2
_FAILURES_SHOWN: Final = 100
_CREATED_BY: Final = "admin"
_SENSITIVE: Final = {True: BatchKind.SENSITIVE_ON, False: BatchKind.SENSITIVE_OFF}
_KINDS: Final = {
    **{kind.value: kind for kind in BatchKind if kind not in _SENSITIVE.values()},
    CACHE_CLEAR: BatchKind.CLEAR_ASSETS,
}


class FilterBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Which accounts, as the list of accounts filters them."""

    status: str | list[str] = []
    tier: str | None = None
    tag: str | None = None
    q: str | None = None


class StartBody(Struct, frozen=True):
    """Accounts by name or by filter, and what the kind needs to know."""

    tokens: list[str] | None = None
    filter: FilterBody | None = None
    confirm: str = ""
    tags: Annotated[list[str], Meta(max_length=32)] | None = None
    tier: str | None = None
    max_concurrency: int | None = None
    with_secrets: bool | None = None


class Started(Struct, frozen=True):
    """The batch goes on by itself."""

    task_id: str
    total: int
    status: Literal["success"] = "success"


class BatchList(Struct, frozen=True):
    """Batches, the newest first."""

    batches: list[BatchView]
    next_cursor: str | None


class FailureList(Struct, frozen=True):
    """Failures, the earliest first."""

    failures: list[FailureView]
    next_cursor: str | None


class Cancelled(Struct, frozen=True):
    """How the batch stands: what is being done to an account just now is still done."""

    batch: BatchView
    status: Literal["success"] = "success"


_START = msgspec.json.Decoder(StartBody)


async def start_batch(request: Request) -> Response:
    """Start a batch; without `async` wait for its end, at most `SYNC_LIMIT_S` seconds."""
    await admit_admin(request)
    state = state_of(request)
    kind = _read_kind(request)
    is_async = read_flag(request, "async", default=False)
    body = await read_json(request, _START)
    params = {
        name: value
        for name, value in (
            ("tags", body.tags),
            ("tier", None if body.tier is None else read_choice(Tier, body.tier, "tier")),
            ("max_concurrency", body.max_concurrency),
            ("with_secrets", body.with_secrets),
        )
        if value is not None
    }
    if body.with_secrets:
        check_confirmation(request, param="with_secrets")
    async with client_present(request.receive, state.drain):
        ids = await _read_accounts(state, body)
        batch = await state.operator.batches.create(kind, params, ids, created_by=_CREATED_BY)
        about(request, batch.id, detail=f"{kind} of {batch.total} accounts")
        if is_async:
            return answer(Started(batch.id, batch.total))
        return answer(await _wait(state, batch))


async def list_batches(request: Request) -> Response:
    """List batches that run, and those that ended not long ago."""
    await admit_admin(request)
    page = await state_of(request).operator.batches.list(
        cursor=request.query_params.get("cursor") or "",
        limit=_read_limit(request, default=20),
    )
    return answer(BatchList([show_batch(b) for b in page.batches], page.next_cursor or None))


async def get_batch(request: Request) -> Response:
    """Show one batch."""
    await admit_admin(request)
    return answer(show_batch(await state_of(request).operator.batches.get(_id_of(request))))


async def list_failures(request: Request) -> Response:
    """List the accounts of a batch that failed, and why; the first 1000 are kept."""
    await admit_admin(request)
    page = await state_of(request).operator.batches.failures(
        _id_of(request),
        cursor=request.query_params.get("cursor") or "",
        limit=_read_limit(request, default=100),
    )
    return answer(FailureList(show_failures(page.failures), page.next_cursor or None))


async def export_result(request: Request) -> Response:
    """Stream what a batch kept: an export as JSON that an import reads, else an object a line."""
    await admit_admin(request)
    exports = state_of(request).operator.batch_exports
    batch = await exports.find(_id_of(request))
    with_secrets = batch.params.with_secrets
    if with_secrets:
        check_confirmation(request)
    parts = exports.iterate(batch)
    if batch.kind is not BatchKind.EXPORT:
        return stream_lines(request, parts, name=f"{batch.kind}.jsonl")
    return stream_export(request, parts, with_secrets=with_secrets, batch=batch.id)


async def cancel_batch(request: Request) -> Response:
    """Begin nothing more of a batch."""
    await admit_admin(request)
    batch = await state_of(request).operator.batches.cancel(_id_of(request))
    about(request, batch.id)
    return answer(Cancelled(show_batch(batch)))


def _read_kind(request: Request) -> BatchKind:
    word = request.path_params["kind"]
    if word == NSFW:
        return _SENSITIVE[read_flag(request, "enabled", default=True)]
    if word not in _KINDS:
        known = ", ".join(sorted([*_KINDS, NSFW]))
        raise NotFoundError(
            f"There is no such batch operation; there are: {known}.", code="unknown_url"
        )
    return _KINDS[word]


async def _read_accounts(
    state: AppState, body: StartBody
) -> Iterable[AccountId] | AsyncIterable[AccountId]:
    if (body.tokens is None) == (body.filter is None):
        raise InvalidRequestError(
            "Name the accounts: by tokens, or by filter.",
            param="tokens",
            code="missing_required_parameter",
        )
    if body.tokens is not None:
        # Thousands of sessions take their time; others are served meanwhile.
        resolve_all = state.operator.names.resolve_all
        return await asyncio.to_thread(resolve_all, body.tokens, param="tokens")
    given = body.filter or FilterBody()
    statuses = [given.status] if isinstance(given.status, str) else given.status
    wanted = parse_filter(statuses, given.tier, given.tag, given.q)
    if wanted.is_open and body.confirm != ALL:
        raise InvalidRequestError(
            f'This filter names every account. If that is meant, send "confirm": "{ALL}" as well.',
            param="confirm",
            code="confirmation_required",
        )
    return state.operator.search.ids(wanted)


async def _wait(state: AppState, batch: Batch) -> ResultView:
    """Return what a batch came to, or how it stands when it takes too long."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + SYNC_LIMIT_S
    while not batch.is_over and loop.time() < deadline:
        await asyncio.sleep(_LOOK_AGAIN_S)
        batch = await state.operator.batches.get(batch.id)
    page = await state.operator.batches.failures(batch.id, limit=_FAILURES_SHOWN)
    return show_result(batch, page.failures)


def _read_limit(request: Request, *, default: int) -> int:
    limit = read_number(request, "limit", default=default)
    if not 1 <= limit <= MAX_PAGE:
        raise InvalidRequestError(
            f"limit must be a whole number from 1 to {MAX_PAGE}.", param="limit"
        )
    return limit


def _id_of(request: Request) -> str:
    given: str = request.path_params["id"]
    return given
