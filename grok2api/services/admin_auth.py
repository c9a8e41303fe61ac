"""The administrator's password: checked for every administrative request."""

import asyncio
import hashlib
import hmac
import math
import secrets
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Final
from weakref import WeakValueDictionary

import structlog
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from grok2api.clock import Clock
from grok2api.errors import AuthenticationError, RateLimitExceededError
from grok2api.store.logins import Locked, LoginStore

log = structlog.get_logger(__name__)

MAX_PASSWORD_BYTES: Final = 1024
MAX_VERIFYING: Final = 4
"""Slow checks at once, per process: each takes a thread and some 20 MB."""
MAX_WAITING: Final = 32
REMEMBERED_S: Final = 60.0
MAX_REMEMBERED: Final = 32
RETRY_AFTER_S: Final = 2.0

_HASHER = PasswordHasher()


class _Turn:
    """Makes requests with the same password from the same address come one after another."""

    __slots__ = ("__weakref__", "lock", "waiting")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.waiting = 0


class AdminAuth:
    """Knows the administrator by his password, and lets nobody try many.

    `password` is the operator's own (`app.app_key`); where it is "", the one made at the first
    start counts, of which only a slow hash is kept. A password that was right is remembered for
    `REMEMBERED_S` seconds, with the address it came from, as a digest under a key of this process,
    so that not every request pays for the slow hash; it is worth nothing once another password is
    stored. Every other check is counted by address before it begins, over all workers: few are
    free, then the address is locked, also for the right password, or guessing would go on.
    """

    __slots__ = ("_clock", "_key", "_logins", "_password", "_remembered", "_slots", "_turns")

    def __init__(self, logins: LoginStore, clock: Clock, *, password: str = "") -> None:
        self._logins = logins
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._password = self._digest(password.encode()) if password else None
        self._remembered: OrderedDict[bytes, tuple[str, float]] = OrderedDict()
        self._slots = asyncio.Semaphore(MAX_VERIFYING)
        self._turns: WeakValueDictionary[bytes, _Turn] = WeakValueDictionary()

    async def check(self, presented: str | None, address: str) -> None:
        """Return if `presented`, sent from `address`, is the administrator's password.

        `address` is one client, or a network that counts as one.

        Raises:
            AuthenticationError: it is not, or there is none.
            RateLimitExceededError: too many wrong ones came from there, or from everywhere.
            StoreUnavailableError: the stored hash, or how many were wrong, cannot be read now.
        """
        if not presented:
            raise AuthenticationError(
                "The administrator's password is needed. "
                "Send it as 'Authorization: Bearer YOUR_PASSWORD'."
            )
        password = presented.encode("utf-8", "surrogatepass")
        if len(password) > MAX_PASSWORD_BYTES or not await self._is_right(password, address):
            raise AuthenticationError("This is not the administrator's password.")

    async def allow(self, address: str) -> None:
        """Treat `address` as one that has just had the right password.

        Raises:
            StoreUnavailableError: the store did not answer.
        """
        await self._logins.succeed(address)

    async def _is_right(self, password: bytes, address: str) -> bool:
        proof = self._digest(password, address.encode())
        if await self._was_right(proof, address):
            return True
        async with self._turn(proof):
            # Another request may have asked the same meanwhile.
            if await self._was_right(proof, address):
                return True
            hashed, lock_ms = await self._begin(address)
            if not await self._verify(hashed, password, proof):
                if lock_ms:
                    log.warning("admin_address_locked", client=address, lock_s=lock_ms // 1000)
                return False
            await self.allow(address)
            return True

    async def _was_right(self, proof: bytes, address: str) -> bool:
        """Whether this password was right a moment ago, and still is; a locked address raises."""
        hashed, ends_s = self._remembered.get(proof, ("", 0.0))
        if ends_s <= self._clock.monotonic_s():
            return False
        now_hashed, _ = await self._begin(address, is_check=False)
        return self._password is not None or now_hashed == hashed

    async def _begin(self, address: str, *, is_check: bool = True) -> tuple[str, int]:
        reply = await self._logins.begin(address, is_check=is_check)
        if isinstance(reply, Locked):
            wait_s = reply.retry_after_ms / 1000
            raise RateLimitExceededError(
                f"Too many wrong passwords. Try again in {math.ceil(wait_s)} seconds, or run "
                f"`grok2api logins allow {address}` where the gateway runs.",
                code="too_many_attempts",
                retry_after_s=wait_s,
            )
        return reply.hash.decode(), reply.lock_ms

    async def _verify(self, hashed: str, password: bytes, proof: bytes) -> bool:
        if self._password is not None:
            is_right = hmac.compare_digest(self._digest(password), self._password)
            if is_right:
                self._remember(proof, "")
            return is_right
        await self._slots.acquire()
        verifying = asyncio.get_running_loop().run_in_executor(None, _verify, hashed, password)
        # Threads cannot be stopped: the slot is free when the work is done, not when nobody waits.
        verifying.add_done_callback(partial(self._finish, proof, hashed))
        return await asyncio.shield(verifying)

    def _finish(self, proof: bytes, hashed: str, verified: asyncio.Future[bool]) -> None:
        # First, so that who gets the slot need not do the same work.
        if not verified.cancelled() and verified.exception() is None and verified.result():
            self._remember(proof, hashed)
        self._slots.release()

    @asynccontextmanager
    async def _turn(self, proof: bytes) -> AsyncIterator[None]:
        turn = self._turns.get(proof)
        if turn is None:
            turn = self._turns[proof] = _Turn()
        if turn.waiting > MAX_WAITING:
            raise RateLimitExceededError(
                "Too many passwords are being checked. Try again soon.", retry_after_s=RETRY_AFTER_S
            )
        turn.waiting += 1
        try:
            async with turn.lock:
                yield
        finally:
            turn.waiting -= 1

    def _digest(self, *parts: bytes) -> bytes:
        hashed = hashlib.blake2b(key=self._key, digest_size=32)
        for part in parts:
            hashed.update(len(part).to_bytes(8, "big") + part)
        return hashed.digest()

    def _remember(self, proof: bytes, hashed: str) -> None:
        self._remembered[proof] = (hashed, self._clock.monotonic_s() + REMEMBERED_S)
        self._remembered.move_to_end(proof)
        while len(self._remembered) > MAX_REMEMBERED:
            self._remembered.popitem(last=False)


def _verify(hashed: str, password: bytes) -> bool:
    try:
        return _HASHER.verify(hashed, password)
    except (VerificationError, InvalidHashError):
        return False
