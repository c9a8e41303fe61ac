"""Client keys: who may call us. Only digests of keys are stored."""

import builtins
from collections.abc import Callable
from typing import Final

import msgspec
from msgspec import Struct

from grok2api.domain.client_key import ClientKey
from grok2api.domain.ids import ClientKeyId
from grok2api.store import keys, reads
from grok2api.store.connection import RedisClient
from grok2api.store.script import Script

_PAGE: Final = 500
_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(ClientKey)


class Saved(Struct, frozen=True, array_like=True, tag="saved"):
    """The key was added."""


class Known(Struct, frozen=True, array_like=True, tag="known"):
    """There is a key with this id or digest; nothing changed."""


class Found(Struct, frozen=True, array_like=True, tag="found"):
    """The key is one of ours."""

    record: bytes


class Edited(Struct, frozen=True, array_like=True, tag="edited"):
    """The record is as it shall be."""


class Changed(Struct, frozen=True, array_like=True, tag="changed"):
    """Somebody else was faster; nothing changed."""

    record: bytes


class Removed(Struct, frozen=True, array_like=True, tag="removed"):
    """The key is revoked."""


class Unknown(Struct, frozen=True, array_like=True, tag="unknown"):
    """There is no such key."""


def encode_client_key(key: ClientKey) -> bytes:
    """Return what is stored of a client key."""
    return _ENCODER.encode(key)


def decode_client_key(record: bytes) -> ClientKey:
    """Return the client key that is stored so."""
    return _DECODER.decode(record)


class ClientKeyStore:
    """Client keys. `digest` is the SHA-256 of the whole key, in hex."""

    def __init__(self, redis: RedisClient) -> None:
        self._redis = redis
        self._save: Script[Saved | Known] = Script(redis, "client_key/save", Saved | Known)
        self._find: Script[Found | Unknown] = Script(redis, "client_key/find", Found | Unknown)
        self._edit: Script[Edited | Changed | Unknown] = Script(
            redis, "client_key/edit", Edited | Changed | Unknown
        )
        self._remove: Script[Removed | Unknown] = Script(
            redis, "client_key/remove", Removed | Unknown
        )

    async def save(self, key: ClientKey, digest: str) -> bool:
        """Add a key; False if its id or digest is known, which changes nothing."""
        reply = await self._save(
            keys={
                "records": keys.client_key_records(),
                "digests": keys.client_key_digests(),
                "digest_of": keys.client_key_digest_of(),
                "index": keys.client_key_index(),
            },
            args={"key_id": key.id, "digest": digest, "record": encode_client_key(key)},
        )
        return isinstance(reply, Saved)

    async def find(self, digest: str) -> ClientKey | None:
        """Return the key with this digest, enabled or not."""
        reply = await self._find(
            keys={"records": keys.client_key_records(), "digests": keys.client_key_digests()},
            args={"digest": digest},
        )
        return decode_client_key(reply.record) if isinstance(reply, Found) else None

    async def get(self, key_id: ClientKeyId) -> ClientKey | None:
        """Return the key of this id."""
        record = await reads.hash_get(self._redis, keys.client_key_records(), key_id)
        return None if record is None else decode_client_key(record)

    async def edit(
        self, key_id: ClientKeyId, change: Callable[[ClientKey], ClientKey]
    ) -> ClientKey | None:
        """Change a key and return it, None if there is none of this id.

        `change` is called again where somebody else has changed the key meanwhile: nothing that
        two people change at the same time is lost.
        """
        record = await reads.hash_get(self._redis, keys.client_key_records(), key_id)
        while record is not None:
            after = change(decode_client_key(record))
            reply = await self._edit(
                keys={"records": keys.client_key_records()},
                args={"key_id": key_id, "before": record, "after": encode_client_key(after)},
            )
            if isinstance(reply, Edited):
                return after
            record = reply.record if isinstance(reply, Changed) else None
        return None

    async def revoke(self, key_id: ClientKeyId) -> bool:
        """Remove a key; False if there is none of this id."""
        reply = await self._remove(
            keys={
                "records": keys.client_key_records(),
                "digests": keys.client_key_digests(),
                "digest_of": keys.client_key_digest_of(),
                "index": keys.client_key_index(),
                "usage": keys.client_key_usage(),
            },
            args={"key_id": key_id},
        )
        return isinstance(reply, Removed)

    async def list(self) -> builtins.list[ClientKey]:
        """Return all keys, oldest first."""
        found: builtins.list[ClientKey] = []
        after = ""
        while ids := await reads.range_after(self._redis, keys.client_key_index(), after, _PAGE):
            records = await reads.hash_get_many(self._redis, keys.client_key_records(), ids)
            found += [decode_client_key(record) for record in records if record is not None]
            after = ids[-1]
        return sorted(found, key=lambda key: (key.created_at_s, key.id))
