"""Accounts and their leases."""

import builtins
import random
from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct

from grok2api.domain.account import Credentials, Lease, Outcome, Status
from grok2api.domain.ids import AccountId, LeaseId
from grok2api.domain.pool_member import Account
from grok2api.domain.selection import SelectionPolicy, Wish
from grok2api.errors import GatewayError
from grok2api.store import keys
from grok2api.store.account_pages import (
    POOL_BY_NAME,
    AccountPage,
    PoolCount,
    read_accounts,
    read_page,
    read_pool_counts,
)
from grok2api.store.account_replies import (
    Changed,
    Gone,
    Known,
    Leased,
    LeftLine,
    LineFull,
    NoneReadyNow,
    Poisonous,
    Released,
    Removed,
    Renewed,
    Saved,
    Stored,
    Unknown,
    WaitingInLine,
)
from grok2api.store.account_requests import ReleaseRequest, build_acquire, pack, to_ms
from grok2api.store.account_vault import (
    NewAccount,
    build_draft,
    open_credentials,
    read_credentials,
    read_known,
    seal_credentials,
)
from grok2api.store.cipher import SecretCipher
from grok2api.store.connection import RedisClient
from grok2api.store.script import Script

__all__ = [
    "AccountPage",
    "AccountStore",
    "Known",
    "LineFull",
    "NewAccount",
    "NoneReady",
    "Poisonous",
    "PoolCount",
    "Saved",
    "WaitingInLine",
]

MAX_CONCURRENCY: Final = 2047
MAX_EXCLUDED: Final = 64
_MAX_SEED: Final = 2**31 - 1
_NO_PROMPT: Final = "-"
_AcquireReply = Leased | WaitingInLine | NoneReadyNow | LineFull | Poisonous


class NoneReady(Struct, frozen=True):
    """No account of these pools can be used now.

    `retry_after_s` is when the first timer may bring one, None where none is under way.
    `has_usable` is False when all are expired, disabled or deleted: waiting does not help then.
    """

    retry_after_s: float | None
    has_accounts: bool
    has_usable: bool = True


class Release(Struct, frozen=True, kw_only=True):
    """How a lease ended.

    `is_used` says that the upstream took the request: its units are settled, else given back.
    `cooldown_s` is the time that the upstream named, 0 where it named none; the rest is then
    `first_rest_s`, doubled with each failure of its kind up to `longest_rest_s`. A suspicious
    outcome counts against the prompt of `fingerprint`. `reason` is one word.
    """

    outcome: Outcome
    is_used: bool = False
    cooldown_s: float = 0.0
    first_rest_s: float = 900.0
    longest_rest_s: float = 1800.0
    reason: str = ""
    fingerprint: str = ""


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
        self._acquire: Script[Leased | WaitingInLine | NoneReadyNow | LineFull | Poisonous] = (
            Script(
                redis,
                "account/acquire",
                Leased | WaitingInLine | NoneReadyNow | LineFull | Poisonous,
            )
        )
        self._renew: Script[Renewed | Gone] = Script(redis, "account/renew", Renewed | Gone)
        self._release: Script[Released | Gone] = Script(redis, "account/release", Released | Gone)
        self._leave_line: Script[LeftLine] = Script(redis, "account/leave_line", LeftLine)
        self._set_user_id: Script[Stored | Unknown] = Script(
            redis, "account/set_user_id", Stored | Unknown
        )
        self._set_status: Script[Changed | Unknown] = Script(
            redis, "account/set_status", Changed | Unknown
        )
        self._state = keys.account_state()

    async def save(self, account: NewAccount) -> Saved | Known:
        """Add an account with its status; a known id changes nothing, unless it was deleted.

        Raises:
            StoreUnavailableError: Redis did not answer; the account may have been added.
        """
        return await self._save(
            keys=self._state,
            args={
                "account_id": account.id,
                "account": pack(build_draft(account, self.now_ms)),
                "secret": seal_credentials(self._cipher, account),
                "now_ms": self.now_ms,
            },
        )

    async def remove(self, account_id: AccountId) -> bool:
        """Forget an account for good; False if there is none of this id. Open leases run on."""
        reply = await self._remove(
            keys=self._state, args={"account_id": account_id, "now_ms": self.now_ms}
        )
        return isinstance(reply, Removed)

    async def acquire(
        self, wish: Wish, policy: SelectionPolicy, lease_id: LeaseId
    ) -> Lease | WaitingInLine | NoneReady | LineFull | Poisonous:
        """Lease an account for a request, or let it wait for one.

        The lease frees itself after `policy.lease_ttl_s` unless it is renewed or released.
        Repeating the call with the same `lease_id` returns the same lease; so a request that waits
        fetches the lease that it was handed meanwhile.

        Raises:
            StoreUnavailableError: Redis did not answer.
            SettingsError: no configured secret key opens the account's credentials.
        """
        if not 1 <= policy.max_concurrency <= MAX_CONCURRENCY or len(wish.exclude) > MAX_EXCLUDED:
            raise ValueError("max_concurrency or exclude is out of bounds")
        reply = await self._acquire(
            keys={
                **self._state,
                "sessions": keys.sessions(),
                "session_ends": keys.session_ends(),
                "suspects": keys.suspects(wish.fingerprint or _NO_PROMPT),
            },
            args={
                "request": pack(build_acquire(wish, policy, lease_id)),
                "seed": random.randint(0, _MAX_SEED),  # noqa: S311 - a choice, not a secret
                "now_ms": self.now_ms,
            },
        )
        if isinstance(reply, Leased):
            return await self._open_lease(lease_id, reply)
        if isinstance(reply, NoneReadyNow):
            wait_s = None if reply.retry_after_ms < 0 else reply.retry_after_ms / 1000
            return NoneReady(wait_s, has_accounts=reply.total > 0, has_usable=reply.usable > 0)
        return reply

    async def leave_line(self, lease_id: LeaseId) -> None:
        """Wait no more; a lease that came meanwhile ends unused."""
        await self._leave_line(keys=self._state, args={"lease_id": lease_id, "now_ms": self.now_ms})

    async def renew(self, lease: Lease, *, ttl_s: float) -> bool:
        """Let a lease live `ttl_s` seconds from now on; False if it has ended."""
        reply = await self._renew(
            keys={
                "leases": keys.leases(),
                "timers": keys.timers(),
                "accounts": keys.accounts(),
            },
            args={"lease_id": lease.id, "ttl_ms": to_ms(ttl_s), "now_ms": self.now_ms},
        )
        return isinstance(reply, Renewed)

    async def release(self, lease: Lease, how: Release) -> Status | None:
        """End a lease, and hand its slot to who waits; return the account's status then.

        None if the lease had ended already, which changes nothing.
        """
        reply = await self._release(
            keys={**self._state, "suspects": keys.suspects(how.fingerprint or _NO_PROMPT)},
            args={
                "lease_id": lease.id,
                "verdict": pack(
                    ReleaseRequest(
                        outcome=how.outcome.value,
                        is_used=how.is_used,
                        is_suspicious=bool(how.fingerprint),
                        cooldown_ms=to_ms(how.cooldown_s),
                        base_ms=to_ms(how.first_rest_s),
                        max_ms=to_ms(how.longest_rest_s),
                        reason=how.reason,
                    )
                ),
                "now_ms": self.now_ms,
            },
        )
        return reply.status if isinstance(reply, Released) else None

    async def set_user_id(self, account_id: AccountId, user_id: str) -> None:
        """Remember the upstream's user id; an account that is gone is left alone."""
        await self._set_user_id(
            keys={"accounts": keys.accounts()},
            args={"account_id": account_id, "user_id": user_id},
        )

    async def set_status(
        self, account_id: AccountId, status: Status, *, for_s: float = 0.0, reason: str = ""
    ) -> bool:
        """Set a status by hand; open leases go on. False if there is no such account.

        It ends by itself after `for_s` seconds, 0: never. A deleted account is then forgotten, any
        other is active again.
        """
        reply = await self._set_status(
            keys=self._state,
            args={
                "account_id": account_id,
                "status": status.value,
                "for_ms": to_ms(for_s),
                "reason": reason,
                "now_ms": self.now_ms,
            },
        )
        return isinstance(reply, Changed)

    async def list(
        self, *, cursor: str = "", limit: int = 100, is_newest_first: bool = False
    ) -> AccountPage:
        """Return up to `limit` accounts behind `cursor`, in the order in which they were made."""
        return await read_page(
            self._redis, cursor, limit, self.now_ms, is_newest_first=is_newest_first
        )

    async def find(self, ids: Sequence[AccountId]) -> dict[AccountId, Account]:
        """Return those of up to 1000 `ids` that there are."""
        return await read_accounts(self._redis, ids, self.now_ms)

    async def pool_counts(self) -> "builtins.list[PoolCount]":
        """Return how many accounts every pool has; the numbers are maintained, not counted."""
        return await read_pool_counts(self._redis)

    async def reveal(self, ids: Sequence[AccountId]) -> dict[AccountId, Credentials]:
        """Return the credentials of up to 1000 accounts; SettingsError if no key opens them."""
        return await read_credentials(self._redis, self._cipher, ids)

    async def find_known(self, ids: Sequence[AccountId]) -> set[AccountId]:
        """Return those of `ids` that there are."""
        return await read_known(self._redis, ids)

    async def _open_lease(self, lease_id: LeaseId, reply: Leased) -> Lease:
        lease = Lease(
            id=lease_id,
            account_id=reply.account_id,
            pool=POOL_BY_NAME[reply.pool],
            mode=reply.mode,
            credentials=Credentials(session=""),
            user_id=reply.user_id,
            expires_at_s=reply.expires_at_ms / 1000,
        )
        try:
            opened = open_credentials(self._cipher, reply.account_id, reply.secret)
        except GatewayError:
            await self.release(lease, Release(outcome=Outcome.FAILED))
            raise
        return msgspec.structs.replace(lease, credentials=opened)
