"""Accounts and their leases."""

import builtins
from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct

from grok2api.domain.account import Credentials, Lease, Outcome, Pool, Status
from grok2api.domain.ids import AccountId, LeaseId
from grok2api.errors import GatewayError
from grok2api.store import account_replies, keys
from grok2api.store.account_pages import (
    POOLS,
    AccountPage,
    PoolCount,
    encode_record,
    read_page,
    read_pool_counts,
)
from grok2api.store.account_replies import (
    Changed,
    Gone,
    Known,
    Leased,
    Released,
    Removed,
    Renewed,
    Saved,
    Stored,
    Unknown,
)
from grok2api.store.account_vault import (
    NewAccount,
    open_credentials,
    read_credentials,
    read_known,
    seal_credentials,
)
from grok2api.store.cipher import SecretCipher
from grok2api.store.connection import RedisClient
from grok2api.store.script import Script

__all__ = [
    "POOLS",
    "AccountPage",
    "AccountStore",
    "Known",
    "NewAccount",
    "NoneReady",
    "PoolCount",
    "Saved",
]

MAX_CONCURRENCY: Final = 2047  # more open leases an account do not fit the packed score
MAX_EXCLUDED: Final = 64
_POOL_KEYS: Final = tuple(key for pool in POOLS for key in keys.pool_group(pool))
_POOL_NAMES: Final = tuple(keys.pool_name(pool) for pool in POOLS)


class NoneReady(Struct, frozen=True):
    """No account of these pools can be used now.

    `retry_after_s` is when the first lease or cooldown ends, None where none is under way.
    `has_usable` is False when all accounts are expired or disabled: waiting does not help then.
    """

    retry_after_s: float | None
    has_accounts: bool
    has_usable: bool = True


class AccountStore:
    """Accounts and their leases. Every method that writes is one script, so it is atomic.

    `now_ms` is for tests: the time in ms since epoch, 0 for the server's own clock.
    """

    def __init__(self, redis: RedisClient, cipher: SecretCipher, *, now_ms: int = 0) -> None:
        self._redis = redis
        self._cipher = cipher
        self.now_ms = now_ms
        self._save: Script[Saved | Known] = Script(redis, "account/save", Saved | Known)
        self._remove: Script[Removed | Unknown] = Script(redis, "account/remove", Removed | Unknown)
        self._acquire: Script[Leased | account_replies.NoneReady] = Script(
            redis, "account/acquire", Leased | account_replies.NoneReady
        )
        self._renew: Script[Renewed | Gone] = Script(redis, "account/renew", Renewed | Gone)
        self._release: Script[Released | Gone] = Script(redis, "account/release", Released | Gone)
        self._set_user_id: Script[Stored | Unknown] = Script(
            redis, "account/set_user_id", Stored | Unknown
        )
        self._set_status: Script[Changed | Unknown] = Script(
            redis, "account/set_status", Changed | Unknown
        )

    async def save(self, account: NewAccount) -> Saved | Known:
        """Add an account with its status; a known id changes nothing.

        Raises:
            StoreUnavailableError: Redis did not answer; the account may have been added.
        """
        return await self._save(
            keys={
                "pools": keys.account_pools(),
                "records": keys.account_records(),
                "secrets": keys.account_secrets(),
                "index": keys.account_index(),
                "statuses": keys.account_statuses(),
                "ready": keys.ready(account.pool),
                "timers": keys.timers(account.pool),
                "counts": keys.counts(account.pool),
            },
            args={
                "account_id": account.id,
                "pool": keys.pool_name(account.pool),
                "status": account.status.value,
                "cooldown_ms": _to_ms(account.cooldown_s),
                "reason": account.reason,
                "now_ms": self.now_ms,
                "record": encode_record(account.mask, account.created_at_s, account.tags),
                "secret": seal_credentials(self._cipher, account),
            },
        )

    async def remove(self, account_id: AccountId) -> bool:
        """Forget an account and end its leases; False if there is none of this id."""
        reply = await self._remove(
            keys={
                "pools": keys.account_pools(),
                "records": keys.account_records(),
                "secrets": keys.account_secrets(),
                "user_ids": keys.account_user_ids(),
                "index": keys.account_index(),
                "leases": keys.account_leases(),
                "held": keys.account_held(),
                "statuses": keys.account_statuses(),
                "pool_keys": _POOL_KEYS,
            },
            args={"account_id": account_id, "pool_names": _POOL_NAMES},
        )
        return isinstance(reply, Removed)

    async def acquire(
        self,
        pools: Sequence[Pool],
        lease_id: LeaseId,
        *,
        ttl_s: float,
        max_concurrency: int,
        exclude: Sequence[AccountId] = (),
    ) -> Lease | NoneReady:
        """Lease the account with the fewest open leases from the first pool that has one.

        The lease frees itself after `ttl_s` seconds unless it is renewed or released.
        Repeating the call with the same `lease_id` returns the same lease.

        Raises:
            StoreUnavailableError: Redis did not answer.
            SettingsError: no configured secret key opens the account's credentials.
        """
        if not 1 <= max_concurrency <= MAX_CONCURRENCY or len(exclude) > MAX_EXCLUDED:
            raise ValueError("max_concurrency or exclude is out of bounds")
        reply = await self._acquire(
            keys={
                "leases": keys.account_leases(),
                "held": keys.account_held(),
                "statuses": keys.account_statuses(),
                "secrets": keys.account_secrets(),
                "user_ids": keys.account_user_ids(),
                "pools": [key for pool in pools for key in keys.pool_group(pool)],
            },
            args={
                "lease_id": lease_id,
                "ttl_ms": _to_ms(ttl_s),
                "max_concurrency": max_concurrency,
                "now_ms": self.now_ms,
                "exclude": exclude,
            },
        )
        if isinstance(reply, account_replies.NoneReady):
            wait_s = None if reply.retry_after_ms < 0 else reply.retry_after_ms / 1000
            return NoneReady(wait_s, has_accounts=reply.total > 0, has_usable=reply.usable > 0)
        return await self._open_lease(lease_id, pools[reply.pool_index], reply)

    async def renew(self, lease: Lease, *, ttl_s: float) -> bool:
        """Let a lease live `ttl_s` seconds from now on; False if it has ended."""
        reply = await self._renew(
            keys={"leases": keys.account_leases(), "timers": keys.timers(lease.pool)},
            args={
                "lease_id": lease.id,
                "account_id": lease.account_id,
                "ttl_ms": _to_ms(ttl_s),
                "now_ms": self.now_ms,
            },
        )
        return isinstance(reply, Renewed)

    async def release(
        self, lease: Lease, outcome: Outcome, *, cooldown_s: float = 0.0, reason: str = ""
    ) -> bool:
        """End a lease; False if it had ended already, which changes nothing.

        A rate-limited account cools for `cooldown_s` seconds, an unauthorized one expires.
        """
        reply = await self._release(
            keys={
                "leases": keys.account_leases(),
                "held": keys.account_held(),
                "statuses": keys.account_statuses(),
                "ready": keys.ready(lease.pool),
                "timers": keys.timers(lease.pool),
                "counts": keys.counts(lease.pool),
            },
            args={
                "lease_id": lease.id,
                "account_id": lease.account_id,
                "outcome": outcome.value,
                "cooldown_ms": _to_ms(cooldown_s),
                "reason": reason,
                "now_ms": self.now_ms,
            },
        )
        return isinstance(reply, Released)

    async def set_user_id(self, account_id: AccountId, user_id: str) -> None:
        """Remember the upstream's user id; an account that is gone is left alone."""
        await self._set_user_id(
            keys={"pools": keys.account_pools(), "user_ids": keys.account_user_ids()},
            args={"account_id": account_id, "user_id": user_id},
        )

    async def set_status(
        self, account_id: AccountId, status: Status, *, cooldown_s: float = 0.0, reason: str = ""
    ) -> bool:
        """Set a status by hand; open leases go on. False if there is no such account."""
        reply = await self._set_status(
            keys={
                "pools": keys.account_pools(),
                "held": keys.account_held(),
                "statuses": keys.account_statuses(),
                "pool_keys": _POOL_KEYS,
            },
            args={
                "account_id": account_id,
                "status": status.value,
                "for_ms": _to_ms(cooldown_s),
                "reason": reason,
                "now_ms": self.now_ms,
                "pool_names": _POOL_NAMES,
            },
        )
        return isinstance(reply, Changed)

    async def list(self, *, cursor: str = "", limit: int = 100) -> AccountPage:
        """Return up to `limit` accounts, ordered by id, behind `cursor`."""
        return await read_page(self._redis, cursor, limit, self.now_ms)

    async def pool_counts(self) -> "builtins.list[PoolCount]":
        """Return how many accounts every pool has; the numbers are maintained, not counted."""
        return await read_pool_counts(self._redis)

    async def reveal(self, ids: Sequence[AccountId]) -> dict[AccountId, Credentials]:
        """Return the credentials of up to 1000 accounts; SettingsError if no key opens them."""
        return await read_credentials(self._redis, self._cipher, ids)

    async def find_known(self, ids: Sequence[AccountId]) -> set[AccountId]:
        """Return those of `ids` that there are."""
        return await read_known(self._redis, ids)

    async def _open_lease(self, lease_id: LeaseId, pool: Pool, reply: Leased) -> Lease:
        lease = Lease(
            id=lease_id,
            account_id=reply.account_id,
            pool=pool,
            credentials=Credentials(session=""),
            user_id=reply.user_id,
            expires_at_s=reply.expires_at_ms / 1000,
        )
        try:
            opened = open_credentials(self._cipher, reply.account_id, reply.secret)
        except GatewayError:
            await self.release(lease, Outcome.FAILED)
            raise
        return msgspec.structs.replace(lease, credentials=opened)


def _to_ms(seconds: float) -> int:
    return round(seconds * 1000)
