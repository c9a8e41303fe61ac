"""Administrative routes of kept pictures and videos, in the form that older pages know."""

from enum import StrEnum
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response

from grok2api.domain.ids import MediaId
from grok2api.domain.media import (
    ENDINGS,
    OTHER_ENDING,
    MediaKind,
    MediaUsage,
    StoredMedia,
    is_media_id,
)
from grok2api.errors import InvalidRequestError, NotFoundError
from grok2api.web.admin.answers import answer, read_choice, read_number
from grok2api.web.admin.auth import admit_admin
from grok2api.web.body import read_json
from grok2api.web.media_response import name_of
from grok2api.web.public_url import public_url
from grok2api.web.state import AppState, state_of

MAX_NAMES: Final = 1000
MAX_PAGE: Final = 1000
DEFAULT_PAGE: Final = 100

_BYTES_PER_MB: Final = 1024 * 1024


class Cached(StrEnum):
    """What operators see; pictures that clients gave go by themselves."""

    IMAGE = "image"
    VIDEO = "video"


class UsageBody(Struct, frozen=True, kw_only=True):
    """What one kind takes up; limits are 0 and shares null where there is none."""

    count: int
    size_mb: float
    size_bytes: int
    reserved_bytes: int
    limit_mb: float
    limit_bytes: int
    limited: bool
    usage_ratio: float | None
    usage_percent: float | None


class CacheBody(Struct, frozen=True):
    """What is kept."""

    local_image: UsageBody
    local_video: UsageBody


class ItemView(Struct, frozen=True, kw_only=True):
    """One kept file; times are seconds since epoch. `view_url` opens for an hour at least."""

    name: str
    size_bytes: int
    modified_at: float
    used_at: float
    media_type: str
    view_url: str


class ListBody(Struct, frozen=True, kw_only=True):
    """A page of kept files, newest first; `total` is how many there are in all.

    `page` is its number, where all pages before it were as large.
    """

    status: Literal["success"] = "success"
    total: int
    page: int
    page_size: int
    next_cursor: str | None
    items: list[ItemView]


class ClearBody(Struct, frozen=True):
    """Which kind goes as a whole."""

    type: str


class NameBody(Struct, frozen=True):
    """One file; older pages know it by a name with an extension, an id alone will do."""

    type: str
    name: str = ""


class NamesBody(Struct, frozen=True):
    """Several files."""

    type: str
    names: Annotated[list[str], Meta(max_length=MAX_NAMES)] = []


class Removed(Struct, frozen=True):
    """So many files went."""

    removed: int


class DeletedItem(Struct, frozen=True):
    """The name of the file that went."""

    deleted: str


class DeletedItems(Struct, frozen=True):
    """How many went, and how many were not there."""

    deleted: int
    missing: int


class ResultBody(Struct, frozen=True):
    """What became of a request."""

    result: Removed | DeletedItem | DeletedItems
    status: Literal["success"] = "success"


_CLEAR = msgspec.json.Decoder(ClearBody)
_NAME_BODY = msgspec.json.Decoder(NameBody)
_NAMES_BODY = msgspec.json.Decoder(NamesBody)


async def usage(request: Request) -> Response:
    """Tell how much is kept, and how near its limit it is."""
    await admit_admin(request)
    by_kind = {found.kind: found for found in await state_of(request).media.usage()}
    return answer(
        CacheBody(
            local_image=_show_usage(by_kind[MediaKind.IMAGE]),
            local_video=_show_usage(by_kind[MediaKind.VIDEO]),
        )
    )


async def list_items(request: Request) -> Response:
    """List kept files, page by page."""
    await admit_admin(request)
    state, params = state_of(request), request.query_params
    given = params.get("type") or params.get("cache_type") or Cached.IMAGE.value
    kind = _read_kind(given)
    limit = read_number(request, "page_size", default=DEFAULT_PAGE)
    if not 1 <= limit <= MAX_PAGE:
        raise InvalidRequestError(
            f"page_size must be 1 to {MAX_PAGE}.", param="page_size", code="invalid_value"
        )
    page = read_number(request, "page", default=1)
    if page < 1:
        raise InvalidRequestError("page must be 1 or more.", param="page", code="invalid_value")
    # A cursor is how many come before; so a page is one too.
    skip = read_number(request, "cursor", default=(page - 1) * limit)
    found = await state.media.list_page(kind, str(skip), limit)
    base = public_url(request)
    return answer(
        ListBody(
            total=found.total,
            page=skip // limit + 1,
            page_size=limit,
            next_cursor=found.next_cursor or None,
            items=[_show_item(state, media, base) for media in found.items],
        )
    )


async def clear(request: Request) -> Response:
    """Delete everything of a kind."""
    await admit_admin(request)
    body = await read_json(request, _CLEAR)
    removed = await state_of(request).media.clear(_read_kind(body.type))
    return answer(ResultBody(Removed(removed)))


async def delete_item(request: Request) -> Response:
    """Delete one file."""
    await admit_admin(request)
    body = await read_json(request, _NAME_BODY)
    kind = _read_kind(body.type)
    if not body.name:
        raise InvalidRequestError("Name a file.", param="name", code="missing_file_name")
    if not await state_of(request).media.delete(kind, _read_name(kind, body.name, "name")):
        raise NotFoundError("There is no such file.", param="name", code="file_not_found")
    return answer(ResultBody(DeletedItem(body.name)))


async def delete_items(request: Request) -> Response:
    """Delete several files; each name is looked at before any of them goes."""
    await admit_admin(request)
    body = await read_json(request, _NAMES_BODY)
    kind = _read_kind(body.type)
    if not body.names:
        raise InvalidRequestError("Name files.", param="names", code="missing_file_names")
    library = state_of(request).media
    ids = dict.fromkeys(_read_name(kind, name, "names") for name in body.names)
    deleted = 0
    for media_id in ids:
        deleted += await library.delete(kind, media_id)
    return answer(ResultBody(DeletedItems(deleted, len(ids) - deleted)))


def _read_kind(given: str) -> MediaKind:
    return MediaKind(read_choice(Cached, given, "type"))


def _read_name(kind: MediaKind, name: str, param: str) -> MediaId:
    stem, dot, ending = name.partition(".")
    own = {own for media_type, own in ENDINGS.items() if media_type.startswith(f"{kind}/")}
    if not is_media_id(stem) or (dot and ending not in own | {OTHER_ENDING}):
        raise InvalidRequestError(
            "This is not the name of a kept file of this type.",
            param=param,
            code="invalid_file_name",
        )
    return MediaId(stem)


def _show_usage(found: MediaUsage) -> UsageBody:
    limit = found.limit_bytes
    share = found.size_bytes / limit if limit else None
    return UsageBody(
        count=found.count,
        size_mb=_megabytes(found.size_bytes),
        size_bytes=found.size_bytes,
        reserved_bytes=found.reserved_bytes,
        limit_mb=_megabytes(limit or 0),
        limit_bytes=limit or 0,
        limited=limit is not None,
        usage_ratio=None if share is None else round(share, 4),
        usage_percent=None if share is None else round(share * 100, 2),
    )


def _megabytes(size_bytes: int) -> float:
    return round(size_bytes / _BYTES_PER_MB, 2)


def _show_item(state: AppState, media: StoredMedia, base: str) -> ItemView:
    return ItemView(
        name=name_of(media),
        size_bytes=media.size_bytes,
        modified_at=media.created_at_s,
        used_at=media.used_at_s,
        media_type=media.media_type,
        view_url=state.links.view_link(media, base),
    )
