"""A Redis client that tells how long each call took, by the script or command."""

import hashlib
from collections.abc import Mapping
from functools import cache
from typing import Any, Final, Protocol

from redis.exceptions import NoScriptError

from grok2api.clock import SystemClock
from grok2api.store.connection import RedisClient
from grok2api.store.failure import STORE_ERRORS
from grok2api.store.header import expand_script, list_scripts

_BLOCKING: Final = frozenset({"XREAD"})
"""How long these take says how long nothing happened."""
_SCRIPT: Final = "EVAL"
_SCRIPT_BY_DIGEST: Final = "EVALSHA"


class StoreMeter(Protocol):
    """Counts calls."""

    def store_called(self, call: str, duration_s: float, *, has_failed: bool) -> None: ...


class MeteredRedis:
    """Passes calls on to `redis`, and tells `meter` of them."""

    __slots__ = ("_clock", "_meter", "_names", "_redis")

    def __init__(self, redis: RedisClient, meter: StoreMeter) -> None:
        self._redis = redis
        self._meter = meter
        self._clock = SystemClock()
        self._names = _names_by_digest()

    async def execute_command(self, *args: str | bytes | float) -> Any:
        """Run a command; see the client."""
        name = self._name_of(args)
        if name in _BLOCKING:
            return await self._redis.execute_command(*args)
        started_s = self._clock.monotonic_s()
        has_failed = False
        try:
            return await self._redis.execute_command(*args)
        except NoScriptError:
            raise  # it is loaded now
        except STORE_ERRORS:
            has_failed = True
            raise
        finally:
            took_s = self._clock.monotonic_s() - started_s
            self._meter.store_called(name, took_s, has_failed=has_failed)

    async def aclose(self) -> None:
        """Close the client."""
        await self._redis.aclose()

    def _name_of(self, args: tuple[str | bytes | float, ...]) -> str:
        command = str(args[0])
        if command == _SCRIPT_BY_DIGEST:
            return self._names.get(str(args[1]), command)
        return self._names.get(_digest(str(args[1])), command) if command == _SCRIPT else command


@cache
def _names_by_digest() -> Mapping[str, str]:
    return {_digest(expand_script(name)[1]): name for name in list_scripts()}


def _digest(text: str) -> str:
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
