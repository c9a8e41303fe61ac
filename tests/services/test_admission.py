"""Calls are let in within the rules of their keys, and given back when nobody ends them."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from grok2api.clock import SystemClock
from grok2api.dialects.errors import render_openai_error
from grok2api.dialects.rate_limits import openai_limit_headers
from grok2api.domain.admission import Admission, KeyUse, LimitState, Used
from grok2api.domain.client_key import Budget, ClientKey, KeyLimits
from grok2api.domain.ids import ClientKeyId
from grok2api.errors import (
    AuthenticationError,
    PermissionDeniedError,
    RateLimitExceededError,
)
from grok2api.services.admission import Admissions, CallKeeper
from grok2api.services.cleanup import Cleanup
from grok2api.services.key_rules import may_use_model
from grok2api.store.admissions import AdmissionStore
from grok2api.store.client_keys import ClientKeyStore
from grok2api.store.connection import RedisClient

START_MS = 1_800_000_000_000
TTL_S = 30.0


class Door:
    """Admissions of one key, whose time is held."""

    def __init__(self, store: AdmissionStore, keys: ClientKeyStore, cleanup: Cleanup) -> None:
        self.store = store
        self.keys = keys
        self.keeper = CallKeeper(store, ttl_s=TTL_S)
        self.admissions = Admissions(store, self.keeper, cleanup, SystemClock())

    async def admit(self, key: ClientKey, **call: Any) -> Admission:
        asked: dict[str, Any] = {
            "model": "grok-4",
            "tokens": 0,
            "units": 1,
            "client": "10.0.0.7",
        } | call
        await self.keys.edit(key.id, lambda _: key)
        return await self.admissions.admit(key, **asked)

    async def end(self, admission: Admission, used: Used) -> bool:
        """End a call as the statistics of its request do."""
        self.admissions.leave(admission.call_id)
        return await self.store.settle(admission.call_id, used)

    async def use(self, key: ClientKey) -> KeyUse:
        return (await self.admissions.usage([key.id]))[key.id]


@pytest.fixture
async def door(redis: RedisClient) -> AsyncIterator[Door]:
    await ClientKeyStore(redis).save(key(), "d1")
    async with Cleanup() as cleanup:
        yield Door(AdmissionStore(redis, now_ms=START_MS), ClientKeyStore(redis), cleanup)


def key(limits: KeyLimits | None = None, **facts: Any) -> ClientKey:
    return ClientKey(ClientKeyId("key_1"), "laptop", 5.0, limits=limits or KeyLimits(), **facts)


async def test_key_without_limits_takes_nothing(door: Door, redis: RedisClient) -> None:
    before = await redis.execute_command("DBSIZE")

    admission = await door.admit(key())

    assert admission == Admission(call_id=admission.call_id)
    assert admission.call_id == ""
    assert await redis.execute_command("DBSIZE") == before


async def test_refusal_tells_limits_wait_and_reason(door: Door) -> None:
    limits = KeyLimits(requests_per_minute=1, tokens_per_minute=50)
    await door.admit(key(limits), tokens=20)

    with pytest.raises(RateLimitExceededError, match="1 requests per minute") as caught:
        await door.admit(key(limits), tokens=20)

    error = caught.value
    assert (error.code, error.retry_after_s) == ("rate_limit_exceeded", 61.0)
    assert error.limits is not None
    assert error.limits.requests == LimitState(1, 0, 61.0)
    assert openai_limit_headers(error.limits)["x-ratelimit-remaining-tokens"] == "30"


async def test_used_up_budget_is_no_rate_limit(door: Door) -> None:
    limits = KeyLimits(day=Budget(units=4))
    await door.admit(key(limits), units=4)

    with pytest.raises(RateLimitExceededError, match="units a day") as caught:
        await door.admit(key(limits), units=1)

    assert caught.value.code == "insufficient_quota"
    answer = render_openai_error(caught.value, "req_1")
    assert answer.status == 429
    assert answer.headers["x-should-retry"] == "false", "it would wait for hours"


async def test_call_that_never_fits_is_not_to_be_repeated(door: Door) -> None:
    with pytest.raises(RateLimitExceededError, match="too large") as caught:
        await door.admit(key(KeyLimits(tokens_per_minute=5)), tokens=6)

    headers = render_openai_error(caught.value, "req_1").headers
    assert headers["x-should-retry"] == "false"
    assert "retry-after" not in headers


async def test_expired_disabled_and_revoked_keys_are_refused(door: Door) -> None:
    limits = KeyLimits(concurrency=1)
    gone = ClientKey(ClientKeyId("key_gone"), "x", 0.0, limits=limits)
    for bad, text in (
        (key(expires_at_s=1.0), "expired"),
        (key(is_enabled=False), "disabled"),
        (gone, "Incorrect"),
    ):
        with pytest.raises(AuthenticationError, match=text):
            await door.admit(bad)


@pytest.mark.parametrize(
    ("networks", "client", "is_let_in"),
    [
        ((), "anything", True),
        (("10.0.0.0/8",), "10.0.0.7", True),
        (("10.0.0.0/8",), "::ffff:10.0.0.7", True),
        (("10.0.0.0/8", "2001:db8::/32"), "2001:db8::1", True),
        (("10.0.0.0/8",), "11.0.0.7", False),
        (("10.0.0.0/8",), "2001:db8::1", False),
        (("0.0.0.0/0", "::/0"), "unix", False),
        (("0.0.0.0/0",), "", False),
    ],
)
async def test_key_is_good_in_its_networks_only(
    door: Door, networks: tuple[str, ...], client: str, *, is_let_in: bool
) -> None:
    caller = key(networks=networks)
    if is_let_in:
        await door.admit(caller, client=client)
        return
    with pytest.raises(PermissionDeniedError) as caught:
        await door.admit(caller, client=client)
    assert caught.value.code == "address_not_allowed"


async def test_key_may_use_its_models_only(door: Door) -> None:
    caller = key(KeyLimits(requests_per_minute=1), models=("grok-4", "claude-*"))

    with pytest.raises(PermissionDeniedError, match="'gpt-x'") as caught:
        await door.admit(caller, model="grok-3", requested="gpt-x")
    await door.admit(caller, model="grok-3", requested="claude-opus")

    assert caught.value.code == "model_not_allowed"
    assert may_use_model(caller, "grok-4")
    assert not may_use_model(caller, "grok-4-fast")
    assert may_use_model(key(), "anything")


async def test_open_call_is_renewed_until_it_ends(door: Door) -> None:
    caller = key(KeyLimits(concurrency=1, day=Budget(tokens=100)))
    admission = await door.admit(caller, tokens=90)
    for _ in range(5):
        door.store.now_ms += 20_000
        await door.keeper.renew_all()

    assert await door.end(admission, Used(1, 40, 1))
    assert not await door.end(admission, Used(1, 99, 1))

    assert (await door.use(caller)).day == Used(1, 40, 1)
    assert door.keeper.held_count == 0


async def test_call_that_was_left_is_not_renewed(door: Door) -> None:
    caller = key(KeyLimits(concurrency=1))
    door.admissions.leave((await door.admit(caller)).call_id)
    door.store.now_ms += 30_000

    await door.keeper.renew_all()

    assert await door.use(caller) == KeyUse()


async def test_call_lost_by_a_halted_worker_is_renewed_no_more(door: Door) -> None:
    await door.admit(key(KeyLimits(concurrency=1)))
    door.store.now_ms += 31_000

    await door.keeper.renew_all()

    assert door.keeper.held_count == 0


async def test_cancelled_admission_leaves_nothing_open(door: Door) -> None:
    caller = key(KeyLimits(concurrency=5, day=Budget(requests=50)))
    cancelled = 0
    for steps in range(8):
        async with asyncio.TaskGroup() as group:
            task = group.create_task(door.admit(caller))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
        cancelled += task.cancelled()
        if not task.cancelled():
            await door.end(task.result(), Used())

    assert cancelled > 1
    assert await door.use(caller) == KeyUse()
    assert door.keeper.held_count == 0


async def test_client_that_paces_itself_by_the_headers_is_never_refused(door: Door) -> None:
    """It waits for the reset when less is left than it needs, else for its turn at 95 %."""
    limits = KeyLimits(requests_per_minute=20, tokens_per_minute=600)
    pace_ms, at_ms = round(60_000 / (20 * 0.95)), START_MS
    for number in range(200):
        door.store.now_ms = at_ms
        tokens = (number * 7) % 30 + 1
        admission = await door.admit(key(limits), tokens=tokens)
        assert admission.requests is not None
        assert admission.tokens is not None
        door.store.now_ms += (number * 13) % 2500
        await door.end(admission, Used(1, tokens - number % 2, 1))
        if admission.requests.remaining < 1 or admission.tokens.remaining < 30:
            longest_s = max(admission.requests.resets_in_s, admission.tokens.resets_in_s)
            at_ms += round(longest_s * 1000)
        else:
            at_ms += pace_ms

    assert (await door.use(key(limits))).open_calls == 0


async def test_client_at_95_percent_of_its_limit_is_never_refused(door: Door) -> None:
    limits = KeyLimits(requests_per_minute=60, tokens_per_minute=6000)
    for number in range(300):
        door.store.now_ms = START_MS + round(number * 1000 / 0.95)
        admission = await door.admit(key(limits), tokens=100)
        await door.end(admission, Used(1, 100, 1))

    assert (await door.use(key(limits))).minute.requests >= 57
