"""Administrative routes that add accounts, change them and take them away.

Accounts are named by their ids, in bodies also by their sessions; no answer holds a session.
"""

from collections.abc import Iterable
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct, field
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from grok2api.domain.account import Tier
from grok2api.domain.action import ActionName
from grok2api.domain.ids import AccountId
from grok2api.errors import InvalidRequestError
from grok2api.services.account_desk import AccountChange, account_not_found
from grok2api.services.account_names import is_account_id
from grok2api.services.imports import ImportReport, RefusedLine, TierCount
from grok2api.web.admin.answers import answer, read_choice, read_flag, read_name
from grok2api.web.admin.audit import about
from grok2api.web.admin.auth import admit_admin
from grok2api.web.body import read_json
from grok2api.web.presence import ClientLeftError
from grok2api.web.state import state_of

# Words are checked by hand: the decoder would quote what stands in the wrong place.
_AUTO: Final = "auto"
Tags = Annotated[list[str], Meta(max_length=32)]
Limit = Annotated[int, Meta(ge=0, le=1000)]


class AddBody(Struct, frozen=True):
    """Sessions to be added; `auto` is basic until the upstream proves another tier."""

    tokens: list[str]
    pool: str = _AUTO
    tags: Tags = []


class PoolBody(Struct, frozen=True):
    """Accounts, or new sessions, that belong into a pool."""

    pool: str
    tokens: list[str]
    tags: Tags = []


class EditBody(Struct, frozen=True):
    """Changes to one account; what is not named stays."""

    id: str | None = None
    old_token: str | None = None
    token: str | None = None
    pool: str | None = None
    tags: Tags | None = None
    max_concurrency: Limit | None = None


class DisabledBody(Struct, frozen=True):
    """Whether one account is disabled."""

    disabled: bool
    id: str | None = None
    token: str | None = None


class DisabledBatchBody(Struct, frozen=True):
    """Whether several accounts are disabled."""

    tokens: list[str]
    disabled: bool


class Imported(Struct, frozen=True, kw_only=True):
    """What an import did, or would do. `count` were added, `skipped` known; none was removed."""

    status: Literal["success"] = "success"
    count: int
    skipped: int
    refused: list[RefusedLine]
    synced: bool = False
    ids: list[AccountId]
    deleted_at_source: int = 0
    tiers: dict[Tier, TierCount] = field(default_factory=dict)
    dry_run: bool = False


class PutInPool(Struct, frozen=True):
    """`count` accounts belong to the pool now that were named; `added` are new."""

    pool: Tier
    count: int
    added: list[AccountId]
    moved: list[AccountId]
    missing: list[AccountId]
    refused: list[RefusedLine]
    status: Literal["success"] = "success"


class Edited(Struct, frozen=True):
    """An account after its change; `token` is a hint of its session."""

    id: AccountId
    token: str
    pool: Tier
    status: Literal["success"] = "success"


class Deleted(Struct, frozen=True):
    """How many there were."""

    deleted: int
    missing: int


class Disabled(Struct, frozen=True):
    """What became of one account."""

    id: AccountId
    disabled: bool
    status: Literal["success"] = "success"


class Summary(Struct, frozen=True):
    """Of how many it is true."""

    total: int
    ok: int
    fail: int


class DisabledBatch(Struct, frozen=True):
    """What became of several accounts; `missing` there were not."""

    disabled: bool
    summary: Summary
    missing: list[AccountId]
    status: Literal["success"] = "success"


_ADD = msgspec.json.Decoder(AddBody)
_POOL = msgspec.json.Decoder(PoolBody)
_EDIT = msgspec.json.Decoder(EditBody)
_DISABLED = msgspec.json.Decoder(DisabledBody)
_DISABLED_BATCH = msgspec.json.Decoder(DisabledBatchBody)
_DISABLING: Final = {True: ActionName.DISABLE_ACCOUNTS, False: ActionName.RESTORE_ACCOUNTS}
_NAMES = msgspec.json.Decoder(list[str])


async def add_tokens(request: Request) -> Response:
    """Add sessions; those that are known stay as they are."""
    await admit_admin(request)
    body = await read_json(request, _ADD)
    tier = None if body.pool == _AUTO else read_choice(Tier, body.pool, "pool")
    about(request, detail=f"{len(body.tokens)} sessions")
    report = await state_of(request).operator.desk.add(body.tokens, tier=tier, tags=body.tags)
    _tell_import(request, report)
    return answer(_show_import(report))


async def import_tokens(request: Request) -> Response:
    """Import a file as it is; `dry_run` only tells what would be done."""
    await admit_admin(request)
    is_dry_run = read_flag(request, "dry_run", default=False)
    try:
        text = (await request.body()).decode("utf-8-sig")
    except ClientDisconnect:
        raise ClientLeftError from None
    except UnicodeDecodeError:
        raise InvalidRequestError("The request body is not UTF-8 text.") from None
    if not text.strip():
        raise InvalidRequestError(
            "The request has no body. Send the file as it is.", code="missing_body"
        )
    accounts = state_of(request).operator.accounts
    report = await accounts.import_text(text, is_dry_run=is_dry_run)
    _tell_import(request, report)
    if not (report.added or report.known or report.skipped):
        why = f" {report.refused[0].why}" if report.refused else ""
        raise InvalidRequestError(f"There is no account in this body.{why}", param="body")
    return answer(_show_import(report))


async def put_pool(request: Request) -> Response:
    """Bring accounts into a pool; those of the pool that are not named stay in it."""
    await admit_admin(request)
    body = await read_json(request, _POOL)
    tier = read_choice(Tier, body.pool, "pool")
    about(request, *_ids_among(body.tokens), detail=f"{len(body.tokens)} to {tier}")
    desk = state_of(request).operator.desk
    report = await desk.put_in_pool(tier, body.tokens, body.tags)
    if not (report.added or report.moved):
        if report.missing:
            raise account_not_found("tokens")
        raise InvalidRequestError("There is no valid token among these.", param="tokens")
    count = len(report.added) + len(report.moved)
    about(request, *report.added, *report.moved, detail=f"{count} to {tier}")
    return answer(
        PutInPool(tier, count, report.added, report.moved, report.missing, report.refused)
    )


async def edit_token(request: Request) -> Response:
    """Change one account; with another session it gets another id."""
    await admit_admin(request)
    body = await read_json(request, _EDIT)
    name, param = read_name({"id": body.id, "old_token": body.old_token})
    change = AccountChange(
        session=body.token,
        tier=None if body.pool is None else read_choice(Tier, body.pool, "pool"),
        tags=None if body.tags is None else tuple(body.tags),
        max_concurrency=body.max_concurrency,
    )
    if change == AccountChange():
        raise InvalidRequestError(
            "Name what is to change: token, pool, tags or max_concurrency.",
            code="missing_required_parameter",
        )
    operator = state_of(request).operator
    detail = ", ".join(
        what for what in change.__struct_fields__ if getattr(change, what) is not None
    )
    about(request, operator.names.resolve(name, param=param), detail=detail)
    account_id = await operator.desk.edit(name, change, param=param)
    account = await operator.search.get(account_id)
    if account is None:
        raise account_not_found(param)
    return answer(Edited(account_id, account.mask, account.pool.tier))


async def delete_tokens(request: Request) -> Response:
    """Delete accounts so that they can be restored for a while."""
    await admit_admin(request)
    names = await read_json(request, _NAMES)
    about(request, *_ids_among(names), detail=f"{len(names)} accounts")
    done = await state_of(request).operator.desk.delete(names)
    deleted = sum(done.values())
    about(request, *done, detail=f"{deleted} of {len(done)} accounts")
    return answer(Deleted(deleted, len(done) - deleted))


async def set_disabled(request: Request) -> Response:
    """Disable or restore one account."""
    await admit_admin(request)
    body = await read_json(request, _DISABLED)
    name, param = read_name({"id": body.id, "token": body.token})
    operator = state_of(request).operator
    account_id = operator.names.resolve(name, param=param)
    about(request, account_id, action=_DISABLING[body.disabled])
    act = operator.actions.disable if body.disabled else operator.actions.restore
    if not await act(account_id):
        raise account_not_found(param)
    return answer(Disabled(account_id, body.disabled))


async def set_disabled_batch(request: Request) -> Response:
    """Disable or restore several accounts."""
    await admit_admin(request)
    body = await read_json(request, _DISABLED_BATCH)
    action, detail = _DISABLING[body.disabled], f"{len(body.tokens)} accounts"
    about(request, *_ids_among(body.tokens), detail=detail, action=action)
    desk = state_of(request).operator.desk
    done = await desk.set_disabled(body.tokens, is_disabled=body.disabled)
    about(request, *done, detail=detail, action=action)
    missing = [account_id for account_id, is_there in done.items() if not is_there]
    if len(missing) == len(done):
        raise account_not_found("tokens")
    summary = Summary(len(done), len(done) - len(missing), len(missing))
    return answer(DisabledBatch(body.disabled, summary, missing))


def _ids_among(names: Iterable[str]) -> Iterable[str]:
    """Return those names that are ids; what else there is may be sessions."""
    return (name for name in names if is_account_id(name))


def _tell_import(request: Request, report: ImportReport) -> None:
    trial = " (only tried)" if report.is_dry_run else ""
    counts = f"{len(report.added)} new, {len(report.known)} known, {len(report.refused)} refused"
    about(request, *report.added, detail=counts + trial)


def _show_import(report: ImportReport) -> Imported:
    return Imported(
        count=len(report.added),
        skipped=len(report.known),
        refused=report.refused,
        ids=report.added,
        deleted_at_source=report.skipped,
        tiers=report.tiers,
        dry_run=report.is_dry_run,
    )
