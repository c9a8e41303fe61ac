"""Media: pictures and videos that are kept, and what they are called."""

from enum import StrEnum
from typing import Final

from msgspec import Struct

from grok2api.domain.ids import MediaId

MEDIA_ID_CHARS: Final = 32


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
