"""The first start: one client key and the admin password, made once for the whole cluster."""

import asyncio
import secrets

from argon2 import PasswordHasher
from msgspec import Struct

from grok2api.services.client_keys import ClientKeys, digest_key
from grok2api.store.setup import SetupStore

# OWASP's floor; more memory per attempt would let parallel log-ins exhaust the machine.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


class FirstCredentials(Struct, frozen=True):
    """What was just made, in clear, to be shown once."""

    client_key: str
    admin_password: str


class Setup:
    """Makes the first credentials."""

    __slots__ = ("_keys", "_store")

    def __init__(self, store: SetupStore, keys: ClientKeys) -> None:
        self._store = store
        self._keys = keys

    async def ensure_credentials(self) -> FirstCredentials | None:
        """Make the first credentials; None where they have been made before, by anybody."""
        if await self._store.is_done():
            return None
        record, plain = self._keys.draft("first")
        password = secrets.token_urlsafe(12)
        hashed = await asyncio.to_thread(_HASHER.hash, password)
        claimed = await self._store.claim(record, digest_key(plain), hashed)
        return FirstCredentials(plain, password) if claimed else None
