"""All media scripts together, against a small model: they agree after every step."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from grok2api.domain.media import StoredMedia
from grok2api.store import keys
from grok2api.store.connection import open_redis
from grok2api.store.media_replies import Adopted, Full, Known, Pending, Reserved, TooLarge, Useless
from tests.lua.media.conftest import (
    AGAIN_S,
    IMAGE,
    PNG,
    WRITE_S,
    MediaMaker,
    id_of,
    place_of,
    sighting,
)

NAMES = st.sampled_from("abcd")
COPIES = st.sampled_from([1, 2])
SIZES = {"a": 0, "b": 10, "c": 25, "d": 70}
LIMIT = 60


@dataclass
class Kept:
    """One object of the index."""

    place: str
    size: int
    used_ms: int
    created_ms: int


@dataclass
class Model:
    """What the index should know."""

    kept: dict[str, Kept] = field(default_factory=dict)
    coming: dict[str, int] = field(default_factory=dict)
    ends: dict[str, int] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        return sum(one.size for one in self.kept.values())

    @property
    def reserved(self) -> int:
        return sum(self.coming.values())

    def use(self, name: str, now_ms: int) -> None:
        if now_ms - self.kept[name].used_ms >= 60_000:
            self.kept[name].used_ms = now_ms

    def take_out(self, name: str, now_ms: int) -> str:
        place = self.kept.pop(name).place
        self.ends[place] = now_ms + round(AGAIN_S * 1000)
        return place


class MediaMachine(RuleBasedStateMachine):
    """Random calls of every media script, with time standing still between them."""

    url = ""

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.runner = asyncio.Runner()
        self.opened = open_redis(self.url, pool_size=2)
        self.redis: Any = self.runner.run(self.opened.__aenter__())
        self.run(self.redis.execute_command("FLUSHALL"))
        self.media = MediaMaker(self.redis)
        self.run(self.media.elect("me"))

    def run(self, call: Any) -> Any:
        return self.runner.run(call)

    def teardown(self) -> None:
        self.run(self.opened.__aexit__(None, None, None))
        self.runner.close()

    @property
    def now_ms(self) -> int:
        self.media.wait(0.001)  # so that no two are used at the same time
        return self.media.index.now_ms

    def is_free(self, place: str) -> bool:
        """Whether a place was not used: no writer takes one twice."""
        used = [one.place for one in self.model.kept.values()]
        return place not in [*used, *self.model.coming, *self.model.ends]

    @rule(name=NAMES, copy=COPIES, has_limit=st.booleans())
    def reserve(self, name: str, copy: int, *, has_limit: bool) -> None:
        place, size, model, now_ms = place_of(name, copy), SIZES[name], self.model, self.now_ms
        if not self.is_free(place):
            return

        reply = self.run(
            self.media.reserve(name, copy, size=size, limit=LIMIT if has_limit else None)
        )

        if name in model.kept:
            model.use(name, now_ms)
            assert isinstance(reply, StoredMedia)
            assert reply.used_at_s == model.kept[name].used_ms / 1000
        elif has_limit and size > LIMIT:
            assert reply == TooLarge()
        elif has_limit and model.bytes + model.reserved + size > 1.25 * LIMIT:
            assert reply == Full()
        else:
            assert reply == Reserved()
            model.coming[place] = size
            model.ends[place] = now_ms + round(WRITE_S * 1000)

    @rule(name=NAMES, copy=COPIES)
    def keep(self, name: str, copy: int) -> None:
        place, model, now_ms = place_of(name, copy), self.model, self.now_ms

        kept = self.run(self.media.keep(name, copy))

        size = model.coming.pop(place, None)
        if name in model.kept and model.kept[name].place != place:
            model.use(name, now_ms)
            if size is not None:
                model.ends[place] = now_ms + round(AGAIN_S * 1000)
        elif name in model.kept:
            model.use(name, now_ms)
        elif size is None:
            assert kept is None
            return
        else:
            model.kept[name] = Kept(place, size, now_ms, now_ms)
            del model.ends[place]
        assert kept.place == model.kept[name].place

    @rule(name=NAMES, copy=COPIES)
    def abandon(self, name: str, copy: int) -> None:
        place, now_ms = place_of(name, copy), self.now_ms

        self.run(self.media.index.abandon(IMAGE, place))

        if self.model.coming.pop(place, None) is not None:
            self.model.ends[place] = now_ms + round(AGAIN_S * 1000)

    @rule(name=NAMES)
    def find(self, name: str) -> None:
        now_ms = self.now_ms

        found = self.run(self.media.find(name))

        assert (found is not None) == (name in self.model.kept)
        if found is not None:
            self.model.use(name, now_ms)
            assert found.used_at_s == self.model.kept[name].used_ms / 1000

    @rule(name=NAMES, copy=st.sampled_from([0, 1, 2]))
    def remove(self, name: str, copy: int) -> None:
        """Copy 0: wherever it is."""
        place, now_ms = place_of(name, copy) if copy else "", self.now_ms

        removed = self.run(self.media.index.remove(IMAGE, id_of(name), place=place))

        kept = self.model.kept.get(name)
        if kept is not None and place in ("", kept.place):
            assert removed == self.model.take_out(name, now_ms)
        else:
            assert removed is None

    @rule(idle_s=st.sampled_from([0.0, 90.0]), low=st.sampled_from([0, 30, LIMIT]))
    def evict(self, idle_s: float, low: int) -> None:
        now_ms, model, expected = self.now_ms, self.model, []
        is_over = model.bytes + model.reserved > LIMIT
        for name in sorted(model.kept, key=lambda n: model.kept[n].used_ms):
            is_idle = idle_s and model.kept[name].used_ms <= now_ms - idle_s * 1000
            if not is_idle and not (is_over and model.bytes + model.reserved > low):
                break
            expected.append(model.take_out(name, now_ms))

        assert self.run(self.media.evict(LIMIT, low, idle_s=idle_s)) == expected

    @rule(seconds=st.sampled_from([1.0, 61.0, 101.0]))
    def wait(self, seconds: float) -> None:
        self.media.wait(seconds)

    @rule(is_removed=st.booleans())
    def take_ended(self, *, is_removed: bool) -> None:
        now_ms, model = self.now_ms, self.model
        expected = sorted(place for place, end in model.ends.items() if end <= now_ms)

        assert self.run(self.media.ended()) == expected

        for place in expected:
            model.coming.pop(place, None)
            model.ends[place] = now_ms + round(AGAIN_S * 1000)
            if is_removed:
                del model.ends[place]
        if is_removed:
            self.run(self.media.index.drop(IMAGE, expected))

    @rule(name=NAMES, copy=COPIES, is_whole=st.booleans())
    def adopt(self, name: str, copy: int, *, is_whole: bool) -> None:
        now_ms, model, size = self.now_ms, self.model, SIZES[name] + (0 if is_whole else 1)
        found = sighting(name, copy, size)
        kept = model.kept.get(name)

        verdict = self.run(self.media.upkeep.adopt(found, epoch=self.media.epoch))

        if found.place in model.ends:
            assert verdict == Pending()
        elif kept is None:
            assert verdict == Adopted()
            # In this order copies and objects have times of their own.
            written_ms = round(found.written_at_s * 1000)
            model.kept[name] = Kept(found.place, size, written_ms, written_ms)
            self.run(self.media.index.remove(IMAGE, id_of(name)))
            model.take_out(name, now_ms)
        elif kept.place != found.place:
            assert verdict == Useless()
            model.ends[found.place] = now_ms + round(AGAIN_S * 1000)
        elif kept.size != size:
            assert verdict == Useless()
            model.take_out(name, now_ms)
        else:
            assert verdict == Known()

    @invariant()
    def numbers_are_the_model_s(self) -> None:
        model = self.model
        assert self.run(self.media.numbers()) == (len(model.kept), model.bytes, model.reserved)

    @invariant()
    def lists_have_the_same_members(self) -> None:
        model = self.model
        page = self.run(self.media.index.list(IMAGE, skip=0, limit=100))
        listed = {item.id.lstrip("0"): item.place for item in page.items}
        assert listed == {name: kept.place for name, kept in model.kept.items()}
        assert all(item.media_type == PNG for item in page.items)
        command = self.redis.execute_command
        state = keys.media_state(IMAGE)
        assert self.run(command("HLEN", state["index"])) == len(model.kept)
        assert self.run(command("HLEN", state["coming"])) == len(model.coming)
        for name in ("used", "created", "seen"):
            assert self.run(command("ZCARD", state[name])) == len(model.kept)
        assert self.run(command("ZCARD", state["ends"])) == len(model.ends)


def test_index_agrees_with_its_model(redis_url: str) -> None:
    MediaMachine.url = redis_url

    run_state_machine_as_test(
        MediaMachine,
        settings=settings(
            max_examples=60,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
