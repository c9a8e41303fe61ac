"""Checks of the administrator's password, counted over all workers."""

from msgspec import Struct

from grok2api.store import keys, limit_keys
from grok2api.store.connection import RedisClient
from grok2api.store.script import Script


class Allowed(Struct, frozen=True, array_like=True, tag="allowed"):
    """The password may be checked against `hash`, which is empty before the first start.

    `lock_ms` is for how long the address is locked now, unless the password is right.
    """

    hash: bytes
    lock_ms: int


class Locked(Struct, frozen=True, array_like=True, tag="locked"):
    """It may not, for `retry_after_ms` more."""

    retry_after_ms: int


class Noted(Struct, frozen=True, array_like=True, tag="noted"):
    """The address is known."""


class LoginStore:
    """Who tried the password, by address. `now_ms` is for tests: 0 is the server's own clock."""

    def __init__(self, redis: RedisClient, *, now_ms: int = 0) -> None:
        self.now_ms = now_ms
        self._begin: Script[Allowed | Locked] = Script(redis, "login/begin", Allowed | Locked)
        self._succeed: Script[Noted] = Script(redis, "login/succeed", Noted)

    async def begin(self, address: str, *, is_check: bool = True) -> Allowed | Locked:
        """Let a check begin, which counts as failed until `succeed`; or only look at the lock.

        Raises:
            StoreUnavailableError: Redis did not answer; the check may be counted all the same.
        """
        return await self._begin(
            keys={
                "claims": keys.setup_claims(),
                "address": limit_keys.login_address(address),
                "everyone": limit_keys.login_everyone(),
            },
            args={"checks": int(is_check), "now_ms": self.now_ms},
        )

    async def succeed(self, address: str) -> None:
        """Forget the failed checks of `address`: it had the right password.

        Raises:
            StoreUnavailableError: Redis did not answer.
        """
        await self._succeed(
            keys={"address": limit_keys.login_address(address)}, args={"now_ms": self.now_ms}
        )
