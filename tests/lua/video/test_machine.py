"""All scripts of video jobs together, against a small model: they agree after every step."""

import asyncio
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from grok2api.domain.ids import VideoJobId
from grok2api.domain.video import ENDED, VideoState
from grok2api.domain.video_job import VideoJob, VideoWork
from grok2api.store import keys
from grok2api.store.cipher import SecretCipher
from grok2api.store.connection import open_redis
from grok2api.store.videos import DeadClaim, VideoStore
from tests.lua.conftest import NOW_MS
from tests.lua.video.conftest import (
    ASKED,
    LIMITS,
    MADE,
    MINE,
    NOTHING,
    SEARCHABLE,
    TTL_S,
    WHOLE,
    ending,
    new,
    question,
)

S = VideoState
NUMBERS = st.integers(0, 9)
TTL_MS, KEEP_MS = round(TTL_S * 1000), 60_000
PARTS = 2
MOVES = {
    S.ACCEPTED: {S.SUBMITTING},
    S.SUBMITTING: {S.ACCEPTED, S.SUBMITTED},
    S.SUBMITTED: {S.POLLING, S.SUBMITTING, S.STORING},
    S.POLLING: {S.POLLING, S.SUBMITTING, S.STORING},
    S.STORING: {S.STORING},
}
MAY_BE_RUNNING = {S.SUBMITTING, S.SUBMITTED}
SECOND = msgspec.structs.replace(ASKED, parts=(MADE,))
SECOND_SEEN = msgspec.structs.replace(SEARCHABLE, parts=(MADE,))
WORKS = st.sampled_from([ASKED, SEARCHABLE, SECOND, SECOND_SEEN, WHOLE])


@dataclass
class Model:
    """One job, and how often the upstream was asked for each of its parts."""

    created_ms: int
    state: VideoState = S.ACCEPTED
    work: VideoWork = NOTHING
    fence: int = 0
    claim_ms: int = 0
    step: int = 0
    asked: int = 0
    ended_ms: int = 0
    is_unwanted: bool = False
    is_hidden: bool = False

    @property
    def has_ended(self) -> bool:
        return self.state in ENDED


class VideoMachine(RuleBasedStateMachine):
    """Random calls of every script by several claimers, some of them too slow."""

    url = ""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[VideoJobId] = []
        self.models: dict[VideoJobId, Model] = {}
        self.claims: list[VideoJob] = []
        self.runner = asyncio.Runner()
        self.opened = open_redis(self.url, pool_size=2)
        self.redis: Any = self.runner.run(self.opened.__aenter__())
        self.run(self.redis.execute_command("FLUSHALL"))
        self.store = VideoStore(self.redis, SecretCipher([b"k" * 32]), now_ms=NOW_MS)

    def run(self, call: Any) -> Any:
        return self.runner.run(call)

    def word(self, call: Any) -> str:
        return type(self.run(call)).__name__

    def teardown(self) -> None:
        self.run(self.opened.__aexit__(None, None, None))
        self.runner.close()

    @property
    def now_ms(self) -> int:
        return self.store.now_ms

    def forget_due(self) -> None:
        for name, model in list(self.models.items()):
            if model.has_ended and model.ended_ms + KEEP_MS <= self.now_ms:
                del self.models[name]

    def end(self, name: VideoJobId, state: VideoState) -> None:
        model = self.models[name]
        model.state, model.ended_ms = state, self.now_ms
        if model.is_hidden:
            del self.models[name]

    def held(self, job: VideoJob) -> Model | None:
        """Return the job that a claim is about, as long as it is the last one on it."""
        model = self.models.get(job.id)
        return model if model and model.fence == job.fence else None

    def pick(self, number: int) -> VideoJob | None:
        """Return a claim, 0 for the last one."""
        return self.claims[-1 - number % len(self.claims)] if self.claims else None

    @rule()
    def create(self) -> None:
        self.store.now_ms += 1
        name = VideoJobId(f"video_{len(self.names):03}")  # an id is never given out again
        self.names.append(name)
        self.forget_due()
        open_ones = [m for m in self.models.values() if not m.has_ended]
        listed = {n: m for n, m in self.models.items() if not m.is_hidden}
        over = [n for n, m in listed.items() if m.has_ended]

        video = new(name, question=question(segments=(6, 6)))
        reply = self.word(self.store.create(video, LIMITS))

        if len(open_ones) >= LIMITS.max_open:
            assert reply == "Busy"
            return
        if len(listed) >= LIMITS.max_kept:
            del self.models[min(over, key=lambda n: (listed[n].created_ms, n))]
        assert reply == "Created"
        self.models[name] = Model(self.now_ms)

    @rule()
    def claim(self) -> None:
        self.store.now_ms += 1
        self.forget_due()
        due = {
            name: model
            for name, model in self.models.items()
            if not model.has_ended and model.claim_ms <= self.now_ms
        }

        found = self.run(self.store.claim(ttl_s=TTL_S))

        if not due:
            assert found is None
            return
        assert found is not None
        model = due[found.id]
        is_stuck = model.state in MAY_BE_RUNNING and not model.work.can_go_on(
            question(segments=(6, 6)).request
        )
        if model.is_unwanted or is_stuck:
            assert isinstance(found, DeadClaim)
            self.end(found.id, S.CANCELLED if model.is_unwanted else S.UNKNOWN)
            return
        model.fence += 1
        model.claim_ms = self.now_ms + TTL_MS
        assert isinstance(found, VideoJob)
        assert (found.fence, found.state) == (model.fence, model.state)
        assert (found.step, found.work) == (model.step, model.work)
        self.claims.append(found)

    @rule(number=NUMBERS)
    def beat(self, number: int) -> None:
        job = self.pick(number)
        if job is None:
            return
        model = self.held(job)

        reply = self.word(self.store.beat(job, 0, ttl_s=TTL_S))

        if model is None or model.has_ended:
            assert reply == "Lost"
            return
        model.claim_ms = self.now_ms + TTL_MS
        assert reply == ("Unwanted" if model.is_unwanted else "Going")

    @rule(number=NUMBERS, state=st.sampled_from(S), work=WORKS)
    def advance(self, number: int, state: VideoState, work: VideoWork) -> None:
        job = self.pick(number)
        if job is None:
            return
        model = self.held(job)
        step = model.step if model else 0
        told = msgspec.structs.replace(job, step=step)

        reply = self.word(self.store.advance(told, state, work))

        if model is None or model.has_ended:
            assert reply == "Lost"
        elif state not in MOVES[model.state]:
            assert reply == "Illegal"
        elif state is S.SUBMITTING and model.is_unwanted:
            assert reply == "Unwanted"
        elif (state is S.SUBMITTING and model.asked != len(work.parts)) or (
            state is S.ACCEPTED and model.asked != 1
        ):
            assert reply == "Illegal"
        else:
            assert reply == "Advanced"
            model.state, model.work, model.step = state, work, step + 1
            model.asked += {S.SUBMITTING: 1, S.ACCEPTED: -1}.get(state, 0)

    @rule(number=NUMBERS, state=st.sampled_from(sorted(ENDED)))
    def finish(self, number: int, state: VideoState) -> None:
        job = self.pick(number)
        if job is None:
            return
        model = self.held(job)
        before = model.state if model else None

        reply = self.word(self.store.finish(job, ending(state)))

        if model is None or (model.has_ended and model.state is not state):
            assert reply == "Lost"
        elif model.has_ended:
            assert reply == "Finished"
        elif (
            (state is S.DONE and before is not S.STORING)
            or (state is S.UNKNOWN and before in (S.ACCEPTED, S.STORING))
            or (state is S.CANCELLED and not model.is_unwanted)
        ):
            assert reply == "Illegal"
        else:
            assert reply == "Finished"
            model.work = WHOLE
            self.end(job.id, state)

    @rule(number=NUMBERS)
    def release(self, number: int) -> None:
        job = self.pick(number)
        if job is None:
            return
        model = self.held(job)

        reply = self.word(self.store.release(job))

        is_ours = model is not None and not model.has_ended
        assert reply == ("Released" if is_ours else "Lost")
        if model is not None and is_ours:
            model.claim_ms = self.now_ms

    @rule(number=NUMBERS, deletes=st.booleans())
    def stop(self, number: int, *, deletes: bool) -> None:
        if not self.names:
            return
        name = self.names[-1 - number % len(self.names)]
        model = self.models.get(name)
        call = self.store.delete if deletes else self.store.cancel

        reply = self.word(call(MINE, name))

        if model is None or model.is_hidden:
            assert reply == "Unknown"
        elif model.has_ended:
            assert reply == ("Deleted" if deletes else "Ended")
            if deletes:
                del self.models[name]
        elif model.state is S.ACCEPTED or model.claim_ms <= self.now_ms:
            assert reply == ("Deleted" if deletes else "Cancelled")
            model.is_hidden = deletes
            self.end(name, S.CANCELLED)
        else:
            assert reply == ("Deleting" if deletes else "Cancelling")
            model.is_unwanted, model.is_hidden = True, deletes

    @rule(seconds=st.sampled_from([1, 5, 11, 61]))
    def wait(self, seconds: int) -> None:
        self.store.now_ms += seconds * 1000

    @invariant()
    def store_and_model_agree(self) -> None:
        page = self.run(self.store.list(MINE))
        shown = {n: m for n, m in self.models.items() if not m.is_hidden}
        assert [job.id for job in page.jobs] == sorted(
            shown, key=lambda n: shown[n].created_ms, reverse=True
        )
        for job in page.jobs:
            model = shown[job.id]
            assert (job.state, job.work, job.fence) == (model.state, model.work, model.fence)

    @invariant()
    def no_part_is_asked_for_twice(self) -> None:
        assert all(0 <= model.asked <= PARTS for model in self.models.values())

    @invariant()
    def nothing_is_left_of_what_is_forgotten(self) -> None:
        unfinished = [n for n, m in self.models.items() if not m.has_ended]
        due = self.run(self.redis.execute_command("ZRANGE", keys.video_due(), "0", "-1"))
        counted = self.run(self.redis.execute_command("HGET", keys.video_open(), MINE))
        names = self.run(self.redis.execute_command("HKEYS", keys.video_jobs()))

        assert sorted(name.decode() for name in due) == sorted(unfinished)
        assert int(counted or 0) == len(unfinished)
        assert {name.decode().split()[0] for name in names} == set(self.models)


@pytest.mark.timeout(120)
def test_scripts_agree_with_the_model(redis_url: str) -> None:
    VideoMachine.url = redis_url

    run_state_machine_as_test(
        VideoMachine,
        settings=settings(
            max_examples=60,
            stateful_step_count=50,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
