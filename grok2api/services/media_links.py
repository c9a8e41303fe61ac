"""Links to kept pictures and videos: made so that they open by themselves, and checked."""

import base64
import hmac
import math
from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from grok2api.clock import Clock
from grok2api.config.media import MediaSettings
from grok2api.domain.ids import MediaId
from grok2api.domain.media import (
    MEDIA_ID_CHARS,
    LinkMode,
    MediaKind,
    StoredMedia,
    is_media_id,
)
from grok2api.errors import InvalidRequestError, PermissionDeniedError

VIEW_TTL_S: Final = 3600.0
"""How long an operator's link opens."""
MAX_STEP_S: Final = 3600
"""Links made within so many seconds are the same, so that nobody fetches the same file again."""
SIGNATURE_BYTES: Final = 24

_PATHS: Final = {MediaKind.IMAGE: "/v1/files/image", MediaKind.VIDEO: "/v1/files/video"}
_STEPS_PER_LIFE: Final = 4


class Opening(Struct, frozen=True):
    """A link that opens. `left_s` is how long it still does, None where that has no end."""

    left_s: float | None
    is_public: bool = False
    """Whether anybody may have what it opens, in any cache."""


def read_media_id(text: str) -> MediaId:
    """Return the id that `text` is.

    Raises:
        InvalidRequestError: it is none; what it is instead is not repeated.
    """
    if not is_media_id(text):
        raise InvalidRequestError(
            f"'id' must be {MEDIA_ID_CHARS} hexadecimal digits, as in the link you were given.",
            param="id",
            code="invalid_file_id",
        )
    return MediaId(text)


class MediaLinks:
    """Makes and checks links, the same in every process that has the same secret keys.

    The first key signs and all of them verify, as with everything else the keys are for: a new key
    goes in front, and links of the old one open as long as it stays. Each purpose has a key of its
    own, made of the secret one, so that no signature means anything elsewhere.
    """

    __slots__ = ("_clock", "_link_keys", "_mode", "_ttl_s", "_view_keys")

    def __init__(self, secret_keys: Sequence[bytes], settings: MediaSettings, clock: Clock) -> None:
        self._link_keys = _derive(secret_keys, b"grok2api media link")
        self._view_keys = _derive(secret_keys, b"grok2api media view")
        self._mode = LinkMode(settings.link_mode)
        self._ttl_s = settings.link_ttl_s
        self._clock = clock

    def link(self, media: StoredMedia, base: str = "") -> str:
        """Return the link that a client is given; `base` is an address or "" for a bare path."""
        return self.link_to(media.kind, media.id, base)

    def link_to(self, kind: MediaKind, media_id: MediaId, base: str = "") -> str:
        """Return the link to what is kept under an id."""
        path = _path(kind, media_id, base)
        if self._mode is not LinkMode.SIGNED:
            return path
        expiry = self._expiry(self._ttl_s)
        signature = _sign(self._link_keys[0], kind, media_id, expiry)
        return f"{path}{expiry and f'&exp={expiry}'}&sig={signature}"

    def view_link(self, media: StoredMedia, base: str = "") -> str:
        """Return a link for an operator's page: for a while it opens in every mode."""
        expiry = self._expiry(VIEW_TTL_S)
        signature = _sign(self._view_keys[0], media.kind, media.id, expiry)
        return f"{_path(media.kind, media.id, base)}&exp={expiry}&view={signature}"

    def check(self, kind: MediaKind, media_id: MediaId, query: Mapping[str, str]) -> Opening | None:
        """Return how far a link opens; None where links do not count, but client keys.

        `query` is what stands in it besides the id.

        Raises:
            PermissionDeniedError: its signature is missing or not ours (`invalid_link`), or its
                time is over (`link_expired`).
        """
        if self._mode is LinkMode.OPEN:
            return Opening(None, is_public=True)
        expiry = query.get("exp", "")
        if "view" in query:
            self._verify(self._view_keys, (kind, media_id, expiry), query["view"])
        elif self._mode is LinkMode.KEY:
            return None
        else:
            self._verify(self._link_keys, (kind, media_id, expiry), query.get("sig", ""))
        if not expiry:
            return Opening(None)
        left_s = int(expiry) - self._clock.now_s()
        if left_s <= 0:
            raise PermissionDeniedError("This link has expired.", param="exp", code="link_expired")
        return Opening(left_s)

    def _verify(
        self, keys: Sequence[bytes], signed: tuple[MediaKind, MediaId, str], signature: str
    ) -> None:
        kind, media_id, expiry = signed
        given = signature.encode("utf-8", "surrogatepass")
        is_ours = False
        for key in keys:
            expected = _sign(key, kind, media_id, expiry).encode()
            is_ours |= hmac.compare_digest(expected, given)
        if not is_ours:
            raise PermissionDeniedError(
                "This link is not whole, or was changed: its signature does not fit. "
                "Use it exactly as it was given, or send an API key.",
                param="sig",
                code="invalid_link",
            )

    def _expiry(self, ttl_s: float) -> str:
        """Return when a link made now ends, in seconds since epoch; "" for never."""
        if not ttl_s:
            return ""
        step_s = max(1, min(MAX_STEP_S, int(ttl_s) // _STEPS_PER_LIFE))
        return str(math.ceil((self._clock.now_s() + ttl_s) / step_s) * step_s)


def _path(kind: MediaKind, media_id: MediaId, base: str) -> str:
    return f"{base}{_PATHS[kind]}?id={media_id}"


def _derive(secret_keys: Sequence[bytes], purpose: bytes) -> tuple[bytes, ...]:
    return tuple(hmac.digest(key, purpose, "sha256") for key in secret_keys)


def _sign(key: bytes, kind: MediaKind, media_id: MediaId, expiry: str) -> str:
    text = f"{kind}\n{media_id}\n{expiry}".encode("utf-8", "surrogatepass")
    return base64.urlsafe_b64encode(hmac.digest(key, text, "sha256")[:SIGNATURE_BYTES]).decode()
