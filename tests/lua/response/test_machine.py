"""All response scripts together, against a small model: they agree after every step."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from grok2api.domain.ids import ResponseId
from grok2api.domain.response import CancelResult, EventSlice
from grok2api.store import keys
from grok2api.store.cipher import SecretCipher
from grok2api.store.connection import open_redis
from grok2api.store.responses import ResponseStore
from tests.lua.conftest import NOW_MS
from tests.lua.response.conftest import LEASE_S, LIMITS, MINE, events, kept, running

NAMES = [ResponseId(f"resp_{n}") for n in range(5)]
IDS = st.sampled_from(NAMES)
KEEP_MS, LEASE_MS, REPLAY_MS = 60_000, 5000, 10_000


@dataclass
class Model:
    """One response."""

    state: str
    ends_ms: int
    lease_ms: int
    is_background: bool
    told: list[EventSlice] = field(default_factory=list)


class ResponseMachine(RuleBasedStateMachine):
    """Random calls of every response script, with time standing still between them."""

    url = ""

    def __init__(self) -> None:
        super().__init__()
        self.models: dict[ResponseId, Model] = {}
        self.runner = asyncio.Runner()
        self.opened = open_redis(self.url, pool_size=2)
        self.redis: Any = self.runner.run(self.opened.__aenter__())
        self.run(self.redis.execute_command("FLUSHALL"))
        self.store = ResponseStore(self.redis, SecretCipher([b"k" * 32]), now_ms=NOW_MS)

    def run(self, call: Any) -> Any:
        return self.runner.run(call)

    def teardown(self) -> None:
        self.run(self.opened.__aexit__(None, None, None))
        self.runner.close()

    @property
    def now_ms(self) -> int:
        return self.store.now_ms

    def settle(self) -> None:
        """Bring the model to this moment."""
        self.models = {n: m for n, m in self.models.items() if m.ends_ms > self.now_ms}
        for model in self.models.values():
            if model.state == "in_progress" and model.lease_ms <= self.now_ms:
                model.state = "lost"

    @rule(name=IDS, is_background=st.booleans())
    def save(self, name: ResponseId, *, is_background: bool) -> None:
        self.store.now_ms += 1  # so that no two end at the same time
        self.settle()
        self.run(self.store.forget(MINE, name))
        self.models.pop(name, None)
        while len(self.models) >= LIMITS.max_count:
            del self.models[min(self.models, key=lambda n: self.models[n].ends_ms)]
        response = running(name) if is_background else kept(name)
        lease_s = LEASE_S if is_background else 0.0

        assert self.run(self.store.save(response, LIMITS, lease_s=lease_s))

        self.models[name] = Model(
            response.state.value, self.now_ms + KEEP_MS, self.now_ms + LEASE_MS, is_background
        )

    @rule(name=IDS, has_events=st.booleans())
    def append(self, name: ResponseId, *, has_events: bool) -> None:
        self.settle()
        model = self.models.get(name)
        told = events(3, 4) if has_events else None

        is_wanted = self.run(self.store.append(MINE, name, told, lease_s=LEASE_S))

        assert is_wanted == (model is not None and model.state == "in_progress")
        if model is not None and is_wanted:
            model.lease_ms = self.now_ms + LEASE_MS
            model.told += [told] if told else []

    @rule(name=IDS)
    def finish(self, name: ResponseId) -> None:
        self.settle()
        model = self.models.get(name)

        is_finished = self.run(self.store.finish(kept(name), events(5, 6), LIMITS))

        assert is_finished == (model is not None and model.state == "in_progress")
        if model is not None and is_finished:
            model.state = "completed"
            model.told.append(events(5, 6, is_end=True))

    @rule(name=IDS)
    def cancel(self, name: ResponseId) -> None:
        self.settle()
        model = self.models.get(name)
        if model is None:
            expected = CancelResult.UNKNOWN
        elif not model.is_background:
            expected = CancelResult.FOREGROUND
        elif model.state in ("in_progress", "cancelled"):
            expected = CancelResult.CANCELLED
            model.state = "cancelled"
        else:
            expected = CancelResult.ENDED

        assert self.run(self.store.cancel(MINE, name)) is expected

    @rule(name=IDS)
    def forget(self, name: ResponseId) -> None:
        self.settle()

        assert self.run(self.store.forget(MINE, name)) == (name in self.models)

        self.models.pop(name, None)

    @rule(name=IDS)
    def go_on_with(self, name: ResponseId) -> None:
        self.store.now_ms += 1
        self.settle()
        self.run(self.store.find(MINE, name, keep_s=60.0))
        if name in self.models:
            self.models[name].ends_ms = self.now_ms + KEEP_MS

    @rule(seconds=st.sampled_from([1, 4, 5, 30, 60]))
    def wait(self, seconds: int) -> None:
        self.store.now_ms += seconds * 1000

    @invariant()
    def store_and_model_agree(self) -> None:
        self.settle()
        found = [self.run(self.store.find(MINE, name)) for name in NAMES]

        assert {r.id: r.state.value for r in found if r} == {
            name: model.state for name, model in self.models.items()
        }
        for name, model in self.models.items():
            assert list(self.run(self.store.read_events(MINE, name, ""))[1]) == model.told

    @invariant()
    def bytes_are_those_that_are_kept(self) -> None:
        facts, contents = keys.response_facts(MINE), keys.response_contents(MINE)
        counted = self.run(self.redis.execute_command("HGET", facts, "bytes")) or 0
        values = self.run(self.redis.execute_command("HVALS", contents))
        assert int(counted) == sum(map(len, values))


@pytest.mark.timeout(120)
def test_scripts_agree_with_the_model(redis_url: str) -> None:
    ResponseMachine.url = redis_url

    run_state_machine_as_test(
        ResponseMachine,
        settings=settings(
            max_examples=60,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
