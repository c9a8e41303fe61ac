"""What operators and maintenance change of accounts: tags, limits, pools, quota numbers."""

import random
from typing import Final

import msgspec
from msgspec import Struct

from grok2api.domain.account import Mode, Pool
from grok2api.domain.ids import AccountId
from grok2api.domain.quota import QuotaReport
from grok2api.domain.selection import SelectionPolicy, Wish
from grok2api.store import keys
from grok2api.store.account_pages import POOL_BY_NAME
from grok2api.store.account_replies import (
    Changed,
    Chosen,
    Deferred,
    NoneReadyNow,
    StaleEpoch,
    Synced,
    Taken,
    Unknown,
)
from grok2api.store.account_requests import (
    AccountEdit,
    build_acquire,
    build_sync,
    pack,
    plan_windows,
    to_ms,
)
from grok2api.store.account_timers import NO_EPOCH
from grok2api.store.connection import RedisClient
from grok2api.store.script import Script

GENERAL_LIMIT: Final = 0
_MAX_SEED: Final = 2**31 - 1
_TAKEN = msgspec.msgpack.Decoder(list[str])


class Edit(Struct, frozen=True, kw_only=True):
    """Changes to one account; what is not named stays.

    `tags` replaces all of them. `max_concurrency` `GENERAL_LIMIT` ends a limit of its own.
    """

    tags: tuple[str, ...] | None = None
    add_tags: tuple[str, ...] = ()
    remove_tags: tuple[str, ...] = ()
    max_concurrency: int | None = None
    pool: Pool | None = None


class Finding(Struct, frozen=True, kw_only=True):
    """A quota report and what is to be done with it.

    `pool` is where the proven tier belongs, None where none is proven. `is_revival` says that the
    report proves an expired session to work. The account is asked about again in `next_in_s`.
    """

    report: QuotaReport
    next_in_s: float
    pool: Pool | None = None
    may_demote: bool = False
    is_revival: bool = False


class Silence(Struct, frozen=True, kw_only=True):
    """No numbers came. The account is asked about again in `next_in_s`.

    `refusal` is one word for why the session was refused, "" where it was not; `is_certain` says
    that the refusal leaves no doubt: the account expires.
    """

    next_in_s: float
    refusal: str = ""
    is_certain: bool = False


class Choice(Struct, frozen=True):
    """Who would serve a request now. `is_bound`: because it served the session before."""

    account_id: AccountId
    pool: Pool
    mode: Mode
    is_bound: bool


class AccountEdits:
    """Every method is one script. `now_ms` is for tests, as in `AccountStore`."""

    def __init__(self, redis: RedisClient, *, now_ms: int = 0) -> None:
        self.now_ms = now_ms
        self._edit: Script[Changed | Unknown] = Script(redis, "account/edit", Changed | Unknown)
        self._sync: Script[Synced | Unknown | StaleEpoch] = Script(
            redis, "account/sync", Synced | Unknown | StaleEpoch
        )
        self._defer: Script[Deferred | Unknown | StaleEpoch] = Script(
            redis, "account/defer", Deferred | Unknown | StaleEpoch
        )
        self._take_due: Script[Taken | StaleEpoch] = Script(
            redis, "account/take_due", Taken | StaleEpoch
        )
        self._explain: Script[Chosen | NoneReadyNow] = Script(
            redis, "account/explain", Chosen | NoneReadyNow
        )
        self._state = keys.account_state()
        self._fenced = {**self._state, "leader": keys.leader()}

    async def edit(self, account_id: AccountId, change: Edit) -> bool:
        """Change what the operator decides; False if there is no such account."""
        limit = -1 if change.max_concurrency is None else change.max_concurrency
        request = AccountEdit(
            add_tags=change.add_tags if change.tags is None else change.tags,
            remove_tags=change.remove_tags,
            is_all_tags=change.tags is not None,
            limit=limit,
            pool=keys.pool_name(change.pool) if change.pool else "",
            windows=plan_windows(change.pool.tier) if change.pool else {},
        )
        reply = await self._edit(
            keys=self._state,
            args={"account_id": account_id, "changes": pack(request), "now_ms": self.now_ms},
        )
        return isinstance(reply, Changed)

    async def sync(
        self, account_id: AccountId, finding: Finding, *, epoch: int = NO_EPOCH
    ) -> Synced | Unknown | StaleEpoch:
        """Write down what the upstream says of an account's quota, and when to ask again."""
        request = build_sync(
            finding.report,
            finding.pool,
            may_demote=finding.may_demote,
            is_revival=finding.is_revival,
            next_in_s=finding.next_in_s,
        )
        return await self._sync(
            keys=self._fenced,
            args={
                "account_id": account_id,
                "report": pack(request),
                "epoch": epoch,
                "now_ms": self.now_ms,
            },
        )

    async def defer(
        self, account_id: AccountId, silence: Silence, *, epoch: int = NO_EPOCH
    ) -> Deferred | Unknown | StaleEpoch:
        """Keep an account's numbers as they are, and ask again later."""
        return await self._defer(
            keys=self._fenced,
            args={
                "account_id": account_id,
                "refusal": silence.refusal,
                "is_certain": int(silence.is_certain),
                "next_in_ms": to_ms(silence.next_in_s),
                "epoch": epoch,
                "now_ms": self.now_ms,
            },
        )

    async def take_due(
        self, limit: int, *, claim_s: float, epoch: int
    ) -> list[tuple[AccountId, Pool]] | StaleEpoch:
        """Take accounts whose quota is to be asked for; nobody else gets them for `claim_s`."""
        reply = await self._take_due(
            keys=self._fenced,
            args={
                "limit": limit,
                "claim_ms": to_ms(claim_s),
                "epoch": epoch,
                "now_ms": self.now_ms,
            },
        )
        if isinstance(reply, StaleEpoch):
            return reply
        found = _TAKEN.decode(reply.accounts)
        return [
            (AccountId(i), POOL_BY_NAME[pool])
            for i, pool in zip(found[::2], found[1::2], strict=True)
        ]

    async def explain(self, wish: Wish, policy: SelectionPolicy) -> Choice | None:
        """Return who would serve a request now; where chance decides, one who might."""
        reply = await self._explain(
            keys={
                **self._state,
                "sessions": keys.sessions(),
                "session_ends": keys.session_ends(),
            },
            args={
                "request": pack(build_acquire(wish, policy, "-")),
                "seed": random.randint(0, _MAX_SEED),  # noqa: S311 - a choice, not a secret
                "now_ms": self.now_ms,
            },
        )
        if isinstance(reply, NoneReadyNow):
            return None
        return Choice(reply.account_id, POOL_BY_NAME[reply.pool], reply.mode, reply.is_bound == 1)
