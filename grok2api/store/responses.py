"""Kept responses. Every method that writes is one script; what people said is sealed."""

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct

from grok2api.domain.ids import ClientKeyId, ResponseId
from grok2api.domain.response import CancelResult, EventSlice, KeptResponse, ResponseState
from grok2api.errors import SettingsError
from grok2api.store import keys, reads
from grok2api.store.cipher import SecretCipher
from grok2api.store.connection import RedisClient
from grok2api.store.script import Script

MAX_ENTRIES: Final = 5000
"""Writes of a background response that can be read again; at four a second, twenty minutes."""
READ_AT_ONCE: Final = 100

_ITEMS = msgspec.msgpack.Decoder(tuple[bytes, ...])
_encode = msgspec.msgpack.Encoder().encode


class Saved(Struct, frozen=True, array_like=True, tag="saved"):
    """The response is kept."""


class TooLarge(Struct, frozen=True, array_like=True, tag="too_large"):
    """The response is larger than all that may be kept for its key."""


class Found(Struct, frozen=True, array_like=True, tag="found"):
    """A kept response."""

    state: ResponseState
    previous: str
    affinity: str
    background: int
    response: bytes
    input: bytes


class Unknown(Struct, frozen=True, array_like=True, tag="unknown"):
    """This key has no such response."""


class Appended(Struct, frozen=True, array_like=True, tag="appended"):
    """The events are told; the worker has a new lease."""


class Finished(Struct, frozen=True, array_like=True, tag="finished"):
    """The response has ended."""


class Over(Struct, frozen=True, array_like=True, tag="over"):
    """The response had ended before; nothing changed."""


class Cancelled(Struct, frozen=True, array_like=True, tag="cancelled"):
    """The response is cancelled."""


class Ended(Struct, frozen=True, array_like=True, tag="ended"):
    """The response had ended before; nothing changed."""


class Foreground(Struct, frozen=True, array_like=True, tag="foreground"):
    """The response was not made in the background; nothing changed."""


class Forgotten(Struct, frozen=True, array_like=True, tag="forgotten"):
    """The response is gone."""


class Limits(Struct, frozen=True):
    """How much is kept for one client key, and for how many seconds."""

    keep_s: float
    max_count: int
    max_bytes: int
    replay_s: float = 3600.0


class ResponseStore:
    """Kept responses. `now_ms` is for tests: ms since epoch, 0 for the server's own clock.

    Every method raises StoreUnavailableError when Redis does not answer.
    """

    def __init__(self, redis: RedisClient, cipher: SecretCipher, *, now_ms: int = 0) -> None:
        self._redis = redis
        self._cipher = cipher
        self.now_ms = now_ms
        self._save: Script[Saved | TooLarge] = Script(redis, "response/save", Saved | TooLarge)
        self._find: Script[Found | Unknown] = Script(redis, "response/find", Found | Unknown)
        self._append: Script[Appended | Over] = Script(redis, "response/append", Appended | Over)
        self._finish: Script[Finished | Over] = Script(redis, "response/finish", Finished | Over)
        self._cancel: Script[Cancelled | Ended | Foreground | Unknown] = Script(
            redis, "response/cancel", Cancelled | Ended | Foreground | Unknown
        )
        self._forget: Script[Forgotten | Unknown] = Script(
            redis, "response/forget", Forgotten | Unknown
        )

    async def save(self, kept: KeptResponse, limits: Limits, *, lease_s: float = 0.0) -> bool:
        """Keep a response; False if it is too large.

        One that is made in the background is lost when its worker is silent for `lease_s` seconds.
        """
        reply = await self._save(
            keys=_keys(kept.owner),
            args={
                "response_id": kept.id,
                "state": kept.state.value,
                "previous": kept.previous,
                "affinity": kept.affinity,
                "response": self._seal(kept.owner, kept.id, kept.body),
                "input": self._seal(kept.owner, kept.id, _encode(kept.items)),
                "keep_ms": _to_ms(limits.keep_s),
                "lease_ms": _to_ms(lease_s),
                "max_count": limits.max_count,
                "max_bytes": limits.max_bytes,
                "now_ms": self.now_ms,
            },
        )
        return isinstance(reply, Saved)

    async def find(
        self, owner: ClientKeyId, response_id: ResponseId, *, keep_s: float = 0.0
    ) -> KeptResponse | None:
        """Return a response of `owner`, which is then kept for at least `keep_s` seconds more.

        One that was sealed with a key that is not configured any more is gone.
        """
        reply = await self._find(
            keys=_keys(owner),
            args={"response_id": response_id, "keep_ms": _to_ms(keep_s), "now_ms": self.now_ms},
        )
        if not isinstance(reply, Found):
            return None
        try:
            body = self._open(owner, response_id, reply.response)
            items = self._open(owner, response_id, reply.input)
        except SettingsError:
            return None
        return KeptResponse(
            id=response_id,
            owner=owner,
            body=body,
            items=_ITEMS.decode(items),
            state=reply.state,
            previous=reply.previous,
            affinity=reply.affinity,
            is_background=reply.background == 1,
        )

    async def append(
        self,
        owner: ClientKeyId,
        response_id: ResponseId,
        events: EventSlice | None,
        *,
        lease_s: float,
    ) -> bool:
        """Tell events, or None; False when the worker has to stop."""
        told = events or EventSlice(0, 0, b"")
        reply = await self._append(
            keys={
                "facts": keys.response_facts(owner),
                "events": keys.response_events(owner, response_id),
            },
            args={
                "response_id": response_id,
                "first": told.first,
                "last": told.last,
                "data": self._seal(owner, response_id, told.data) if events else b"",
                "lease_ms": _to_ms(lease_s),
                "max_entries": MAX_ENTRIES,
                "now_ms": self.now_ms,
            },
        )
        return isinstance(reply, Appended)

    async def finish(self, kept: KeptResponse, events: EventSlice, limits: Limits) -> bool:
        """End a background response; False if it has ended before."""
        reply = await self._finish(
            keys={
                "facts": keys.response_facts(kept.owner),
                "contents": keys.response_contents(kept.owner),
                "events": keys.response_events(kept.owner, kept.id),
            },
            args={
                "response_id": kept.id,
                "state": kept.state.value,
                "response": self._seal(kept.owner, kept.id, kept.body),
                "first": events.first,
                "last": events.last,
                "data": self._seal(kept.owner, kept.id, events.data),
                "replay_ms": _to_ms(limits.replay_s),
                "now_ms": self.now_ms,
            },
        )
        return isinstance(reply, Finished)

    async def cancel(self, owner: ClientKeyId, response_id: ResponseId) -> CancelResult:
        """Cancel a background response."""
        reply = await self._cancel(
            keys={"facts": keys.response_facts(owner)},
            args={"response_id": response_id, "now_ms": self.now_ms},
        )
        match reply:
            case Cancelled():
                return CancelResult.CANCELLED
            case Ended():
                return CancelResult.ENDED
            case Foreground():
                return CancelResult.FOREGROUND
            case Unknown():
                return CancelResult.UNKNOWN

    async def forget(self, owner: ClientKeyId, response_id: ResponseId) -> bool:
        """Forget a response; False if there is none."""
        reply = await self._forget(
            keys=_keys(owner) | {"events": keys.response_events(owner, response_id)},
            args={"response_id": response_id, "now_ms": self.now_ms},
        )
        return isinstance(reply, Forgotten)

    async def read_events(
        self, owner: ClientKeyId, response_id: ResponseId, position: str
    ) -> tuple[str, Sequence[EventSlice]]:
        """Return events behind `position` ("" for the first), and the position behind them."""
        key = keys.response_events(owner, response_id)
        entries = await reads.stream_range(self._redis, key, position, READ_AT_ONCE)
        slices = [
            EventSlice(
                int(fields["first"]),
                int(fields["last"]),
                self._open(owner, response_id, fields["data"]),
                "end" in fields,
            )
            for _, fields in entries
        ]
        return (entries[-1][0] if entries else position), slices

    def _seal(self, owner: ClientKeyId, response_id: ResponseId, plain: bytes) -> bytes:
        return self._cipher.seal(plain, _context(owner, response_id))

    def _open(self, owner: ClientKeyId, response_id: ResponseId, sealed: bytes) -> bytes:
        return self._cipher.open(sealed, _context(owner, response_id))


def _context(owner: ClientKeyId, response_id: ResponseId) -> bytes:
    return f"response:{owner}:{response_id}".encode()


def _keys(owner: ClientKeyId) -> dict[str, str]:
    return {
        "facts": keys.response_facts(owner),
        "contents": keys.response_contents(owner),
        "ends": keys.response_ends(owner),
    }


def _to_ms(seconds: float) -> int:
    return round(seconds * 1000)
