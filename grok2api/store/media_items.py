"""Lists of kept media as scripts pack them."""

from typing import Final

import msgspec

from grok2api.domain.ids import MediaId
from grok2api.domain.media import MediaKind, StoredMedia

_DECODER: Final = msgspec.msgpack.Decoder(list[tuple[MediaId, str, str, int, int, int]])


def decode_items(kind: MediaKind, packed: bytes) -> tuple[StoredMedia, ...]:
    """Return what a script has packed: id, place, media type, size, made at, last use."""
    return tuple(
        StoredMedia(
            id=media_id,
            kind=kind,
            media_type=media_type,
            size_bytes=size,
            place=place,
            created_at_s=created_ms / 1000,
            used_at_s=used_ms / 1000,
        )
        for media_id, place, media_type, size, created_ms, used_ms in _items(packed)
    )


def _items(packed: bytes) -> list[tuple[MediaId, str, str, int, int, int]]:
    # Lua knows one empty table: it packs no items as an empty map.
    return [] if packed == b"\x80" else _DECODER.decode(packed)
