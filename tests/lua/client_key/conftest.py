"""A client key and its calls, at a time that only the test moves."""

from dataclasses import dataclass

import pytest

from grok2api.domain.admission import Admission, Edited, KeyUse, Refusal, Used
from grok2api.domain.client_key import ClientKey, KeyLimits
from grok2api.domain.ids import CallId, ClientKeyId
from grok2api.store.admissions import AdmissionStore
from grok2api.store.client_keys import ClientKeyStore, encode_client_key
from grok2api.store.connection import RedisClient
from tests.lua.conftest import NOW_MS

KEY = ClientKeyId("key_1")
TTL_S = 30.0


@dataclass
class CallMaker:
    """Shorthand: calls of `KEY`, named by numbers."""

    store: AdmissionStore
    keys: ClientKeyStore
    made: int = 0

    def wait(self, seconds: float) -> None:
        self.store.now_ms += round(seconds * 1000)

    async def ask(
        self,
        limits: KeyLimits,
        *,
        tokens: int = 0,
        units: int = 0,
        call_id: str = "",
        key: ClientKeyId = KEY,
    ) -> Admission | Refusal | None:
        """Ask for a call of a key that has these limits."""
        self.made += 1
        limited = ClientKey(key, "laptop", 5.0, limits=limits)
        await self.keys.edit(key, lambda _: limited)
        answer = await self.store.admit(
            CallId(call_id or f"call_{self.made}"),
            checked(limited),
            tokens=tokens,
            units=units,
            ttl_s=TTL_S,
        )
        assert not isinstance(answer, Edited)
        return answer

    async def admit(self, limits: KeyLimits, **what: int) -> CallId:
        """Admit a call that must be let in."""
        answer = await self.ask(limits, **what)  # type: ignore[arg-type]
        assert isinstance(answer, Admission), answer
        return answer.call_id

    async def take(self, limits: KeyLimits, *, tokens: int = 0, units: int = 0) -> None:
        """Admit a call that must be let in, and end it with what was reserved for it."""
        await self.end(await self.admit(limits, tokens=tokens, units=units), tokens, units)

    async def refuse(self, limits: KeyLimits, **what: int) -> Refusal:
        """Ask for a call that must not be let in."""
        answer = await self.ask(limits, **what)  # type: ignore[arg-type]
        assert isinstance(answer, Refusal), answer
        return answer

    async def end(self, call_id: CallId, tokens: int = 0, units: int = 0) -> bool:
        return await self.store.settle(call_id, Used(1, tokens, units))

    async def use(self) -> KeyUse:
        return (await self.store.usage([KEY]))[KEY]


def checked(key: ClientKey) -> Edited:
    """Return a key whose rules let a call in."""
    return Edited(key, encode_client_key(key))


@pytest.fixture
async def calls(redis: RedisClient) -> CallMaker:
    await ClientKeyStore(redis).save(ClientKey(KEY, "laptop", 5.0), "d1")
    return CallMaker(AdmissionStore(redis, now_ms=NOW_MS), ClientKeyStore(redis))
