"""What is explained is what happens: `decide` says ready exactly where `acquire` lends."""

import asyncio
from itertools import count
from typing import Any

from hypothesis import HealthCheck, given, settings, strategies as st

from grok2api.domain.account import (
    POOLS,
    Credentials,
    Lease,
    Mode,
    Outcome,
    Pool,
    ProviderKind,
    Status,
    Tier,
)
from grok2api.domain.eligibility import Word, decide
from grok2api.domain.ids import AccountId, LeaseId
from grok2api.domain.quota import Credits, QuotaReport, Reading, Source, Window
from grok2api.domain.selection import SelectionPolicy, Strategy, Wish
from grok2api.store.account_edits import AccountEdits, Edit, Finding
from grok2api.store.account_timers import AccountTimers
from grok2api.store.accounts import AccountStore, NewAccount, Release
from grok2api.store.cipher import SecretCipher
from grok2api.store.connection import RedisClient, open_redis

START_MS = 1_800_000_000_000
LIMIT = 2
NAMES = tuple(AccountId(name) for name in "abc")
BASIC, SUPER = (Pool(ProviderKind.GROK_WEB, tier) for tier in (Tier.BASIC, Tier.SUPER))
TAGS = st.sets(st.sampled_from(("red", "blue"))).map(lambda tags: tuple(sorted(tags)))
LEFT = st.sampled_from([0, 1, 3, 4, 30, 30])
SECONDS = st.sampled_from([0.0, 1.0, 60.0, 900.0, 7200.0])
WISHES = st.builds(
    Wish,
    pools=st.sampled_from([(BASIC,), (SUPER,), (BASIC, SUPER), (SUPER, BASIC)]),
    modes=st.sampled_from([(Mode.FAST,), (Mode.EXPERT,), (Mode.AUTO, Mode.FAST, Mode.EXPERT)]),
    units=st.sampled_from([1, 4]),
    tags=st.just(()) | TAGS,
    exclude=st.just(()) | st.sets(st.sampled_from(NAMES), max_size=2).map(tuple),
)
STEPS = st.one_of(
    st.tuples(st.just("status"), st.sampled_from(NAMES), st.sampled_from(Status), SECONDS),
    st.tuples(st.just("edit"), st.sampled_from(NAMES), st.sampled_from([0, 1, 3]), TAGS),
    st.tuples(st.just("move"), st.sampled_from(NAMES), st.sampled_from(POOLS)),
    st.tuples(
        st.just("sync"),
        st.sampled_from(NAMES),
        st.dictionaries(st.sampled_from([Mode.FAST, Mode.EXPERT]), LEFT),
        st.sampled_from([None, 0, 500]),
    ),
    st.tuples(st.just("lease"), st.integers(1, 3), WISHES),
    st.tuples(st.just("occupy"), st.sampled_from(NAMES), st.integers(1, 3)),
    st.tuples(st.just("fail"), st.sampled_from(NAMES), st.sampled_from(Outcome), SECONDS),
    st.tuples(st.just("try again"), st.sampled_from(NAMES)),
    st.tuples(st.just("end"), st.integers(0, 9), st.sampled_from(Outcome), st.booleans(), SECONDS),
    st.tuples(st.just("pass"), SECONDS),
)


class World:
    """Accounts at a time that the test moves."""

    def __init__(self, redis: RedisClient, policy: SelectionPolicy) -> None:
        self.store = AccountStore(redis, SecretCipher([b"k" * 32]))
        self.edits, self.timers = AccountEdits(redis), AccountTimers(redis)
        self.policy = policy
        self.leases: list[Lease] = []
        self.names = count()
        self.set_time(START_MS)

    def set_time(self, now_ms: int) -> None:
        self.store.now_ms = self.edits.now_ms = self.timers.now_ms = self.now_ms = now_ms

    async def save(self, name: AccountId, left: int, tags: tuple[str, ...]) -> None:
        window = Window(left, 30, 7200, Source.REAL, reset_at_s=START_MS / 1000 + 60)
        pool = BASIC if name in NAMES[:2] else SUPER
        await self.store.save(
            NewAccount(name, pool, Credentials("s"), "…", tags, windows={Mode.FAST: window})
        )

    async def acquire(self, wish: Wish) -> Any:
        return await self.store.acquire(wish, self.policy, LeaseId(f"l{next(self.names)}"))

    async def step(self, what: str, *how: Any) -> None:  # noqa: C901, PLR0912 -- one a case
        match what:
            case "status":
                await self.store.set_status(how[0], how[1], for_s=how[2], reason="operator")
            case "edit":
                await self.edits.edit(how[0], Edit(max_concurrency=how[1], tags=how[2]))
            case "move":
                await self.edits.edit(how[0], Edit(pool=how[1]))
            case "sync":
                await self._sync(*how)
            case "lease":
                for _ in range(how[0]):
                    lease = await self.acquire(how[1])
                    if isinstance(lease, Lease):
                        self.leases.append(lease)
            case "occupy":
                self.leases += await self._lease_alone(*how)
            case "fail":
                for lease in await self._lease_alone(how[0], 1):
                    verdict = Release(outcome=how[1], cooldown_s=how[2], reason="word")
                    await self.store.release(lease, verdict)
            case "try again":  # it has cooled and is on trial
                await self.store.set_status(how[0], Status.COOLING, for_s=1.0)
                self.set_time(self.now_ms + 1000)
            case "end" if self.leases:
                lease = self.leases.pop(how[0] % len(self.leases))
                verdict = Release(outcome=how[1], is_used=how[2], cooldown_s=how[3], reason="word")
                await self.store.release(lease, verdict)
            case "pass":
                self.set_time(self.now_ms + round(how[0] * 1000))
            case _:
                pass  # there is no lease to end

    async def _lease_alone(self, name: AccountId, times: int) -> list[Lease]:
        others = tuple(other for other in NAMES if other != name)
        wish = Wish(pools=POOLS, modes=(Mode.FAST,), exclude=others)
        found = [await self.acquire(wish) for _ in range(times)]
        return [lease for lease in found if isinstance(lease, Lease)]

    async def _sync(self, name: AccountId, left: dict[Mode, int], credits_: int | None) -> None:
        readings = tuple(Reading(mode, n, 30, 7200, 60.0) for mode, n in left.items())
        found = None if credits_ is None else Credits(credits_, 900.0)
        report = QuotaReport(readings, {}, credits=found)
        await self.edits.sync(name, Finding(report=report, next_in_s=60.0))

    async def compare(self, wish: Wish) -> None:
        """Ask for each account alone, and give it back at once."""
        await self.timers.reap()
        accounts = await self.store.find(NAMES)
        choice = await self.edits.explain(wish, self.policy)
        said = {
            name: decide(account, wish, max_concurrency=LIMIT, now_s=self.now_ms / 1000)
            for name, account in accounts.items()
        }
        ready = {name for name, reason in said.items() if reason.word is Word.READY}
        assert (choice.account_id in ready) if choice else not ready, (choice, said)
        for name, account in accounts.items():
            others = {*wish.exclude, *NAMES} - ({name} - set(wish.exclude))
            alone = Wish(
                pools=wish.pools,
                modes=wish.modes,
                units=wish.units,
                tags=wish.tags,
                exclude=tuple(others),
            )
            lease = await self.acquire(alone)
            if isinstance(lease, Lease):
                await self.store.release(lease, Release(outcome=Outcome.FAILED))
            assert isinstance(lease, Lease) == (name in ready), (said[name], account)
            if isinstance(lease, Lease):
                assert lease.mode is said[name].mode


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
@given(
    strategy=st.sampled_from(Strategy),
    made=st.lists(st.tuples(LEFT, TAGS, st.sampled_from([0, 1, 3])), min_size=3, max_size=3),
    steps=st.lists(STEPS, min_size=3, max_size=20),
    wishes=st.lists(WISHES, min_size=2, max_size=5),
)
def test_ready_is_who_would_be_lent(
    redis_url: str,
    strategy: Strategy,
    made: list[tuple[int, tuple[str, ...], int]],
    steps: list[tuple[Any, ...]],
    wishes: list[Wish],
) -> None:
    async def check() -> None:
        async with open_redis(redis_url, pool_size=2) as redis:
            await redis.execute_command("FLUSHALL")
            world = World(redis, SelectionPolicy(strategy=strategy, max_concurrency=LIMIT))
            for name, (left, tags, limit) in zip(NAMES, made, strict=True):
                await world.save(name, left, tags)
                await world.edits.edit(name, Edit(max_concurrency=limit))
            for step in steps:
                await world.step(*step)
            for wish in wishes:
                await world.compare(wish)

    asyncio.run(check())
