"""All batch scripts together, against a small model: replies and keys agree after every step."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from grok2api.domain.batch import BatchKind, BatchParams, BatchState
from grok2api.domain.ids import AccountId, BatchId
from grok2api.store import keys
from grok2api.store.batch_replies import (
    Added,
    Created,
    Empty,
    Finished,
    NotOpen,
    Over,
    StaleEpoch,
    Started,
    TooMany,
    Unknown,
)
from grok2api.store.batch_results import BatchResults
from grok2api.store.batches import BatchStore
from grok2api.store.cipher import SecretCipher
from grok2api.store.connection import open_redis
from grok2api.store.leader import Elected, LeaderStore
from tests.lua.conftest import NOW_MS, KeyView

NAMES = [BatchId(name) for name in ("one", "two", "three")]
IDS = st.sampled_from(NAMES)
ITEMS = st.lists(st.sampled_from([AccountId(c) for c in "abcdefgh"]), min_size=1, max_size=6)
MAX_ITEMS, MAX_FAILURES = 7, 2
OPEN_MS, KEEP_MS = 600_000, 3_600_000
OPEN, RUNNING, CANCELLING = BatchState.OPEN, BatchState.RUNNING, BatchState.CANCELLING
WORKING = (RUNNING, CANCELLING)


@dataclass
class ModelBatch:
    """One batch; every item is in exactly one of its five places."""

    forget_ms: int
    state: BatchState = OPEN
    claimer: str = ""
    pending: set[AccountId] = field(default_factory=set)
    claimed: dict[AccountId, int] = field(default_factory=dict)
    ok: set[AccountId] = field(default_factory=set)
    failed: list[AccountId] = field(default_factory=list)
    skipped: set[AccountId] = field(default_factory=set)
    every: set[AccountId] = field(default_factory=set)
    results: dict[AccountId, bytes] = field(default_factory=dict)
    is_listed: bool = True

    def due(self, now_ms: int) -> list[AccountId]:
        ends = sorted((when, item) for item, when in self.claimed.items() if when <= now_ms)
        return [item for _, item in ends]

    def end_if_nothing_is_left(self, now_ms: int) -> None:
        if self.state in WORKING and not self.pending and not self.claimed:
            self.end(BatchState.DONE if self.state is RUNNING else BatchState.CANCELLED, now_ms)

    def end(self, state: BatchState, now_ms: int) -> None:
        self.state, self.forget_ms = state, now_ms + KEEP_MS


class BatchMachine(RuleBasedStateMachine):
    """Random calls of every batch script, with time standing still between them."""

    url = ""

    def __init__(self) -> None:
        super().__init__()
        self.batches: dict[BatchId, ModelBatch] = {}
        self.epochs: list[int] = []
        self.runner = asyncio.Runner()
        self.opened = open_redis(self.url, pool_size=2)
        redis: Any = self.runner.run(self.opened.__aenter__())
        self.redis = redis
        self.run(self._empty())
        self.store = BatchStore(redis, now_ms=NOW_MS)
        self.results = BatchResults(redis, SecretCipher([b"k" * 32]))
        self.leaders = LeaderStore(redis, now_ms=NOW_MS)
        self.view = KeyView(redis)
        self.elect_another()

    async def _empty(self) -> None:
        for key in await self.redis.execute_command("KEYS", "*"):
            await self.redis.execute_command("DEL", key)

    def run(self, call: Any) -> Any:
        return self.runner.run(call)

    @property
    def now_ms(self) -> int:
        return self.store.now_ms

    def teardown(self) -> None:
        self.run(self.opened.__aexit__(None, None, None))
        self.runner.close()

    @initialize(items=st.tuples(*[ITEMS] * len(NAMES)))
    def begin_with_three(self, items: tuple[list[AccountId], ...]) -> None:
        for name, of_batch in zip(NAMES, items, strict=True):
            self.begin_anew(name, of_batch)

    @rule()
    def elect_another(self) -> None:
        reply = self.run(self.leaders.campaign(f"p{len(self.epochs)}", ttl_s=10))
        assert isinstance(reply, Elected)
        self.leaders.now_ms += 10_000
        self.epochs.append(reply.epoch)

    @rule(name=IDS)
    def create(self, name: BatchId) -> None:
        call = self.store.create(
            name, BatchKind.DELETE, BatchParams(), created_by="x", keep_s=KEEP_MS / 1000
        )
        assert self.run(call) == Created()
        if name in self.batches:
            return
        for batch in self.batches.values():
            if batch.state not in WORKING and batch.forget_ms <= self.now_ms:
                batch.is_listed = False
        self.batches[name] = ModelBatch(self.now_ms + OPEN_MS)

    @rule(name=IDS, items=ITEMS)
    def add(self, name: BatchId, items: list[AccountId]) -> None:
        reply = self.run(self.store.add(name, items, max_items=MAX_ITEMS))
        batch = self.batches.get(name)
        if batch is None:
            assert reply == Unknown()
        elif batch.state is not OPEN:
            assert reply == NotOpen()
        elif len(batch.pending) + len(items) > MAX_ITEMS:
            assert reply == TooMany()
        else:
            batch.pending |= set(items)
            batch.every |= set(items)
            batch.forget_ms = self.now_ms + OPEN_MS
            assert reply == Added(len(batch.pending))

    @rule(name=IDS, items=ITEMS)
    def begin_anew(self, name: BatchId, items: list[AccountId]) -> None:
        self.forget(name)
        self.create(name)
        self.add(name, items)
        self.start(name)

    @rule(name=IDS)
    def start(self, name: BatchId) -> None:
        reply = self.run(self.store.start(name))
        batch = self.batches.get(name)
        if batch is None:
            assert reply == Unknown()
        elif batch.state is RUNNING:
            assert reply == Started()
        elif batch.state is not OPEN:
            assert reply == NotOpen()
        elif not batch.pending:
            assert reply == Empty()
        else:
            assert reply == Started()
            batch.state = RUNNING

    @rule(
        name=IDS,
        limit=st.integers(1, 4),
        ttl_s=st.sampled_from([1.0, 60.0]),
        again=st.booleans(),
        is_old=st.integers(0, 5).map(lambda n: n == 0),
    )
    def take(self, *, name: BatchId, limit: int, ttl_s: float, again: bool, is_old: bool) -> None:
        batch, epoch = self.batches.get(name), self.epoch_of(is_old=is_old)
        claimer = batch.claimer if batch and again and batch.claimer else f"c{len(self.epochs)}"
        reply = self.run(self.store.take(name, claimer, limit=limit, ttl_s=ttl_s, epoch=epoch))
        if epoch != self.epochs[-1]:
            assert reply == StaleEpoch()
            return
        if batch is None or batch.state not in WORKING:
            assert reply == Over()
            return
        if claimer != batch.claimer:
            batch.claimer = claimer
            batch.claimed = dict.fromkeys(batch.claimed, 0)
        due = batch.due(self.now_ms)[:limit]
        if batch.state is CANCELLING:
            for item in due:
                del batch.claimed[item]
                batch.results.pop(item, None)
            batch.skipped |= set(due)
            batch.end_if_nothing_is_left(self.now_ms)
            assert reply == Over() if not batch.claimed else reply.items == ()
            return
        fresh = reply.items[len(due) :]
        assert list(reply.items[: len(due)]) == due
        assert len(fresh) == min(limit - len(due), len(batch.pending))
        assert set(fresh) <= batch.pending
        batch.pending -= set(fresh)
        batch.claimed |= dict.fromkeys(reply.items, self.now_ms + round(ttl_s * 1000))

    def epoch_of(self, *, is_old: bool) -> int:
        return self.epochs[0] if is_old else self.epochs[-1]

    @rule(
        name=IDS,
        items=ITEMS,
        why=st.sampled_from(["", "", "no luck"]),
        is_old=st.integers(0, 5).map(lambda n: n == 0),
    )
    def finish(self, name: BatchId, items: list[AccountId], why: str, *, is_old: bool) -> None:
        batch, epoch = self.batches.get(name), self.epoch_of(is_old=is_old)
        results = dict.fromkeys(items, why)
        reply = self.run(self.store.finish(name, results, epoch=epoch, max_failures=MAX_FAILURES))
        if epoch != self.epochs[-1]:
            assert reply == StaleEpoch()
            return
        if batch is None or batch.state not in WORKING:
            assert reply == Over()
            return
        counted = [item for item in results if item in batch.claimed]
        for item in counted:
            del batch.claimed[item]
        if why:
            batch.failed += counted
            batch.results = {i: text for i, text in batch.results.items() if i not in counted}
        else:
            batch.ok |= set(counted)
        batch.end_if_nothing_is_left(self.now_ms)
        assert reply == Finished(len(counted))

    @rule(
        name=IDS,
        items=ITEMS,
        result=st.sampled_from([b"", b"1", b"2"]),
        is_old=st.integers(0, 5).map(lambda n: n == 0),
    )
    def keep_result(
        self, name: BatchId, items: list[AccountId], result: bytes, *, is_old: bool
    ) -> None:
        batch, epoch = self.batches.get(name), self.epoch_of(is_old=is_old)
        for item in items:
            is_kept = self.run(self.results.keep(name, item, result, epoch=epoch))
            is_claimed = batch is not None and item in batch.claimed
            assert is_kept == (is_claimed and epoch == self.epochs[-1])
            if is_kept and batch is not None:
                batch.results[item] = result

    @rule(name=IDS)
    def finish_all_that_is_claimed(self, name: BatchId) -> None:
        batch = self.batches.get(name)
        if batch is not None and batch.claimed:
            self.finish(name, sorted(batch.claimed), "", is_old=False)

    @rule(name=IDS, is_wanted=st.integers(0, 3).map(lambda n: n == 0))
    def cancel_now_and_then(self, name: BatchId, *, is_wanted: bool) -> None:
        if is_wanted:
            self._cancel(name)

    def _cancel(self, name: BatchId) -> None:
        state = self.run(self.store.cancel(name))
        batch = self.batches.get(name)
        if batch is not None and batch.state in (OPEN, RUNNING):
            batch.skipped |= batch.pending
            batch.pending = set()
            if batch.claimed:
                batch.state = CANCELLING
            else:
                batch.end(BatchState.CANCELLED, self.now_ms)
        assert state == (batch.state if batch else None)

    @rule(name=IDS)
    def forget(self, name: BatchId) -> None:
        batch = self.batches.get(name)
        is_free = batch is None or batch.state not in WORKING
        assert self.run(self.store.forget(name)) == is_free
        if is_free:
            self.batches.pop(name, None)

    @rule(ms=st.sampled_from([1, 1000, 59_999, OPEN_MS, KEEP_MS]))
    def let_time_pass(self, ms: int) -> None:
        self.store.now_ms += ms

    @invariant()
    def every_item_is_in_one_place(self) -> None:
        for batch in self.batches.values():
            places = [batch.pending, set(batch.claimed), batch.ok, set(batch.failed), batch.skipped]
            assert sum(map(len, places)) == len(batch.every)
            assert set().union(*places) == batch.every
            assert len(batch.failed) == len(set(batch.failed))

    @invariant()
    def keys_say_what_the_model_says(self) -> None:
        self.run(self._compare())

    async def _compare(self) -> None:
        listed = (await self.store.list()).batches
        assert {batch.id for batch in listed} == {n for n, b in self.batches.items() if b.is_listed}
        working = {name for name, batch in self.batches.items() if batch.state in WORKING}
        assert set(await self.store.working()) == working
        for name, model in self.batches.items():
            await self._compare_one(name, model)

    async def _compare_one(self, name: BatchId, model: ModelBatch) -> None:
        batch = await self.store.find(name)
        assert batch is not None
        assert (batch.state, batch.total) == (model.state, len(model.every))
        assert (batch.ok, batch.fail) == (len(model.ok), len(model.failed))
        assert batch.skipped == len(model.skipped)
        assert batch.more_failures == max(0, len(model.failed) - MAX_FAILURES)
        pending = await self.redis.execute_command("SMEMBERS", keys.batch_pending(name))
        assert {item.decode() for item in pending} == model.pending
        assert batch.total == batch.processed + len(pending) + len(model.claimed)
        assert await self.view.scores(keys.batch_claimed(name)) == model.claimed
        failures = (await self.store.failures(name)).failures
        assert [f.account_id for f in failures] == model.failed[:MAX_FAILURES]
        assert (await self.results.page(name)).results == model.results
        assert set(model.results) <= model.ok | set(model.claimed)
        life_ms = await self.redis.execute_command("PTTL", keys.batch_facts(name))
        assert (life_ms == -1) == (model.state in WORKING)


@pytest.mark.timeout(120)
def test_scripts_agree_with_the_model(redis_url: str) -> None:
    BatchMachine.url = redis_url

    run_state_machine_as_test(
        BatchMachine,
        settings=settings(
            max_examples=150,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
