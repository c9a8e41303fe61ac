"""All account scripts together, against a small model: replies and keys agree after every step."""

import asyncio
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from grok2api.domain.account import (
    Credentials,
    Lease,
    Outcome,
    Pool,
    ProviderKind,
    Status,
    Tier,
)
from grok2api.domain.ids import AccountId, LeaseId
from grok2api.store import keys
from grok2api.store.accounts import AccountStore, NewAccount, NoneReady, Saved
from grok2api.store.cipher import SecretCipher
from grok2api.store.connection import open_redis
from tests.lua.conftest import NOW_MS, KeyView

POOLS = (Pool(ProviderKind.GROK_WEB, Tier.BASIC), Pool(ProviderKind.GROK_WEB, Tier.SUPER))
IDS = st.sampled_from([AccountId(name) for name in ("a", "b", "c")])
TTL_S = st.sampled_from([0.001, 1.0, 30.0, 60.0])


@dataclass
class ModelAccount:
    pool: Pool
    status: Status = Status.ACTIVE
    until_ms: int = 0
    used: int = 0
    open: list[LeaseId] = field(default_factory=list)


class Model:
    """What the scripts should do, in plain Python."""

    def __init__(self) -> None:
        self.now_ms = NOW_MS
        self.accounts: dict[AccountId, ModelAccount] = {}
        self.leases: dict[LeaseId, tuple[AccountId, int]] = {}
        self.uses = count(1)

    def timers(self, pool: Pool) -> dict[str, int]:
        cooling = {
            f"cool {name}": account.until_ms
            for name, account in self.accounts.items()
            if account.pool == pool and account.status is Status.COOLING
        }
        leased = {
            f"lease {lease}": ends
            for lease, (name, ends) in self.leases.items()
            if self.accounts[name].pool == pool
        }
        return cooling | leased

    def end(self, lease: LeaseId) -> ModelAccount:
        account = self.accounts[self.leases.pop(lease)[0]]
        account.open.remove(lease)
        return account

    def touch(self, account: ModelAccount) -> None:
        if account.status is Status.ACTIVE:
            account.used = next(self.uses)

    def handle_due(self, pool: Pool) -> None:
        timers = self.timers(pool)
        for member in sorted(timers, key=lambda member: (timers[member], member)):
            what, _, name = member.partition(" ")
            if timers[member] > self.now_ms:
                return
            if what == "cool":
                account = self.accounts[AccountId(name)]
                account.status, account.until_ms = Status.ACTIVE, 0
            else:
                account = self.end(LeaseId(name))
            self.touch(account)

    def choose(self, pool: Pool, limit: int, exclude: set[AccountId]) -> AccountId | None:
        ready = [
            (len(account.open), account.used, name)
            for name, account in self.accounts.items()
            if account.pool == pool and account.status is Status.ACTIVE and name not in exclude
        ]
        return min(ready)[2] if ready and min(ready)[0] < limit else None

    def is_live(self, lease: Lease) -> bool:
        return lease.id in self.leases and self.leases[lease.id][1] > self.now_ms


class AccountMachine(RuleBasedStateMachine):
    """Random calls of every account script, with time standing still between them."""

    url = ""
    leases = Bundle("leases")

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.names = count(1)
        self.runner = asyncio.Runner()
        self.opened = open_redis(self.url, pool_size=2)
        redis = self.runner.run(self.opened.__aenter__())
        self.run(self._empty(redis))
        self.store = AccountStore(redis, SecretCipher([b"k" * 32]), now_ms=NOW_MS)
        self.view = KeyView(redis)

    async def _empty(self, redis: Any) -> None:
        for key in await redis.execute_command("KEYS", "*"):
            await redis.execute_command("DEL", key)

    def run(self, call: Any) -> Any:
        return self.runner.run(call)

    def teardown(self) -> None:
        self.run(self.opened.__aexit__(None, None, None))
        self.runner.close()

    @initialize(pools=st.tuples(*[st.sampled_from(POOLS)] * 3))
    def begin_with_three_accounts(self, pools: tuple[Pool, ...]) -> None:
        for name, pool in zip(("a", "b", "c"), pools, strict=True):
            self.save(AccountId(name), pool)

    @rule(name=IDS, pool=st.sampled_from(POOLS))
    def save(self, name: AccountId, pool: Pool) -> None:
        reply = self.run(self.store.save(NewAccount(name, pool, Credentials("s"), mask="…")))
        assert isinstance(reply, Saved) == (name not in self.model.accounts)
        self.model.accounts.setdefault(name, ModelAccount(pool))

    @rule(name=IDS)
    def remove(self, name: AccountId) -> None:
        account = self.model.accounts.get(name)
        assert self.run(self.store.remove(name)) == (account is not None)
        if account is not None:
            for lease in list(account.open):
                self.model.end(lease)
            del self.model.accounts[name]

    @rule(
        target=leases,
        pools=st.permutations(POOLS),
        limit=st.integers(1, 3),
        ttl_s=TTL_S,
        exclude=st.just(set()) | st.sets(IDS, max_size=2),
        times=st.integers(1, 5),
    )
    def acquire(
        self, pools: list[Pool], limit: int, ttl_s: float, exclude: set[AccountId], times: int
    ) -> MultipleResults[Lease]:
        got = [self._acquire(pools, limit, ttl_s, exclude) for _ in range(times)]
        return multiple(*(lease for lease in got if lease is not None))

    def _acquire(
        self, pools: list[Pool], limit: int, ttl_s: float, exclude: set[AccountId]
    ) -> Lease | None:
        lease_id = LeaseId(f"l{next(self.names)}")
        reply = self.run(
            self.store.acquire(
                pools, lease_id, ttl_s=ttl_s, max_concurrency=limit, exclude=sorted(exclude)
            )
        )
        for pool in pools:
            self.model.handle_due(pool)
        choices = [self.model.choose(pool, limit, exclude) for pool in pools]
        chosen = next((name for name in choices if name is not None), None)
        if chosen is None:
            assert reply == self._expect_none_ready()
            return None
        account = self.model.accounts[chosen]
        assert (reply.account_id, reply.pool) == (chosen, account.pool)
        account.open.append(lease_id)
        self.model.leases[lease_id] = (chosen, self.model.now_ms + round(ttl_s * 1000))
        self.model.touch(account)
        lease: Lease = reply
        return lease

    def _expect_none_ready(self) -> NoneReady:
        ends = [when for pool in POOLS for when in self.model.timers(pool).values()]
        wait_s = (min(ends) - self.model.now_ms) / 1000 if ends else None
        statuses = [account.status for account in self.model.accounts.values()]
        usable = any(status in (Status.ACTIVE, Status.COOLING) for status in statuses)
        return NoneReady(wait_s, has_accounts=bool(statuses), has_usable=usable)

    @rule(lease=leases)
    def acquire_again(self, lease: Lease) -> None:
        if not self.model.is_live(lease):
            return
        call = self.store.acquire((lease.pool,), lease.id, ttl_s=9, max_concurrency=3)
        reply = self.run(call)
        self.model.handle_due(lease.pool)
        assert (reply.id, reply.account_id) == (lease.id, lease.account_id)

    @rule(lease=leases, ttl_s=TTL_S)
    def renew(self, lease: Lease, ttl_s: float) -> None:
        is_live = self.model.is_live(lease)
        assert self.run(self.store.renew(lease, ttl_s=ttl_s)) == is_live
        if is_live:
            ends = self.model.now_ms + round(ttl_s * 1000)
            self.model.leases[lease.id] = (lease.account_id, ends)

    @rule(
        lease=leases,
        outcome=st.sampled_from(Outcome),
        cooldown_s=st.sampled_from([0.001, 10.0, 900.0]),
    )
    def release(self, lease: Lease, outcome: Outcome, cooldown_s: float) -> None:
        self._release(lease, outcome, cooldown_s)

    @rule(lease=consumes(leases))
    def release_for_the_last_time(self, lease: Lease) -> None:
        self._release(lease, Outcome.OK, 0.0)

    def _release(self, lease: Lease, outcome: Outcome, cooldown_s: float) -> None:
        model, is_live = self.model, self.model.is_live(lease)
        reply = self.run(self.store.release(lease, outcome, cooldown_s=cooldown_s))
        assert reply == is_live
        if lease.id not in model.leases:
            return
        account = model.end(lease.id)
        if is_live and outcome is Outcome.UNAUTHORIZED and account.status is not Status.DISABLED:
            account.status, account.until_ms = Status.EXPIRED, 0
        elif (
            is_live
            and outcome is Outcome.RATE_LIMITED
            and account.status in (Status.ACTIVE, Status.COOLING)
        ):
            until_ms = model.now_ms + round(cooldown_s * 1000)
            account.status = Status.COOLING
            account.until_ms = max(account.until_ms, until_ms)
        model.touch(account)

    @rule(name=IDS, status=st.sampled_from(Status), cooldown_s=st.sampled_from([1.0, 60.0]))
    def set_status(self, name: AccountId, status: Status, cooldown_s: float) -> None:
        account = self.model.accounts.get(name)
        reply = self.run(self.store.set_status(name, status, cooldown_s=cooldown_s))
        assert reply == (account is not None)
        if account is not None:
            before, account.status = account.status, status
            ends = self.model.now_ms + round(cooldown_s * 1000)
            account.until_ms = ends if status is Status.COOLING else 0
            if before is not Status.ACTIVE:
                self.model.touch(account)

    @rule(ms=st.sampled_from([1, 999, 1_000, 30_000, 59_999, 60_000, 900_000]))
    def let_time_pass(self, ms: int) -> None:
        self.model.now_ms += ms
        self.store.now_ms = self.model.now_ms

    @invariant()
    def keys_say_what_the_model_says(self) -> None:
        self.run(self._compare())

    async def _compare(self) -> None:
        model, view = self.model, self.view
        assert await view.hash(keys.account_leases()) == {
            lease: name for lease, (name, _) in model.leases.items()
        }
        held = await view.hash(keys.account_held())
        assert {name: sorted(open_.split()) for name, open_ in held.items()} == {
            name: sorted(account.open) for name, account in model.accounts.items() if account.open
        }
        for pool in POOLS:
            inside = {n: a for n, a in model.accounts.items() if a.pool == pool}
            assert await view.scores(keys.timers(pool)) == model.timers(pool)
            ready = await view.scores(keys.ready(pool))
            assert {name: score // 2**42 for name, score in ready.items()} == {
                n: len(a.open) for n, a in inside.items() if a.status is Status.ACTIVE
            }
            counts = {s.value: sum(a.status is s for a in inside.values()) for s in Status}
            expected = {name: number for name, number in counts.items() if number}
            if inside:
                expected["total"] = len(inside)
            assert await view.counts(pool) == expected


@pytest.mark.timeout(120)
def test_scripts_agree_with_the_model(redis_url: str) -> None:
    AccountMachine.url = redis_url

    run_state_machine_as_test(
        AccountMachine,
        settings=settings(
            max_examples=150,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
