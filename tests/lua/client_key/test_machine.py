"""All scripts of calls together, against a small model: they agree after every step."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from grok2api.domain.admission import (
    Admission,
    KeyUse,
    LimitState,
    Refusal,
    Used,
    tell_limits,
)
from grok2api.domain.client_key import Budget, ClientKey, KeyLimits
from grok2api.domain.ids import CallId, ClientKeyId
from grok2api.store import keys
from grok2api.store.admissions import AdmissionStore
from grok2api.store.client_keys import ClientKeyStore
from grok2api.store.connection import open_redis
from tests.lua.client_key.conftest import checked
from tests.lua.conftest import NOW_MS

LIMITS = {
    ClientKeyId("key_1"): KeyLimits(
        requests_per_minute=4, tokens_per_minute=50, concurrency=3, day=Budget(requests=9)
    ),
    ClientKeyId("key_2"): KeyLimits(
        tokens_per_minute=40, week=Budget(tokens=90), month=Budget(units=12)
    ),
}
KEYS = {key: ClientKey(key, "x", 0.0, limits=limits) for key, limits in LIMITS.items()}
TTL_MS = 30_000
KEY_IDS = st.sampled_from(sorted(LIMITS))
NUMBERS = st.integers(0, 9)


@dataclass
class Call:
    """A call that was let in: what it reserved, then what it took; a late extra apart."""

    key: ClientKeyId
    at_ms: int
    tokens: int
    units: int
    ends_ms: int
    is_open: bool = True
    counts: int = 1
    extra: tuple[int, int] = (0, 0)
    """Seconds since epoch and tokens of what it took after its second had gone."""


@dataclass
class Model:
    """Every call that ever was; sums are taken anew from all of them each time."""

    calls: dict[CallId, Call] = field(default_factory=dict)

    def of(self, key: ClientKeyId) -> list[Call]:
        return [call for call in self.calls.values() if call.key == key]

    def minute(self, key: ClientKeyId, now_ms: int) -> list[tuple[int, int, int]]:
        """Return second, requests and tokens of all that counts at `now_ms`."""
        parts = [(c.at_ms // 1000, c.counts, c.tokens - c.extra[1]) for c in self.of(key)]
        parts += [(c.extra[0], 0, c.extra[1]) for c in self.of(key)]
        return [part for part in parts if (part[0] + 61) * 1000 > now_ms]

    def period(self, key: ClientKeyId, name: str, now_ms: int) -> Used:
        calls = [c for c in self.of(key) if marks(c.at_ms)[name] == marks(now_ms)[name]]
        return Used(
            sum(c.counts for c in calls), sum(c.tokens for c in calls), sum(c.units for c in calls)
        )

    def use(self, key: ClientKeyId, now_ms: int) -> KeyUse:
        minute = self.minute(key, now_ms)
        return KeyUse(
            open_calls=sum(c.is_open for c in self.of(key)),
            minute=Used(sum(part[1] for part in minute), sum(part[2] for part in minute)),
            day=self.period(key, "day", now_ms),
            week=self.period(key, "week", now_ms),
            month=self.period(key, "month", now_ms),
        )

    def left(
        self, key: ClientKeyId, units: int, now_ms: int
    ) -> tuple[LimitState | None, LimitState | None]:
        """Return what is told of requests and tokens: the least, and of the same the latest."""
        limits, minute, use = LIMITS[key], self.minute(key, now_ms), self.use(key, now_ms)
        found: tuple[list[LimitState], list[LimitState]] = ([], [])

        def note(at: int, limit: int, used: int, ends_ms: float, each: int = 1) -> None:
            wait_s = (ends_ms - now_ms) / 1000 if used else 0.0
            if limit and each:
                state = LimitState(limit // each, max(0, limit - used) // each, wait_s)
                found[at].append(state)

        for at, limit in enumerate((limits.requests_per_minute, limits.tokens_per_minute)):
            used = [part for part in minute if part[at + 1]]
            last_ms = max(((part[0] + 61) * 1000 for part in used), default=now_ms)
            note(at, limit, sum(part[at + 1] for part in used), last_ms)
        for name in ("day", "week", "month"):
            budget, taken, ends_ms = getattr(limits, name), getattr(use, name), end(name, now_ms)
            note(0, budget.requests, taken.requests, ends_ms)
            note(1, budget.tokens, taken.tokens, ends_ms)
            note(0, budget.units, taken.units, ends_ms, units)
        requests, tokens = (
            sorted(states, key=lambda state: (state.remaining, -state.resets_in_s))
            for states in found
        )
        return requests[0] if requests else None, tokens[0] if tokens else None

    def fits(self, key: ClientKeyId, tokens: int, units: int, now_ms: int) -> bool:
        limits, use = LIMITS[key], self.use(key, now_ms)
        checks = [
            (limits.requests_per_minute, use.minute.requests + 1),
            (limits.tokens_per_minute, use.minute.tokens + tokens),
            (limits.concurrency, use.open_calls + 1),
        ]
        for budget, used in (
            (limits.day, use.day),
            (limits.week, use.week),
            (limits.month, use.month),
        ):
            checks.append((budget.requests, used.requests + 1))
            checks.append((budget.tokens, used.tokens + tokens))
            checks.append((budget.units, used.units + units))
        return all(limit == 0 or taken <= limit for limit, taken in checks)

    def end(self, call: Call, used: Used, now_ms: int) -> None:
        is_over = (call.at_ms // 1000 + 61) * 1000 <= now_ms
        if is_over and used.tokens > call.tokens:
            call.extra = (now_ms // 1000, used.tokens - call.tokens)
        call.is_open, call.counts = False, used.requests
        call.tokens, call.units = used.tokens, used.units

    def end_due(self, now_ms: int) -> None:
        for call in self.calls.values():
            if call.is_open and call.ends_ms <= now_ms:
                self.end(call, Used(), now_ms)


def marks(at_ms: int) -> dict[str, tuple[int, ...]]:
    """Return what is the same for two moments of one day, week or month."""
    moment = datetime.fromtimestamp(at_ms / 1000, UTC)
    return {
        "day": (moment.year, moment.month, moment.day),
        "week": moment.isocalendar()[:2],
        "month": (moment.year, moment.month),
    }


def end(period: str, at_ms: int) -> float:
    """Return when a period ends, in ms since epoch."""
    moment = datetime.fromtimestamp(at_ms // 86_400_000 * 86_400, UTC)
    while marks(round(moment.timestamp() * 1000))[period] == marks(at_ms)[period]:
        moment += timedelta(days=1)
    return moment.timestamp() * 1000


class CallMachine(RuleBasedStateMachine):
    """Random calls of every script by several workers, some of which die."""

    url = ""

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.runner = asyncio.Runner()
        self.opened = open_redis(self.url, pool_size=2)
        self.redis: Any = self.runner.run(self.opened.__aenter__())
        self.run(self.redis.execute_command("FLUSHALL"))
        self.store = AdmissionStore(self.redis, now_ms=NOW_MS)
        for key in KEYS.values():
            self.run(ClientKeyStore(self.redis).save(key, f"digest {key.id}"))

    def run(self, call: Any) -> Any:
        return self.runner.run(call)

    def teardown(self) -> None:
        self.run(self.opened.__aexit__(None, None, None))
        self.runner.close()

    @property
    def now_ms(self) -> int:
        return self.store.now_ms

    def ask(self, call_id: CallId, key: ClientKeyId, tokens: int, units: int) -> Any:
        return self.run(
            self.store.admit(
                call_id, checked(KEYS[key]), tokens=tokens, units=units, ttl_s=TTL_MS / 1000
            )
        )

    def pick(self, number: int) -> CallId:
        names = list(self.model.calls)
        return names[-1 - number % len(names)] if names else CallId("never")

    @rule(key=KEY_IDS, tokens=st.integers(0, 60), units=st.integers(0, 4))
    def admit(self, key: ClientKeyId, tokens: int, units: int) -> None:
        call_id = CallId(f"call_{len(self.model.calls)}")
        self.model.end_due(self.now_ms)
        fits = self.model.fits(key, tokens, units, self.now_ms)

        answer = self.ask(call_id, key, tokens, units)

        if not fits:
            assert isinstance(answer, Refusal)
            assert (answer.requests, answer.tokens) == self.model.left(key, units, self.now_ms)
            self.told_wait_is_exact(answer, key, tokens, units)
            return
        assert isinstance(answer, Admission)
        call = Call(key, self.now_ms, tokens, units, self.now_ms + TTL_MS)
        self.model.calls[call_id] = call
        assert (answer.requests, answer.tokens) == self.model.left(key, units, self.now_ms)
        seen = self.run(self.store.look(key))
        assert tell_limits(LIMITS[key], seen, units) == (answer.requests, answer.tokens)

    def told_wait_is_exact(
        self, refusal: Refusal, key: ClientKeyId, tokens: int, units: int
    ) -> None:
        if any(call.is_open for call in self.model.of(key)):
            return  # those that end give something back earlier, or are waited for
        wait_s = refusal.retry_after_s
        if wait_s is None:
            assert not Model().fits(key, tokens, units, self.now_ms)
            return
        due_ms = self.now_ms + round(wait_s * 1000)
        assert not self.model.fits(key, tokens, units, due_ms - 1)
        assert self.model.fits(key, tokens, units, due_ms)

    @rule(number=NUMBERS)
    def admit_again(self, number: int) -> None:
        call_id = self.pick(number)
        call = self.model.calls.get(call_id)
        self.model.end_due(self.now_ms)
        if call is not None and call.is_open:
            assert isinstance(self.ask(call_id, call.key, call.tokens, call.units), Admission)
        else:
            self.run(self.store.reap())

    @rule(
        number=NUMBERS,
        requests=st.integers(0, 1),
        tokens=st.integers(0, 80),
        units=st.integers(0, 9),
    )
    def settle(self, number: int, requests: int, tokens: int, units: int) -> None:
        call_id, used = self.pick(number), Used(requests, tokens, units)
        call = self.model.calls.get(call_id)

        has_ended = self.run(self.store.settle(call_id, used))

        assert has_ended == (call is not None and call.is_open), "a call ends once"
        if call is not None and call.is_open:
            self.model.end(call, used, self.now_ms)

    @rule(numbers=st.lists(NUMBERS, max_size=4))
    def renew(self, numbers: list[int]) -> None:
        ids = [self.pick(number) for number in numbers]

        gone = self.run(self.store.renew(ids, ttl_s=TTL_MS / 1000))

        alive = {
            i for i, c in self.model.calls.items() if c.is_open and c.ends_ms > self.now_ms
        } & set(ids)
        assert gone == set(ids) - alive
        for call_id in alive:
            self.model.calls[call_id].ends_ms = self.now_ms + TTL_MS

    @rule()
    def reap(self) -> None:
        due = [c for c in self.model.calls.values() if c.is_open and c.ends_ms <= self.now_ms]
        self.model.end_due(self.now_ms)

        assert self.run(self.store.reap()) == len(due)

    @rule(seconds=st.sampled_from([0.25, 1, 7.5, 29, 31, 60, 61, 90, 40_000, 400_000, 2_000_000]))
    def wait(self, seconds: float) -> None:
        self.store.now_ms += round(seconds * 1000)

    @invariant()
    def store_and_model_agree(self) -> None:
        found = self.run(self.store.usage(list(LIMITS)))

        assert found == {key: self.model.use(key, self.now_ms) for key in LIMITS}

    @invariant()
    def no_60_seconds_admit_more_than_the_limit(self) -> None:
        for key, limits in LIMITS.items():
            times = sorted(call.at_ms for call in self.model.of(key) if call.counts)
            limit = limits.requests_per_minute
            if limit:
                assert all(b - a >= 60_000 for a, b in zip(times, times[limit:], strict=False))

    @invariant()
    def only_open_calls_are_kept(self) -> None:
        named = self.run(self.redis.execute_command("HKEYS", keys.client_key_calls()))
        timed = self.run(
            self.redis.execute_command("ZRANGE", keys.client_key_call_ends(), "0", "-1")
        )
        is_open = {name for name, call in self.model.calls.items() if call.is_open}

        assert {name.decode() for name in named} == {name.decode() for name in timed} == is_open


@pytest.mark.timeout(120)
def test_scripts_agree_with_the_model(redis_url: str) -> None:
    CallMachine.url = redis_url

    run_state_machine_as_test(
        CallMachine,
        settings=settings(
            max_examples=80,
            stateful_step_count=50,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
