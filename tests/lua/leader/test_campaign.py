"""leader/campaign: one effective leader, and an epoch that grows with each change of hands."""

import asyncio

import pytest
from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from grok2api.store import keys
from grok2api.store.account_replies import StaleEpoch
from grok2api.store.account_timers import AccountTimers
from grok2api.store.connection import RedisClient, open_redis
from grok2api.store.leader import Elected, Follower, LeaderStore
from tests.lua.conftest import NOW_MS, KeyView


@pytest.fixture
def leaders(redis: RedisClient) -> LeaderStore:
    return LeaderStore(redis, now_ms=NOW_MS)


async def test_first_to_ask_leads_and_others_learn_for_how_long(
    leaders: LeaderStore, view: KeyView
) -> None:
    first = await leaders.campaign("a", ttl_s=10)
    leaders.now_ms += 4_000
    second = await leaders.campaign("b", ttl_s=10)

    assert first == Elected(NOW_MS)
    assert second == Follower(6_000)
    assert await view.hash(keys.leader()) == {
        "owner": "a",
        "epoch": str(NOW_MS),
        "ends_at_ms": str(NOW_MS + 10_000),
    }


async def test_renewal_keeps_the_epoch_and_prolongs_the_lease(leaders: LeaderStore) -> None:
    await leaders.campaign("a", ttl_s=10)
    leaders.now_ms += 9_999

    renewed = await leaders.campaign("a", ttl_s=10)
    leaders.now_ms += 9_999

    assert renewed == Elected(NOW_MS)
    assert await leaders.campaign("b", ttl_s=10) == Follower(1)


async def test_lease_that_ended_goes_to_the_next_with_a_higher_epoch(leaders: LeaderStore) -> None:
    await leaders.campaign("a", ttl_s=10)
    leaders.now_ms += 10_000

    assert await leaders.campaign("b", ttl_s=10) == Elected(NOW_MS + 10_000)
    assert await leaders.campaign("a", ttl_s=10) == Follower(10_000)


async def test_leader_that_comes_back_too_late_begins_a_new_epoch(leaders: LeaderStore) -> None:
    await leaders.campaign("a", ttl_s=10)
    leaders.now_ms += 10_000

    assert await leaders.campaign("a", ttl_s=10) == Elected(NOW_MS + 10_000)


async def test_epoch_grows_where_the_clock_stands_still_or_falls_back(leaders: LeaderStore) -> None:
    first = await leaders.campaign("a", ttl_s=10)
    await leaders.resign("a")
    second = await leaders.campaign("b", ttl_s=10)
    await leaders.resign("b")
    leaders.now_ms -= 3_600_000
    third = await leaders.campaign("a", ttl_s=10)

    assert [first, second, third] == [Elected(NOW_MS), Elected(NOW_MS + 1), Elected(NOW_MS + 2)]


async def test_epoch_does_not_fall_back_when_the_store_forgot_it(
    leaders: LeaderStore, redis: RedisClient
) -> None:
    await leaders.campaign("a", ttl_s=10)
    await redis.execute_command("DEL", keys.leader())
    leaders.now_ms += 1

    assert await leaders.campaign("b", ttl_s=10) == Elected(NOW_MS + 1)


async def test_time_is_the_servers_own(redis: RedisClient) -> None:
    seconds, _ = await redis.execute_command("TIME")

    reply = await LeaderStore(redis).campaign("a", ttl_s=10)

    assert isinstance(reply, Elected)
    assert abs(reply.epoch / 1000 - int(seconds)) < 60


async def test_one_of_many_racing_candidates_leads(redis: RedisClient) -> None:
    leaders = LeaderStore(redis)

    replies = await asyncio.gather(*(leaders.campaign(f"c{n}", ttl_s=60) for n in range(50)))

    assert sum(isinstance(reply, Elected) for reply in replies) == 1


NAMES = st.sampled_from(["a", "b", "c"])


class LeaderMachine(RuleBasedStateMachine):
    """Candidates that campaign, resign, sleep and write, against the few lines they stand for."""

    url = ""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.opened = open_redis(self.url, pool_size=1)
        redis = self.runner.run(self.opened.__aenter__())
        self.runner.run(redis.execute_command("DEL", keys.leader()))
        self.store = LeaderStore(redis, now_ms=NOW_MS)
        self.timers = AccountTimers(redis, now_ms=NOW_MS)
        self.owner, self.ends_at_ms, self.epoch = "", 0, 0
        self.known: dict[str, int] = {}

    def teardown(self) -> None:
        self.runner.run(self.opened.__aexit__(None, None, None))
        self.runner.close()

    @rule(name=NAMES, ttl_s=st.sampled_from([0.001, 1.0, 10.0]))
    def campaign(self, name: str, ttl_s: float) -> None:
        reply = self.runner.run(self.store.campaign(name, ttl_s=ttl_s))
        now_ms = self.store.now_ms
        is_led = self.ends_at_ms > now_ms
        if is_led and self.owner != name:
            assert reply == Follower(self.ends_at_ms - now_ms)
            return
        assert isinstance(reply, Elected)
        assert reply.epoch == self.epoch if is_led else reply.epoch > self.epoch
        self.owner, self.epoch, self.ends_at_ms = name, reply.epoch, now_ms + round(ttl_s * 1000)
        self.known[name] = reply.epoch

    @rule(name=NAMES)
    def resign(self, name: str) -> None:
        assert self.runner.run(self.store.resign(name)) == (self.owner == name)
        if self.owner == name:
            self.owner, self.ends_at_ms = "", 0

    @rule(name=NAMES)
    def write_with_the_epoch_it_was_given(self, name: str) -> None:
        if name in self.known:
            done = self.runner.run(self.timers.reap(epoch=self.known[name]))
            assert isinstance(done, StaleEpoch) == (self.known[name] != self.epoch)

    @rule(ms=st.sampled_from([-5_000, -1, 1, 999, 1_000, 10_000, 60_000]))
    def let_the_clock_move(self, ms: int) -> None:
        self.store.now_ms += ms

    @invariant()
    def at_most_one_may_write(self) -> None:
        assert list(self.known.values()).count(self.epoch) <= 1


@pytest.mark.timeout(120)
def test_leadership_agrees_with_the_model(redis_url: str) -> None:
    LeaderMachine.url = redis_url

    run_state_machine_as_test(
        LeaderMachine,
        settings=settings(
            max_examples=100,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
