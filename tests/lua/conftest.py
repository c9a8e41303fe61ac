"""Looking at keys, for tests of scripts."""

from typing import Any

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


@pytest.fixture
def view(redis: RedisClient) -> KeyView:
    return KeyView(redis)


@pytest.fixture
def store(account_store: AccountStore) -> AccountStore:
    """Accounts at a time that only the test moves."""
    account_store.now_ms = NOW_MS
    return account_store
