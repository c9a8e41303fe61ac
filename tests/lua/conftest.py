"""Looking at keys, for tests of scripts."""

from typing import Any

import msgspec
import pytest

from grok2api.domain.account import Pool
from grok2api.store import keys
from grok2api.store.accounts import AccountStore
from grok2api.store.connection import RedisClient
from tests.conftest import BASIC

NOW_MS = 1_800_000_000_000


class KeyView:
    """Reads what a script left behind."""

    def __init__(self, redis: RedisClient) -> None:
        self._redis = redis

    async def hash(self, key: str) -> dict[str, str]:
        found: dict[bytes, bytes] = await self._redis.execute_command("HGETALL", key)
        return {name.decode(): value.decode(errors="replace") for name, value in found.items()}

    async def members(self, key: str) -> list[str]:
        found: list[bytes] = await self._redis.execute_command("ZRANGE", key, "0", "-1")
        return [member.decode() for member in found]

    async def scores(self, key: str) -> dict[str, float]:
        command = ("ZRANGE", key, "0", "-1", "WITHSCORES")
        found: list[Any] = await self._redis.execute_command(*command)
        return {found[n].decode(): float(found[n + 1]) for n in range(0, len(found), 2)}

    async def counts(self, pool: Pool = BASIC) -> dict[str, int]:
        """Return the counters of a pool that are not zero."""
        found = await self.hash(keys.account_counts())
        prefix = keys.pool_name(pool) + " "
        return {
            k.removeprefix(prefix): int(v)
            for k, v in found.items()
            if k.startswith(prefix) and int(v)
        }

    async def account_keys(self) -> set[str]:
        """Return the keys of accounts that hold anything but counters."""
        found: list[bytes] = await self._redis.execute_command("KEYS", "*")
        names = {name.decode() for name in found}
        return {name for name in names if not name.endswith(":counts")}

    async def unpacked(self, key: str) -> dict[str, Any]:
        """Return a hash of msgpack values."""
        found: dict[bytes, bytes] = await self._redis.execute_command("HGETALL", key)
        return {name.decode(): msgspec.msgpack.decode(value) for name, value in found.items()}

    async def record(self, name: str) -> dict[str, Any]:
        """Return an account as the scripts keep it."""
        found: dict[str, Any] = (await self.unpacked(keys.accounts()))[name]
        return found

    async def ready(self, section: str = "fast", pool: Pool = BASIC) -> list[str]:
        """Return who stands in a section of a ready set, best first: `mode` or `mode#tag`."""
        members = [member.split(" ") for member in await self.members(keys.ready(pool))]
        return [name for part, name in members if part == section]

    async def woken(self) -> list[str]:
        """Return the requests that were handed an account while they waited."""
        found: list[Any] = await self._redis.execute_command("XRANGE", keys.wakeups(), "-", "+")
        return [next(iter(dict(fields).values())).decode() for _, fields in found]

    async def dump(self) -> dict[str, bytes | None]:
        """Return all that scripts of accounts and sessions may change, as it is stored."""
        state = keys.account_state().values()
        names = [name for names in state for name in ([names] if isinstance(names, str) else names)]
        names += [keys.sessions(), keys.session_ends(), keys.suspects("-")]
        return {name: await self._redis.execute_command("DUMP", name) for name in names}


@pytest.fixture
def view(redis: RedisClient) -> KeyView:
    return KeyView(redis)


@pytest.fixture
def store(account_store: AccountStore) -> AccountStore:
    """Accounts at a time that only the test moves."""
    account_store.now_ms = NOW_MS
    return account_store
