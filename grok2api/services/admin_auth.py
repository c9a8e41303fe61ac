"""The administrator's password: checked for every administrative request."""

import asyncio
import hashlib
import hmac
import secrets
from collections import OrderedDict
from functools import partial
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from grok2api.clock import Clock
from grok2api.errors import AuthenticationError, RateLimitExceededError
from grok2api.store.setup import SetupStore

MAX_PASSWORD_BYTES: Final = 1024
MAX_VERIFYING: Final = 4
"""Slow checks at once, per process: each takes a thread and some 20 MB."""
MAX_WAITING: Final = 32
REMEMBERED_S: Final = 60.0
MAX_REMEMBERED: Final = 8
RETRY_AFTER_S: Final = 2.0

_HASHER = PasswordHasher()


class AdminAuth:
    """Knows the administrator by his password.

    `password` is the operator's own (`app.app_key`); where it is "", the one made at the first
    start counts, of which only a slow hash is kept. A password that was right is remembered for
    `REMEMBERED_S` seconds as a digest under a key of this process, so that not every request pays
    for the slow hash; it is worth nothing once another password is stored.
    """

    __slots__ = ("_clock", "_key", "_password", "_remembered", "_slots", "_store", "_waiting")

    def __init__(self, store: SetupStore, clock: Clock, *, password: str = "") -> None:
        self._store = store
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._password = self._digest(password.encode()) if password else None
        self._remembered: OrderedDict[bytes, float] = OrderedDict()
        self._slots = asyncio.Semaphore(MAX_VERIFYING)
        self._waiting = 0

    async def check(self, presented: str | None) -> None:
        """Return if `presented` is the administrator's password.

        Raises:
            AuthenticationError: it is not, or there is none.
            RateLimitExceededError: too many checks wait for their turn already.
            StoreUnavailableError: the stored hash cannot be read now.
        """
        if not presented:
            raise AuthenticationError(
                "The administrator's password is needed. "
                "Send it as 'Authorization: Bearer YOUR_PASSWORD'."
            )
        password = presented.encode("utf-8", "surrogatepass")
        if len(password) > MAX_PASSWORD_BYTES or not await self._is_right(password):
            raise AuthenticationError("This is not the administrator's password.")

    async def _is_right(self, password: bytes) -> bool:
        if self._password is not None:
            return hmac.compare_digest(self._digest(password), self._password)
        hashed = await self._store.admin_password_hash()
        if hashed is None:
            return False
        digest = self._digest(password, hashed.encode())
        if self._is_remembered(digest):
            return True
        await self._take_slot()
        if self._is_remembered(digest):  # another request has asked the same meanwhile
            self._slots.release()
            return True
        verifying = asyncio.get_running_loop().run_in_executor(None, _verify, hashed, password)
        # Threads cannot be stopped: the slot is free when the work is done, not when nobody waits.
        verifying.add_done_callback(partial(self._finish, digest))
        return await asyncio.shield(verifying)

    def _finish(self, digest: bytes, verified: asyncio.Future[bool]) -> None:
        # First, so that who gets the slot need not do the same work.
        if not verified.cancelled() and verified.exception() is None and verified.result():
            self._remember(digest)
        self._slots.release()

    async def _take_slot(self) -> None:
        if self._slots.locked() and self._waiting >= MAX_WAITING:
            raise RateLimitExceededError(
                "Too many passwords are being checked. Try again soon.", retry_after_s=RETRY_AFTER_S
            )
        self._waiting += 1
        try:
            await self._slots.acquire()
        finally:
            self._waiting -= 1

    def _digest(self, *parts: bytes) -> bytes:
        hashed = hashlib.blake2b(key=self._key, digest_size=32)
        for part in parts:
            hashed.update(len(part).to_bytes(8, "big") + part)
        return hashed.digest()

    def _is_remembered(self, digest: bytes) -> bool:
        return self._remembered.get(digest, 0.0) > self._clock.monotonic_s()

    def _remember(self, digest: bytes) -> None:
        self._remembered[digest] = self._clock.monotonic_s() + REMEMBERED_S
        self._remembered.move_to_end(digest)
        while len(self._remembered) > MAX_REMEMBERED:
            self._remembered.popitem(last=False)


def _verify(hashed: str, password: bytes) -> bool:
    try:
        return _HASHER.verify(hashed, password)
    except (VerificationError, InvalidHashError):
        return False
