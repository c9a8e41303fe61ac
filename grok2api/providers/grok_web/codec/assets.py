"""What an account keeps at grok.com: its list, and which of it may be fetched from where."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode, urlsplit

from msgspec import Struct

from grok2api.domain.upstream import UpstreamRequest
from grok2api.errors import UpstreamProtocolError
from grok2api.providers.grok_web.codec.failure import decode_json
from grok2api.providers.grok_web.codec.identity import Headers
from grok2api.providers.grok_web.codec.loose import Loose, as_list, as_mapping, as_text, first_text
from grok2api.providers.grok_web.codec.urls import asset_url
from grok2api.providers.media import Asset, AssetPage

MAX_PAGE_BYTES: Final = 4 * 1024 * 1024
_PAGE_SIZE: Final = 50
_OTHER_HOST: Final = "https://imgen.x.ai"
_NO_TYPE: Final = frozenset({"", "application/octet-stream", "binary/octet-stream"})
_NO_FILE: Final = (b"<", b"{")


class Place(Struct, frozen=True):
    """Where a file lies, and whether its host must know whose it is."""

    url: str
    needs_session: bool


class Places:
    """The only hosts that files are fetched from."""

    __slots__ = ("_assets", "_public", "_with_session")

    def __init__(self, *, assets_url: str, public_url: str) -> None:
        self._assets = assets_url
        self._with_session = frozenset({_origin(assets_url), _origin(_OTHER_HOST)})
        self._public = _origin(public_url)

    def find(self, url: str) -> Place | None:
        """Return where `url` leads, a path below the assets included; None for anywhere else."""
        whole = asset_url(self._assets, url)
        if not whole:
            return None
        origin = _origin(whole)
        if origin in self._with_session:
            return Place(whole, needs_session=True)
        return Place(whole, needs_session=False) if origin == self._public else None


def list_query(base_url: str, headers: Headers, token: str) -> UpstreamRequest:
    """Build the request for a page of the list; a `token` of "" asks for the first one."""
    query = {
        "pageSize": _PAGE_SIZE,
        "orderBy": "ORDER_BY_LAST_USE_TIME",
        "source": "SOURCE_ANY",
        "isLatest": "true",
    }
    wanted = urlencode({**query, "pageToken": token} if token else query)
    return UpstreamRequest("GET", f"{base_url}/rest/assets?{wanted}", headers)


def read_page(body: bytes) -> AssetPage:
    """Return what a page of the list holds; entries without an id are left out.

    Raises:
        UpstreamProtocolError: it is no list.
    """
    root = decode_json(body)
    if not isinstance(root, dict):
        raise UpstreamProtocolError(
            "The upstream answered in a way we do not understand.", code="upstream_protocol_error"
        )
    entries = as_list(root.get("assets")) or as_list(root.get("items"))
    found = (_read_asset(as_mapping(entry)) for entry in entries)
    token = first_text(root, "nextPageToken")
    return AssetPage(tuple(asset for asset in found if asset.id), token)


def _read_asset(entry: Loose) -> Asset:
    size = first_text(entry, "fileSize", "size", "sizeBytes")
    return Asset(
        id=first_text(entry, "assetId", "id"),
        name=first_text(entry, "fileName", "name"),
        media_type=first_text(entry, "contentType", "content_type"),
        size_bytes=int(size) if size.isdecimal() else 0,
        created_at=first_text(entry, "createdAt", "created_at"),
    )


def media_type_of(headers: Mapping[str, str]) -> str:
    """Return the media type without its parameters, "" for none."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def size_of(headers: Mapping[str, str]) -> int | None:
    """Return how large the file is, None where that is not told."""
    size = as_text(headers.get("content-length")).strip()
    is_coded = headers.get("content-encoding", "identity").strip().lower() not in {"", "identity"}
    return int(size) if size.isdecimal() and not is_coded else None


def is_fit(media_type: str, head: bytes, *, is_video: bool) -> bool:
    """Whether an answer of this type that begins so can be the file, and not words about it."""
    start = head.lstrip()
    if not start or start.startswith(_NO_FILE):
        return False
    if is_video:
        return media_type in _NO_TYPE or media_type.startswith("video/")
    return not media_type or media_type.startswith("image/")


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    port = parts.port or {"https": 443, "http": 80}.get(parts.scheme.lower())
    return parts.scheme.lower(), (parts.hostname or "").lower(), port
