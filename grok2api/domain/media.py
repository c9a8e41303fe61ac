"""Media: pictures and videos that are kept, and what they are called."""

import re
from enum import StrEnum
from typing import Final

from msgspec import Struct

from grok2api.domain.ids import MediaId

MEDIA_ID_CHARS: Final = 32

ENDINGS: Final = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/webp": "webp",
    "image/gif": "gif",
    "video/mp4": "mp4",
    "video/webm": "webm",
}
"""The types that are shown, and how names of such files end."""
OTHER_ENDING: Final = "bin"
_TYPES: Final = {ending: media_type for media_type, ending in ENDINGS.items()}
_ID: Final = re.compile(rf"[0-9a-f]{{{MEDIA_ID_CHARS}}}")
_PLACE: Final = re.compile(
    rf"(image|video|input)/([0-9a-f]{{2}})/(\2[0-9a-f]{{{MEDIA_ID_CHARS - 2}}})"
    r"\.[0-9a-f]{8}\.([a-z0-9]{1,5})"
)


class MediaKind(StrEnum):
    """What is kept, each kind within a limit of its own."""

    IMAGE = "image"
    VIDEO = "video"
    INPUT = "input"
    """A picture that a client gave for a job; it goes when the job has ended."""


class StoredMedia(Struct, frozen=True, kw_only=True):
    """One kept object. Times are seconds since epoch.

    `id` is made of its content: the first 32 hex digits of its SHA-256. `place` is where its bytes
    lie in the object store; the same content kept anew lies at another place.
    """

    id: MediaId
    kind: MediaKind
    media_type: str
    size_bytes: int
    place: str
    created_at_s: float
    used_at_s: float


class MediaPlace(Struct, frozen=True):
    """What the name of a place says about the object that is there."""

    kind: MediaKind
    id: MediaId
    media_type: str


class MediaPage(Struct, frozen=True, kw_only=True):
    """Some of what is kept, the newest first. `next_cursor` is "" on the last page.

    A cursor is how many come before, in decimal: it moves when something comes or goes.
    """

    items: tuple[StoredMedia, ...]
    next_cursor: str
    total: int


class MediaUsage(Struct, frozen=True, kw_only=True):
    """What one kind takes up. `limit_bytes` is None without a limit; `reserved_bytes` come soon."""

    kind: MediaKind
    count: int
    size_bytes: int
    reserved_bytes: int
    limit_bytes: int | None


class LinkMode(StrEnum):
    """Who may open the link of a kept file."""

    SIGNED = "signed"
    KEY = "key"
    OPEN = "open"


def is_media_id(text: str) -> bool:
    """Return whether `text` can be an id; nothing else may reach a store."""
    return _ID.fullmatch(text) is not None


def build_place(kind: MediaKind, media_id: MediaId, media_type: str, nonce: str) -> str:
    """Return where bytes are put; `nonce` is eight hex digits that nobody else has."""
    ending = ENDINGS.get(media_type, OTHER_ENDING)
    return f"{kind.value}/{media_id[:2]}/{media_id}.{nonce}.{ending}"


def parse_place(place: str) -> MediaPlace | None:
    """Return what `place` says, or None if it is no place of media."""
    match = _PLACE.fullmatch(place)
    if match is None:
        return None
    media_type = _TYPES.get(match[4], "application/octet-stream")
    return MediaPlace(MediaKind(match[1]), MediaId(match[3]), media_type)


def sniff_media_type(head: bytes) -> str:
    """Return the type that the first bytes of a file show (12 are enough), "" if unknown."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "image/webp"
    if head.startswith(b"\x1aE\xdf\xa3"):
        return "video/webm"
    return "video/mp4" if head[4:8] == b"ftyp" else ""
