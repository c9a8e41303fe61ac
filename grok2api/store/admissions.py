"""Admissions: what calls take of the limits of client keys, exact at any number of workers."""

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct

from grok2api.domain.admission import Admission, KeyUse, LimitName, LimitState, Refusal, Used
from grok2api.domain.client_key import Budget, KeyLimits
from grok2api.domain.ids import CallId, ClientKeyId
from grok2api.store import keys, reads
from grok2api.store.connection import RedisClient
from grok2api.store.script import Script

MAX_COUNT: Final = 1_000_000_000
"""The most tokens and units that one call may be said to take."""
_RENEWED_AT_ONCE: Final = 500
_CELL_COUNTS_S: Final = 61
_ENCODER = msgspec.msgpack.Encoder()
_CALL_IDS = msgspec.msgpack.Decoder(tuple[CallId, ...])


class Admitted(Struct, frozen=True, array_like=True, tag="admitted"):
    """The call is open."""

    left: bytes


class Refused(Struct, frozen=True, array_like=True, tag="refused"):
    """Nothing was taken; -1 ms: the call needs more than the whole limit."""

    limit: LimitName
    which: str
    wait_ms: int
    left: bytes


class Unknown(Struct, frozen=True, array_like=True, tag="unknown"):
    """There is no such client key."""


class Renewed(Struct, frozen=True, array_like=True, tag="renewed"):
    """All but `gone` live on."""

    gone: bytes


class Reaped(Struct, frozen=True, array_like=True, tag="reaped"):
    """So many calls were given back."""

    count: int


class Ended(Struct, frozen=True, array_like=True, tag="ended"):
    """The call has ended now."""


class Gone(Struct, frozen=True, array_like=True, tag="gone"):
    """The call had ended before."""


class _Left(Struct, frozen=True, array_like=True):
    """What is left of the limits per minute, and when all of them is."""

    requests: int
    requests_ms: int
    tokens: int
    tokens_ms: int


class AdmitRequest(Struct, frozen=True):
    """What `admit` is given, msgpack; names are the script's own. 0: no limit."""

    call_id: str
    key_id: str
    rpm: int
    tpm: int
    concurrency: int
    day: tuple[int, int, int]
    week: tuple[int, int, int]
    month: tuple[int, int, int]
    tokens: int
    units: int
    ttl_ms: int


class _Usage(Struct, frozen=True):
    """What is kept of a key's use; see `include/open_calls.lua`."""

    cells: tuple[int, ...]
    open: int
    day: tuple[int, int, int, int]
    week: tuple[int, int, int, int]
    month: tuple[int, int, int, int]


_LEFT = msgspec.msgpack.Decoder(_Left)
_USAGE = msgspec.msgpack.Decoder(_Usage)


class AdmissionStore:
    """Calls of client keys. `now_ms` is for tests: 0 is the server's clock."""

    def __init__(self, redis: RedisClient, *, now_ms: int = 0) -> None:
        self._redis = redis
        self._admit: Script[Admitted | Refused | Unknown] = Script(
            redis, "client_key/admit", Admitted | Refused | Unknown
        )
        self._renew: Script[Renewed] = Script(redis, "client_key/renew_calls", Renewed)
        self._reap: Script[Reaped] = Script(redis, "client_key/reap_calls", Reaped)
        self._settle: Script[Ended | Gone] = Script(redis, "client_key/settle_call", Ended | Gone)
        self.now_ms = now_ms

    async def admit(
        self,
        call_id: CallId,
        key_id: ClientKeyId,
        limits: KeyLimits,
        *,
        tokens: int,
        units: int,
        ttl_s: float,
    ) -> Admission | Refusal | None:
        """Take one request, `tokens` and `units` of all limits, or nothing; None: no such key.

        The call gives itself back after `ttl_s` unless it is renewed or settled. Repeating the call
        with the same `call_id` takes nothing more.

        Raises:
            StoreUnavailableError: Redis did not answer; the call may be open.
        """
        request = AdmitRequest(
            call_id=call_id,
            key_id=key_id,
            rpm=limits.requests_per_minute,
            tpm=limits.tokens_per_minute,
            concurrency=limits.concurrency,
            day=_numbers(limits.day),
            week=_numbers(limits.week),
            month=_numbers(limits.month),
            tokens=min(max(tokens, 0), MAX_COUNT),
            units=min(max(units, 0), MAX_COUNT),
            ttl_ms=round(ttl_s * 1000),
        )
        reply = await self._admit(
            keys={**keys.call_state(), "records": keys.client_key_records()},
            args={"request": _ENCODER.encode(request), "now_ms": self.now_ms},
        )
        if isinstance(reply, Unknown):
            return None
        requests, tokens_left = _states(limits, _LEFT.decode(reply.left))
        if isinstance(reply, Admitted):
            return Admission(call_id=call_id, requests=requests, tokens=tokens_left)
        return Refusal(
            limit=reply.limit,
            which=reply.which,
            retry_after_s=None if reply.wait_ms < 0 else reply.wait_ms / 1000,
            requests=requests,
            tokens=tokens_left,
        )

    async def renew(self, call_ids: Sequence[CallId], *, ttl_s: float) -> set[CallId]:
        """Let calls live `ttl_s` seconds from now on; return those that have ended already."""
        gone: set[CallId] = set()
        for first in range(0, len(call_ids), _RENEWED_AT_ONCE):
            reply = await self._renew(
                keys=keys.call_state(),
                args={
                    "ttl_ms": round(ttl_s * 1000),
                    "now_ms": self.now_ms,
                    "call_ids": call_ids[first : first + _RENEWED_AT_ONCE],
                },
            )
            gone.update(_CALL_IDS.decode(reply.gone))
        return gone

    async def reap(self, limit: int = 256) -> int:
        """Give back calls whose worker died; return how many those were."""
        reply = await self._reap(
            keys=keys.call_state(), args={"limit": limit, "now_ms": self.now_ms}
        )
        return reply.count

    async def settle(self, call_id: CallId, used: Used) -> bool:
        """End a call with what it took, nothing at all to give it back; False if it had ended."""
        reply = await self._settle(
            keys=keys.call_state(),
            args={
                "call_id": call_id,
                "requests": min(used.requests, 1),
                "tokens": min(used.tokens, MAX_COUNT),
                "units": min(used.units, MAX_COUNT),
                "now_ms": self.now_ms,
            },
        )
        return isinstance(reply, Ended)

    async def usage(self, key_ids: Sequence[ClientKeyId]) -> dict[ClientKeyId, KeyUse]:
        """Return what up to 1000 keys use now; a key without limits uses nothing."""
        if not key_ids:
            return {}
        packed = await reads.hash_get_many(self._redis, keys.client_key_usage(), key_ids)
        now_ms = self.now_ms or await reads.server_time_ms(self._redis)
        return {
            key_id: KeyUse() if one is None else _use_at(_USAGE.decode(one), now_ms)
            for key_id, one in zip(key_ids, packed, strict=True)
        }


def _numbers(budget: Budget) -> tuple[int, int, int]:
    return (budget.requests, budget.tokens, budget.units)


def _states(limits: KeyLimits, left: _Left) -> tuple[LimitState | None, LimitState | None]:
    """Return the limits per minute that the key has, for requests and tokens."""
    requests = LimitState(limits.requests_per_minute, left.requests, left.requests_ms / 1000)
    tokens = LimitState(limits.tokens_per_minute, left.tokens, left.tokens_ms / 1000)
    return (requests if requests.limit else None, tokens if tokens.limit else None)


def _use_at(usage: _Usage, now_ms: int) -> KeyUse:
    cells = list(zip(usage.cells[::3], usage.cells[1::3], usage.cells[2::3], strict=True))
    counting = [cell for cell in cells if (cell[0] + _CELL_COUNTS_S) * 1000 > now_ms]

    def within(sums: tuple[int, int, int, int]) -> Used:
        return Used(*sums[1:]) if now_ms < sums[0] else Used()

    return KeyUse(
        open_calls=usage.open,
        minute=Used(sum(cell[1] for cell in counting), sum(cell[2] for cell in counting)),
        day=within(usage.day),
        week=within(usage.week),
        month=within(usage.month),
    )
