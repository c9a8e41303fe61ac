"""Administrative routes of what accounts keep at the upstream: look, delete one, delete all."""

from typing import Final, Literal

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from grok2api.domain.ids import AccountId
from grok2api.errors import InvalidRequestError
from grok2api.services.account_desk import account_not_found
from grok2api.services.account_names import is_account_id
from grok2api.web.admin.answers import answer, read_name
from grok2api.web.admin.audit import about
from grok2api.web.admin.auth import admit_admin
from grok2api.web.body import read_json
from grok2api.web.presence import client_present
from grok2api.web.state import AppState, state_of

_MAX_CURSOR_CHARS: Final = 4096
_MAX_ID_CHARS: Final = 512


class ItemBody(Struct, frozen=True):
    """One file of one account."""

    asset_id: str
    id: str | None = None
    token: str | None = None


class AccountBody(Struct, frozen=True):
    """One account."""

    id: str | None = None
    token: str | None = None


class AssetView(Struct, frozen=True):
    """A file; "" and 0 stand for what the upstream does not tell. `created_at` is its own text."""

    id: str
    name: str
    content_type: str
    size: int
    created_at: str


class AssetList(Struct, frozen=True):
    """Files of one account."""

    id: AccountId
    assets: list[AssetView]
    next_cursor: str | None


class ItemDeleted(Struct, frozen=True):
    """It is not there any more."""

    status: Literal["success"] = "success"


class AccountCleared(Struct, frozen=True):
    """What became of an account's files; `complete` is false where more are left than failed."""

    deleted: int
    failed: int
    complete: bool
    status: Literal["success"] = "success"


_ITEM = msgspec.json.Decoder(ItemBody)
_ACCOUNT = msgspec.json.Decoder(AccountBody)


async def list_assets(request: Request) -> Response:
    """List files of the account `id`, a page of the upstream's at a time."""
    await admit_admin(request)
    state, given = state_of(request), request.query_params.get("id")
    if given is None:
        raise InvalidRequestError(
            "Name one account, by id.", param="id", code="missing_required_parameter"
        )
    if not is_account_id(given):
        raise account_not_found("id")
    cursor = _check(request.query_params.get("cursor", ""), "cursor", _MAX_CURSOR_CHARS)
    async with client_present(request.receive, state.drain):
        page = await state.operator.assets.page(AccountId(given), cursor)
    shown = [
        AssetView(asset.id, asset.name, asset.media_type, asset.size_bytes, asset.created_at)
        for asset in page.assets
    ]
    return answer(AssetList(AccountId(given), shown, page.next_token or None))


async def delete_item(request: Request) -> Response:
    """Delete one file of an account."""
    await admit_admin(request)
    state, body = state_of(request), await read_json(request, _ITEM)
    account_id = _resolve(state, body.id, body.token)
    asset_id = _check(body.asset_id.strip(), "asset_id", _MAX_ID_CHARS)
    if not asset_id:
        raise InvalidRequestError("Name the file by its id.", param="asset_id")
    about(request, account_id, detail=f"file {asset_id}")
    async with client_present(request.receive, state.drain):
        await state.operator.assets.delete(account_id, asset_id)
    return answer(ItemDeleted())


async def clear_token(request: Request) -> Response:
    """Delete all files of an account."""
    await admit_admin(request)
    state, body = state_of(request), await read_json(request, _ACCOUNT)
    account_id = _resolve(state, body.id, body.token)
    about(request, account_id, detail="all files")
    async with client_present(request.receive, state.drain):
        cleared = await state.operator.assets.clear(account_id)
    return answer(AccountCleared(cleared.deleted, cleared.failed, cleared.is_whole))


def _resolve(state: AppState, account_id: str | None, token: str | None) -> AccountId:
    name, param = read_name({"id": account_id, "token": token})
    return state.operator.names.resolve(name, param=param)


def _check(text: str, param: str, limit: int) -> str:
    """Return what goes into an address at the upstream."""
    if len(text) > limit or not text.isprintable():
        raise InvalidRequestError(f"{param} is none of the upstream's.", param=param)
    return text
