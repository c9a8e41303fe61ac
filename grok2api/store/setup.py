"""What the first start stores, once for all hosts that share the store."""

from msgspec import Struct

from grok2api.domain.client_key import ClientKey
from grok2api.store import keys, reads
from grok2api.store.client_keys import encode_client_key
from grok2api.store.connection import RedisClient
from grok2api.store.script import Script


class Claimed(Struct, frozen=True, array_like=True, tag="claimed"):
    """The credentials of this call are the ones that count."""


class Exists(Struct, frozen=True, array_like=True, tag="exists"):
    """Another call was first; nothing changed."""


class SetupStore:
    """The first credentials."""

    def __init__(self, redis: RedisClient) -> None:
        self._redis = redis
        self._claim: Script[Claimed | Exists] = Script(redis, "setup/claim", Claimed | Exists)

    async def is_done(self) -> bool:
        """Whether the first credentials have been made, by anybody."""
        return await self.admin_password_hash() is not None

    async def admin_password_hash(self) -> str | None:
        """Return the hash of the admin password, None before the first start."""
        found = await reads.hash_get(self._redis, keys.setup_claims(), "admin_password")
        return None if found is None else found.decode()

    async def claim(self, key: ClientKey, digest: str, password_hash: str) -> bool:
        """Store the first client key and the admin password's hash, if nobody has yet.

        `digest` is the SHA-256 of the whole key, in hex. Returns whether this call was the first.
        """
        reply = await self._claim(
            keys={
                "claims": keys.setup_claims(),
                "records": keys.client_key_records(),
                "digests": keys.client_key_digests(),
                "digest_of": keys.client_key_digest_of(),
                "index": keys.client_key_index(),
            },
            args={
                "password_hash": password_hash,
                "key_id": key.id,
                "digest": digest,
                "record": encode_client_key(key),
            },
        )
        return isinstance(reply, Claimed)
