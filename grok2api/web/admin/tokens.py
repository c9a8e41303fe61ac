"""GET /admin/api/tokens, its export and details, GET /admin/api/storage."""

from collections.abc import Sequence
from typing import Final, Literal

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from grok2api.domain.account import Status, Tier
from grok2api.domain.ids import AccountId
from grok2api.domain.pool_member import Account
from grok2api.errors import InvalidRequestError
from grok2api.services.account_desk import account_not_found
from grok2api.services.account_names import is_account_id
from grok2api.services.account_query import AccountFilter, AccountQuery, Sort
from grok2api.web.admin.answers import (
    answer,
    read_choice,
    read_flag,
    read_number,
)
from grok2api.web.admin.auth import admit_admin
from grok2api.web.admin.export_stream import check_confirmation, stream_export
from grok2api.web.admin.token_views import TokenView, show_account
from grok2api.web.state import AppState, state_of

MAX_TEXT: Final = 200


class CountsBody(Struct, frozen=True):
    """How many accounts there are by status and by tier; the deleted ones for themselves."""

    status: dict[Status, int]
    pool: dict[Tier, int]
    deleted: int


class TokensBody(Struct, frozen=True):
    """A page of accounts.

    `total` and `counts` are of all accounts that are not deleted, whatever the filter. `scanned` is
    how many were looked at: a page that is short goes on behind `next_cursor` unless that is null.
    """

    tokens: list[TokenView]
    total: int
    next_cursor: str | None
    scanned: int
    counts: CountsBody


class StorageBody(Struct, frozen=True):
    """Where everything is kept."""

    type: Literal["redis"] = "redis"


async def list_tokens(request: Request) -> Response:
    """Find accounts: filtered, sorted, page by page."""
    await admit_admin(request)
    state = state_of(request)
    query = _read_query(request)
    found = await state.operator.search.find(query)
    counts = await state.operator.search.count()
    return answer(
        TokensBody(
            tokens=[_show(state, account) for account in found.accounts],
            total=counts.total,
            next_cursor=found.next_cursor or None,
            scanned=found.scanned,
            counts=CountsBody(counts.by_status, counts.by_tier, counts.deleted),
        )
    )


async def get_token(request: Request) -> Response:
    """Show one account, also a deleted one."""
    await admit_admin(request)
    state, given = state_of(request), request.path_params["id"]
    account = await state.operator.search.get(AccountId(given)) if is_account_id(given) else None
    if account is None:
        raise account_not_found("id")
    return answer(_show(state, account))


async def export_tokens(request: Request) -> Response:
    """Stream all accounts as JSON that an import reads; sessions only when that is confirmed."""
    await admit_admin(request)
    state = state_of(request)
    with_secrets = read_flag(request, "secrets", default=False)
    if with_secrets:
        check_confirmation(request, param="secrets")
    parts = state.operator.accounts.iterate_export(with_secrets=with_secrets)
    return stream_export(request, parts, with_secrets=with_secrets)


async def storage(request: Request) -> Response:
    """Say where everything is kept."""
    await admit_admin(request)
    return answer(StorageBody())


def parse_filter(
    statuses: Sequence[str], tier: str | None, tag: str | None, text: str | None
) -> AccountFilter:
    """Return the filter that a request describes, by its own names of the parts.

    Raises:
        InvalidRequestError: one of them does not hold.
    """
    for name, value in (("tag", tag), ("q", text)):
        if value is not None and len(value) > MAX_TEXT:
            raise InvalidRequestError(f"{name} has more than {MAX_TEXT} characters.", param=name)
    return AccountFilter(
        statuses=frozenset(read_choice(Status, word, "status") for word in statuses),
        tier=read_choice(Tier, tier, "tier") if tier else None,
        tag=(tag or "").strip(),
        text=(text or "").strip(),
    )


def _read_query(request: Request) -> AccountQuery:
    params = request.query_params
    statuses = [word for given in params.getlist("status") for word in given.split(",") if word]
    return AccountQuery(
        filter=parse_filter(statuses, params.get("tier"), params.get("tag"), params.get("q")),
        sort=read_choice(Sort, params.get("sort") or Sort.CREATED.value, "sort"),
        is_ascending=_read_order(params.get("order")),
        cursor=params.get("cursor") or "",
        limit=read_number(request, "limit", default=100),
    )


def _read_order(given: str | None) -> bool | None:
    if not given:
        return None
    if given not in {"asc", "desc"}:
        raise InvalidRequestError("order must be asc or desc.", param="order", code="invalid_value")
    return given == "asc"


def _show(state: AppState, account: Account) -> TokenView:
    return show_account(account, state.operator.quota.find_stale(account), state.clock)
