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
    """What was just made, in clear, to be shown once.

    `admin_password` is "" where the operator has set one himself.
    """

    client_key: str
    admin_password: str


class Setup:
    """Makes the first credentials. `password` is the operator's own, "" to make one up."""

    __slots__ = ("_keys", "_password", "_store")

    def __init__(self, store: SetupStore, keys: ClientKeys, *, password: str = "") -> None:
        self._store = store
        self._keys = keys
        self._password = password

    async def ensure_credentials(self) -> FirstCredentials | None:
        """Make the first credentials; None where they have been made before, by anybody."""
        if await self._store.is_done():
            return None
        record, plain = self._keys.draft("first")
        made_up = "" if self._password else secrets.token_urlsafe(12)
        hashed = await asyncio.to_thread(_HASHER.hash, self._password or made_up)
        claimed = await self._store.claim(record, digest_key(plain), hashed)
        return FirstCredentials(plain, made_up) if claimed else None
