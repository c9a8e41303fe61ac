"""Admissions: what calls take of the limits of client keys, exact at any number of workers."""

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct

from grok2api.domain.admission import (
    Admission,
    Edited,
    KeySpending,
    KeyUse,
    LimitName,
    Refusal,
    Used,
    tell_limits,
)
from grok2api.domain.client_key import Budget
from grok2api.domain.ids import CallId, ClientKeyId
from grok2api.store import keys, reads
from grok2api.store.client_keys import decode_client_key
from grok2api.store.connection import RedisClient
from grok2api.store.key_use import read_spending, read_use
from grok2api.store.script import Script

MAX_COUNT: Final = 1_000_000_000
"""The most tokens and units that one call may be said to take."""
_RENEWED_AT_ONCE: Final = 500
_ENCODER = msgspec.msgpack.Encoder()
_CALL_IDS = msgspec.msgpack.Decoder(tuple[CallId, ...])


class Admitted(Struct, frozen=True, array_like=True, tag="admitted"):
    """The call is open."""

    use: bytes


class Refused(Struct, frozen=True, array_like=True, tag="refused"):
    """Nothing was taken; -1 ms: the call needs more than the whole limit."""

    limit: LimitName
    which: str
    wait_ms: int
    use: bytes


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


class Changed(Struct, frozen=True, array_like=True, tag="edited"):
    """The key is another one than that which was checked; nothing was taken."""

    record: bytes


class Seen(Struct, frozen=True, array_like=True, tag="seen"):
    """What the key uses."""

    use: bytes


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


class AdmissionStore:
    """Calls of client keys. `now_ms` is for tests: 0 is the server's clock."""

    def __init__(self, redis: RedisClient, *, now_ms: int = 0) -> None:
        self._redis = redis
        self._admit: Script[Admitted | Refused | Changed | Unknown] = Script(
            redis, "client_key/admit", Admitted | Refused | Changed | Unknown
        )
        self._look: Script[Seen] = Script(redis, "client_key/look", Seen)
        self._renew: Script[Renewed] = Script(redis, "client_key/renew_calls", Renewed)
        self._reap: Script[Reaped] = Script(redis, "client_key/reap_calls", Reaped)
        self._settle: Script[Ended | Gone] = Script(redis, "client_key/settle_call", Ended | Gone)
        self.now_ms = now_ms

    async def admit(
        self,
        call_id: CallId,
        checked: Edited,
        *,
        tokens: int,
        units: int,
        ttl_s: float,
    ) -> Admission | Refusal | Edited | None:
        """Take one request, `tokens` and `units` of all limits of a key, or nothing.

        `checked` is the key by whose rules the call was let in so far; where there is another one
        by now, that is returned instead. None: the key was revoked. The call gives itself back
        after `ttl_s` unless it is renewed or settled. Repeating it with the same `call_id` takes
        nothing more.

        Raises:
            StoreUnavailableError: Redis did not answer; the call may be open.
        """
        key, limits = checked.key, checked.key.limits
        request = AdmitRequest(
            call_id=call_id,
            key_id=key.id,
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
            args={
                "request": _ENCODER.encode(request),
                "record": checked.record,
                "now_ms": self.now_ms,
            },
        )
        if isinstance(reply, Unknown):
            return None
        if isinstance(reply, Changed):
            return Edited(decode_client_key(reply.record), reply.record)
        left, tokens_left = tell_limits(limits, read_spending(reply.use), units)
        if isinstance(reply, Admitted):
            return Admission(
                call_id=call_id, requests=left, tokens=tokens_left, limits=limits, units=units
            )
        return Refusal(
            limit=reply.limit,
            which=reply.which,
            retry_after_s=None if reply.wait_ms < 0 else reply.wait_ms / 1000,
            requests=left,
            tokens=tokens_left,
        )

    async def look(self, key_id: ClientKeyId) -> KeySpending:
        """Return what a key uses of its limits now."""
        reply = await self._look(
            keys=keys.call_state(), args={"key_id": key_id, "now_ms": self.now_ms}
        )
        return read_spending(reply.use)

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
            key_id: KeyUse() if one is None else read_use(one, now_ms)
            for key_id, one in zip(key_ids, packed, strict=True)
        }


def _numbers(budget: Budget) -> tuple[int, int, int]:
    return (budget.requests, budget.tokens, budget.units)
