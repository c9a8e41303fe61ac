"""All account scripts together, against a small model: replies and keys agree after every step."""

import asyncio
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings, strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from grok2api.domain.account import Credentials, Lease, Mode, Outcome, Pool, Status
from grok2api.domain.ids import AccountId, LeaseId
from grok2api.domain.quota import PLANS, Credits, QuotaReport, Reading, Source, Window
from grok2api.domain.selection import SelectionPolicy, Strategy, Wish
from grok2api.store import keys
from grok2api.store.account_edits import AccountEdits, Edit, Finding, Silence
from grok2api.store.account_replies import Deferred, Synced, Unknown
from grok2api.store.account_timers import AccountTimers
from grok2api.store.accounts import AccountStore, NewAccount, Release, Saved, WaitingInLine
from grok2api.store.cipher import SecretCipher
from grok2api.store.connection import open_redis
from tests.conftest import BASIC
from tests.lua.account.conftest import SUPER
from tests.lua.account.invariants import Snapshot
from tests.lua.account.model import (
    FIRST_REST_MS,
    LONGEST_REST_MS,
    Model,
    ModelAccount,
    ModelWaiter,
)
from tests.lua.conftest import NOW_MS, KeyView

POOLS = (BASIC, SUPER)
LIMIT = 2
MODES = (Mode.FAST, Mode.AUTO, Mode.IMAGE_PRO)
IDS = st.sampled_from([AccountId(name) for name in "abcd"])
TAGS = st.lists(st.sampled_from(["blue", "red"]), unique=True).map(tuple)
TTL_S = st.sampled_from([0.001, 5.0, 60.0, 9000.0])
TOTALS = st.none() | st.integers(1, 6)


def small_windows(pool: Pool, total: int | None) -> dict[Mode, Window]:
    """Return windows of `total` units of chat; nobody knows a number of the rest, or with None."""
    chat = [] if total is None else [mode for mode, plan in PLANS[pool.tier].items() if plan.total]
    unknown = Window(0, None, 7200, Source.UNKNOWN)
    known = {mode: Window(total or 0, total, 7200, Source.DEFAULT) for mode in chat}
    return {mode: known.get(mode, unknown) for mode in PLANS[pool.tier]}


class AccountMachine(RuleBasedStateMachine):
    """Random calls of every account script, with time standing still between them."""

    url = ""
    leases = Bundle("leases")

    def __init__(self) -> None:
        super().__init__()
        self.model = Model(NOW_MS)
        self.names = count(1)
        self.runner = asyncio.Runner()
        self.opened = open_redis(self.url, pool_size=2)
        redis = self.runner.run(self.opened.__aenter__())
        self.run(self._empty(redis))
        self.store = AccountStore(redis, SecretCipher([b"k" * 32]), now_ms=NOW_MS)
        self.edits = AccountEdits(redis, now_ms=NOW_MS)
        self.timers = AccountTimers(redis, now_ms=NOW_MS)
        self.view = KeyView(redis)

    async def _empty(self, redis: Any) -> None:
        for key in await redis.execute_command("KEYS", "*"):
            await redis.execute_command("DEL", key)

    def run(self, call: Any) -> Any:
        return self.runner.run(call)

    def look(self) -> Snapshot:
        snapshot: Snapshot = self.run(Snapshot.take(self.view, self.model.now_ms))
        return snapshot

    def teardown(self) -> None:
        self.run(self.opened.__aexit__(None, None, None))
        self.runner.close()

    @initialize(pools=st.tuples(*[st.sampled_from(POOLS)] * 3), total=TOTALS)
    def begin_with_three_accounts(self, pools: tuple[Pool, ...], total: int | None) -> None:
        for name, pool in zip("abc", pools, strict=True):
            self.save(AccountId(name), pool, total, ("blue",) if name == "a" else ())

    @rule(name=IDS, pool=st.sampled_from(POOLS), total=TOTALS, tags=TAGS)
    def save(self, name: AccountId, pool: Pool, total: int | None, tags: tuple[str, ...]) -> None:
        windows = small_windows(pool, total)
        account = NewAccount(name, pool, Credentials("s"), mask="…", tags=tags, windows=windows)
        reply = self.run(self.store.save(account))
        known = self.model.accounts.get(name)
        is_new = known is None or known.status is Status.DELETED
        assert isinstance(reply, Saved) == is_new
        if is_new:
            self.model.births += 1
            self.model.accounts[name] = ModelAccount(pool, self.model.births, tags)

    @rule(name=IDS)
    def remove(self, name: AccountId) -> None:
        known = self.model.accounts.pop(name, None)
        assert self.run(self.store.remove(name)) == (known is not None)

    @rule(
        target=leases,
        pools=st.permutations(POOLS),
        modes=st.permutations(MODES),
        tags=st.just(()) | TAGS,
        units=st.sampled_from([1, 1, 4]),
        exclude=st.just(()) | st.lists(IDS, max_size=2, unique=True).map(tuple),
        strategy=st.sampled_from(Strategy),
        wait_s=st.sampled_from([0.0, 20.0, 100.0]),
        session=st.sampled_from(["", "", "s"]),
        ttl_s=TTL_S,
        is_swept=st.booleans(),
        times=st.integers(1, 3),
    )
    def acquire(
        self,
        *,
        is_swept: bool,
        times: int,
        wait_s: float,
        strategy: Strategy,
        ttl_s: float,
        **wish: Any,
    ) -> MultipleResults[LeaseId]:
        policy = SelectionPolicy(
            strategy=strategy,
            max_concurrency=LIMIT,
            lease_ttl_s=ttl_s,
            wait_s=wait_s,
            session_ttl_s=600,
            max_waiting=6,
            max_waiting_per_key=4,
        )
        return multiple(*(self._acquire(Wish(**wish), policy, is_swept) for _ in range(times)))

    def _acquire(self, wish: Wish, policy: SelectionPolicy, is_swept: bool) -> LeaseId:  # noqa: FBT001
        if is_swept:
            self.reap()
        lease_id, allowed = LeaseId(f"l{next(self.names)}"), self._find_allowed(wish)
        reply = self.run(self.store.acquire(wish, policy, lease_id))
        self.model.handle_due()
        if not is_swept:
            self._notice_handed_over(self.look())
        if isinstance(reply, Lease):
            ttl_ms = round(policy.lease_ttl_s * 1000)
            self.model.grant(lease_id, reply.account_id, wish.units, ttl_ms)
        elif isinstance(reply, WaitingInLine):
            self.model.waiters[lease_id] = ModelWaiter(
                wish.units, round(policy.lease_ttl_s * 1000), reply.ends_at_ms
            )
        if is_swept:
            orders = [[names for names in order if names] for order in allowed]
            assert isinstance(reply, Lease) == bool(orders[0]), (reply, allowed)
            if isinstance(reply, Lease):
                choices = orders[0] if wish.session else [order[0] for order in orders]
                any_of = set().union(*choices)
                assert (reply.account_id, reply.pool, reply.mode) in any_of
        return lease_id

    def _find_allowed(self, wish: Wish) -> list[list[set[tuple[AccountId, Pool, Mode]]]]:
        """Return who may be chosen, in each order in which modes, tags and pools may be tried.

        Of several tags each comes first in its turn.
        """
        seen = self.look()

        def may_serve(name: str, pool: Pool, mode: Mode, tag: str) -> bool:
            record, model = seen.records[name], self.model.accounts[AccountId(name)]
            limit = 1 if model.is_on_trial else model.limit or LIMIT
            return (
                model.pool == pool
                and record["status"] == "active"
                and seen.free_units(record, mode) >= wish.units
                and record.get("open", 0) < limit
                and name not in wish.exclude
                and (not tag or tag in model.tags)
            )

        tags = wish.tags or ("",)
        return [
            [
                {(AccountId(n), pool, mode) for n in seen.records if may_serve(n, pool, mode, tag)}
                for mode in wish.modes
                for tag in tags[first:] + tags[:first]
                for pool in wish.pools
            ]
            for first in range(len(tags))
        ]

    @rule(lease_id=leases, ttl_s=TTL_S)
    def acquire_again(self, lease_id: LeaseId, ttl_s: float) -> None:
        self.reap()
        is_known = lease_id in self.model.leases or lease_id in self.model.waiters
        if not is_known:
            return
        wish = Wish(pools=POOLS, modes=MODES)
        policy = SelectionPolicy(max_concurrency=LIMIT, lease_ttl_s=ttl_s)
        held = self.model.leases.get(lease_id)
        if held and not self.model.account_of(held):
            return  # it gets another account; its unit test says so
        reply = self.run(self.store.acquire(wish, policy, lease_id))
        if held is None:
            assert isinstance(reply, WaitingInLine)
        else:
            assert isinstance(reply, Lease)
            assert reply.account_id == held.account
            self.model.extend(lease_id, round(ttl_s * 1000))

    @rule(lease_id=leases, ttl_s=TTL_S)
    def renew(self, lease_id: LeaseId, ttl_s: float) -> None:
        held = self.model.leases.get(lease_id)
        is_live = held is not None and held.ends_ms > self.model.now_ms
        is_live = is_live and held is not None and self.model.account_of(held) is not None
        assert self.run(self.store.renew(self._lease(lease_id), ttl_s=ttl_s)) == is_live
        if is_live:
            self.model.extend(lease_id, round(ttl_s * 1000))

    @rule(
        lease_id=leases,
        outcome=st.sampled_from(Outcome),
        is_used=st.booleans(),
        cooldown_s=st.sampled_from([0.0, 0.001, 10.0, 900.0]),
    )
    def release(
        self, lease_id: LeaseId, outcome: Outcome, cooldown_s: float, *, is_used: bool
    ) -> None:
        if outcome is Outcome.FORBIDDEN:
            cooldown_s = cooldown_s or 1.0  # its caller always names one
        how = Release(
            outcome=outcome,
            is_used=is_used,
            cooldown_s=cooldown_s,
            first_rest_s=FIRST_REST_MS / 1000,
            longest_rest_s=LONGEST_REST_MS / 1000,
            reason="x",
        )
        reply = self.run(self.store.release(self._lease(lease_id), how))
        account = self.model.release(lease_id, outcome, round(cooldown_s * 1000), is_used=is_used)
        assert (reply is None) == (account is None)
        if account is not None:
            assert reply in (account.status, self._without_quota(account.status))

    @rule(lease_id=leases)
    def leave_line(self, lease_id: LeaseId) -> None:
        self.run(self.store.leave_line(lease_id))
        self.model.waiters.pop(lease_id, None)
        if lease_id in self.model.leases:
            self.model.end(lease_id, is_used=False)

    @rule(name=IDS, status=st.sampled_from(Status), for_s=st.sampled_from([0.0, 1.0, 60.0]))
    def set_status(self, name: AccountId, status: Status, for_s: float) -> None:
        account = self.model.accounts.get(name)
        if account and account.status is Status.DELETED:
            # It can only be restored, or deleted again.
            account = account if status in (Status.ACTIVE, Status.DELETED) else None
        reply = self.run(self.store.set_status(name, status, for_s=for_s, reason="by_hand"))
        is_over = account is None or (
            account.status is Status.DELETED and status not in (Status.ACTIVE, Status.DELETED)
        )
        assert reply == (not is_over)
        if account is not None and not is_over:
            if status is Status.ACTIVE:
                account.forgive()
            account.mark(status, self.model.now_ms + round(for_s * 1000) if for_s else 0)

    @rule(
        name=IDS,
        add=TAGS,
        remove=TAGS,
        limit=st.sampled_from([None, None, 0, 1, 3]),
        pool=st.none() | st.sampled_from(POOLS),
    )
    def edit(
        self,
        name: AccountId,
        add: tuple[str, ...],
        remove: tuple[str, ...],
        limit: int | None,
        pool: Pool | None,
    ) -> None:
        change = Edit(add_tags=add, remove_tags=remove, max_concurrency=limit, pool=pool)
        account = self.model.accounts.get(name)
        is_there = account is not None and account.status is not Status.DELETED
        assert self.run(self.edits.edit(name, change)) == is_there
        if account is not None and is_there:
            kept = tuple(tag for tag in account.tags if tag not in remove)
            # What is both added and removed goes.
            account.tags = kept + tuple(t for t in add if t not in kept and t not in remove)
            account.limit = account.limit if limit is None else limit or None
            account.pool = pool or account.pool

    @rule(
        name=IDS,
        left=st.integers(0, 5),
        total=st.none() | st.integers(5, 8),
        modes=st.lists(st.sampled_from(MODES), unique=True),
        unmetered=st.lists(st.sampled_from(MODES), unique=True),
        credits_=st.sampled_from([None, None, Credits(0, 90.0), Credits(5, 9000.0)]),
        pool=st.none() | st.sampled_from(POOLS),
        may_demote=st.booleans(),
        is_revival=st.booleans(),
    )
    def sync(
        self,
        name: AccountId,
        left: int,
        total: int | None,
        modes: list[Mode],
        unmetered: list[Mode],
        credits_: Credits | None,
        **facts: Any,
    ) -> None:
        readings = tuple(Reading(mode, left, total, 7200, 1000.0) for mode in modes)
        others = tuple(mode for mode in unmetered if mode not in modes)
        report = QuotaReport(readings, {}, credits=credits_, unmetered=others)
        reply = self.run(self.edits.sync(name, Finding(report=report, next_in_s=60, **facts)))
        account = self.model.accounts.get(name)
        if account is None or account.status is Status.DELETED:
            assert reply == Unknown()
            return
        if facts["pool"] == SUPER or (facts["pool"] == BASIC and facts["may_demote"]):
            account.pool = facts["pool"]
        known = {mode for mode in modes if mode in PLANS[account.pool.tier]}
        is_back = account.status is Status.EXHAUSTED and left > 0 and known
        if is_back or (facts["is_revival"] and account.status in (Status.EXPIRED, Status.COOLING)):
            account.forgive()
            account.mark(Status.ACTIVE)
        assert isinstance(reply, Synced)
        assert reply.status in (account.status, self._without_quota(account.status))
        assert reply.pool == keys.pool_name(account.pool)

    @rule(name=IDS, refusal=st.sampled_from(["", "refused"]), is_certain=st.booleans())
    def defer(self, name: AccountId, refusal: str, *, is_certain: bool) -> None:
        silence = Silence(next_in_s=60, refusal=refusal, is_certain=is_certain)
        reply = self.run(self.edits.defer(name, silence))
        account = self.model.accounts.get(name)
        if account is None or account.status is Status.DELETED:
            assert reply == Unknown()
            return
        if refusal:
            account.failed_ms = self.model.now_ms
            if is_certain and account.status is not Status.DISABLED:
                account.mark(Status.EXPIRED)
        assert isinstance(reply, Deferred)
        assert reply.status in (account.status, self._without_quota(account.status))

    @rule()
    def reap(self) -> None:
        self.run(self.timers.reap())
        self.model.handle_due()
        seen = self.look()
        for record in seen.records.values():
            if (record["status"], record.get("reason")) == ("exhausted", "quota"):
                assert record["ends"] > self.model.now_ms
        self._notice_handed_over(seen)

    @rule(ms=st.sampled_from([1, 999, 5_000, 10_000, 20_000, 60_000, 7_200_000]))
    def let_time_pass(self, ms: int) -> None:
        self.model.now_ms += ms
        self.store.now_ms = self.edits.now_ms = self.timers.now_ms = self.model.now_ms

    @invariant()
    def keys_say_what_the_model_says(self) -> None:
        seen, model = self.look(), self.model
        self._notice_handed_over(seen)
        seen.check()
        assert set(seen.leases) == set(model.leases)
        for lease_id, lease in model.leases.items():
            assert seen.leases[lease_id][:2:2] == [lease.account]
            assert seen.timers[f"lease {lease_id}"] == lease.ends_ms
        assert set(seen.waiters) == set(model.waiters)
        for pool in POOLS:
            for word in ("granted", "settled", "refunded"):
                books = getattr(model, word)
                assert seen.counts[pool].get(word, 0) == books.get(pool, 0)
        assert set(seen.records) == set(model.accounts)
        for name, account in model.accounts.items():
            self._compare(seen, seen.records[name], account)

    def _compare(self, seen: Snapshot, record: dict[str, Any], account: ModelAccount) -> None:
        assert record["pool"] == keys.pool_name(account.pool)
        assert record.get("limit") == account.limit
        assert bool(record.get("trial")) == account.is_on_trial
        assert record.get("strikes", 0) == account.strikes
        assert len(record.get("tags", [])) == len(account.tags)
        if account.status is Status.ACTIVE:
            has_units = seen.has_units(record)
            assert record["status"] == ("active" if has_units else "exhausted")
            assert has_units or record["reason"] == "quota"
        else:
            assert record["status"] == account.status
            assert record.get("reason") != "quota"
            assert record.get("ends", 0) == account.ends_ms

    def _notice_handed_over(self, seen: Snapshot) -> None:
        """Take over what scripts have handed to those who wait."""
        for lease_id in set(seen.leases) - set(self.model.leases):
            waiter = self.model.waiters.pop(LeaseId(lease_id), None)
            if waiter is None:
                continue  # the lease that this step asked for
            name, _, units, *_ = seen.leases[lease_id]
            assert units == waiter.units
            assert waiter.ends_ms > self.model.now_ms
            record = seen.records[name]
            limit = 1 if record.get("trial") else record.get("limit") or LIMIT
            assert record["open"] <= limit
            ttl_ms = min(waiter.ttl_ms, 10_000)
            self.model.grant(LeaseId(lease_id), AccountId(name), units, ttl_ms)

    def _without_quota(self, status: Status) -> Status:
        return Status.EXHAUSTED if status is Status.ACTIVE else status

    def _lease(self, lease_id: LeaseId) -> Lease:
        return Lease(lease_id, AccountId("-"), BASIC, Mode.FAST, Credentials("s"), "", 0)


@pytest.mark.timeout(300)
def test_scripts_agree_with_the_model(redis_url: str) -> None:
    AccountMachine.url = redis_url

    run_state_machine_as_test(
        AccountMachine,
        settings=settings(
            max_examples=60,
            phases=[Phase.generate],
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
