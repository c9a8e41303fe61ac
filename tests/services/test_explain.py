"""Explaining: who would serve, where is looked, who waits, and a reason for each other account."""

import msgspec
import pytest

from grok2api.clock import SystemClock
from grok2api.domain.account import Credentials, Mode, Outcome, Pool, ProviderKind, Status, Tier
from grok2api.domain.eligibility import Word
from grok2api.domain.ids import AccountId, LeaseId
from grok2api.domain.quota import Credits as Weekly, QuotaReport, Reading, Source, Window
from grok2api.domain.selection import SelectionPolicy, Strategy, Wish
from grok2api.errors import InvalidRequestError, ModelNotFoundError, NotFoundError
from grok2api.services import explain
from grok2api.services.client_keys import ClientKeys
from grok2api.services.explain import Explainer
from grok2api.services.explanation import Explanation, Query
from grok2api.services.models import ModelCatalog
from grok2api.store.account_edits import AccountEdits, Finding
from grok2api.store.account_timers import AccountTimers
from grok2api.store.accounts import AccountStore, NewAccount, WaitingInLine
from grok2api.store.admissions import AdmissionStore
from grok2api.store.client_keys import ClientKeyStore
from grok2api.store.connection import RedisClient
from grok2api.store.lanes import LaneStore
from tests.conftest import AccountMaker

NOW_MS = 1_800_000_000_000
NOW_S = NOW_MS / 1000
BASIC, SUPER, HEAVY = (Pool(ProviderKind.GROK_WEB, tier) for tier in Tier)
FAST = Query(model="grok-chat-fast")
HIGH = Query(model="grok-4-expert")
"""Costs 4 queries in mode expert, of super and heavy accounts."""


class Desk:
    """Accounts at a standing time, and what explains them."""

    def __init__(self, redis: RedisClient, store: AccountStore) -> None:
        store.now_ms = NOW_MS
        self.redis, self.store = redis, store
        self.accounts = AccountMaker(store)
        self.edits = AccountEdits(redis, now_ms=NOW_MS)
        self.keys = ClientKeys(ClientKeyStore(redis), SystemClock(), configured=("sk-configured",))
        self.policy = SelectionPolicy(max_concurrency=2)

    async def explain(self, query: Query, *, cursor: str = "", limit: int = 10_000) -> Explanation:
        explainer = Explainer(
            store=self.store,
            edits=self.edits,
            lanes=LaneStore(self.redis, now_ms=NOW_MS),
            timers=AccountTimers(self.redis, now_ms=NOW_MS),
            models=ModelCatalog(self.store),
            keys=self.keys,
            use_of_keys=AdmissionStore(self.redis, now_ms=NOW_MS).usage,
            policy=self.policy,
        )
        return await explainer.explain(query, cursor=cursor, limit=limit)

    async def report(self, name: str, left: int, weekly: Weekly | None = None) -> None:
        readings = tuple(
            Reading(mode, left, 30, 7200, 600.0)
            for mode in (Mode.AUTO, Mode.FAST, Mode.EXPERT, Mode.GROK_4_3)
        )
        report = QuotaReport(readings, {}, credits=weekly)
        await self.edits.sync(AccountId(name), Finding(report=report, next_in_s=60.0))

    async def lease(self, name: str, *others: str) -> None:
        """Lease the account `name`, whatever the others are."""
        wish = Wish(pools=(SUPER,), modes=(Mode.EXPERT,), exclude=tuple(map(AccountId, others)))
        lease = await self.store.acquire(wish, self.policy, LeaseId(f"lease-{name}-{len(others)}"))
        assert getattr(lease, "account_id", None) == name


@pytest.fixture
def desk(redis: RedisClient, account_store: AccountStore) -> Desk:
    return Desk(redis, account_store)


def words(explanation: Explanation) -> dict[str, str]:
    return {a.id: g.word.value for g in explanation.reasons for a in g.accounts}


async def make_one_of_every_reason(desk: Desk) -> None:
    accounts, store = desk.accounts, desk.store
    await accounts.save("other_tier", tags=("blue",))
    await accounts.save("busy", pool=SUPER, tags=("blue",))
    await desk.lease("busy")
    await store.acquire(Wish(pools=(SUPER,), modes=(Mode.EXPERT,)), desk.policy, LeaseId("second"))
    await accounts.save("on_trial", pool=SUPER, tags=("blue",))
    await store.set_status(AccountId("on_trial"), Status.COOLING, for_s=1)
    store.now_ms += 1000
    await desk.lease("on_trial", "busy")
    store.now_ms = NOW_MS
    for name in ("deleted", "disabled", "expired", "cooling", "exhausted"):
        await accounts.save(name, pool=SUPER, tags=("blue",))
        await store.set_status(AccountId(name), Status(name), for_s=600, reason="operator")
    for name in ("quota", "no_credits", "no_units", "ready"):
        await accounts.save(name, pool=SUPER, tags=("blue",))
    await desk.report("quota", 0)
    await desk.report("no_credits", 30, Weekly(0, 900.0))
    await desk.report("no_units", 3)
    await desk.report("ready", 27)
    await accounts.save("resting", pool=SUPER, tags=("blue",))
    wish = Wish(
        pools=(SUPER,), modes=(Mode.EXPERT,), exclude=tuple(map(AccountId, ("ready", "no_units")))
    )
    refused = await store.acquire(wish, desk.policy, LeaseId("refused"))
    assert getattr(refused, "account_id", None) == "resting"
    await accounts.end(refused, Outcome.FORBIDDEN, cooldown_s=300)  # type: ignore[arg-type]
    await accounts.save("no_tag", pool=SUPER)


async def test_every_account_has_the_reason_that_decides(desk: Desk) -> None:
    await make_one_of_every_reason(desk)

    found = await desk.explain(msgspec.structs.replace(HIGH, tags=("blue",)))

    assert found.chosen is not None
    assert found.chosen.account.id == "ready"
    names = ["other_tier", "deleted", "disabled", "expired", "cooling", "exhausted", "resting"]
    names += ["no_credits", "no_units", "on_trial", "busy", "no_tag"]
    assert words(found) == {name: name for name in names} | {"quota": "exhausted"}
    assert found.scanned == 13


async def test_reasons_tell_numbers_and_times(desk: Desk) -> None:
    await make_one_of_every_reason(desk)

    found = await desk.explain(msgspec.structs.replace(HIGH, tags=("blue",)))

    told = {str(a.id): a.reason for g in found.reasons for a in g.accounts}
    assert (told["no_units"].number, told["no_units"].limit) == (3, 30)
    assert told["no_units"].until_s == NOW_S + 600
    assert (told["quota"].number, told["quota"].until_s) == (0, NOW_S + 600)
    assert told["no_credits"].until_s == NOW_S + 900
    assert told["resting"].until_s == NOW_S + 300
    assert (told["busy"].number, told["busy"].limit) == (2, 2)
    assert told["cooling"].since_s == NOW_S
    soonest = {group.word: group.soonest_s for group in found.reasons}
    assert soonest[Word.EXHAUSTED] == NOW_S + 600
    assert soonest[Word.BUSY] == 0


async def test_reasons_stand_in_the_order_of_deciding_behind_the_ready(desk: Desk) -> None:
    await make_one_of_every_reason(desk)
    await desk.accounts.save("other", pool=HEAVY, tags=("blue",))

    found = await desk.explain(msgspec.structs.replace(HIGH, tags=("blue",)))

    order = [group.word for group in found.reasons]
    assert order[0] is Word.READY
    assert order[1:] == sorted(order[1:], key=list(Word).index)


async def test_nobody_is_chosen_where_nobody_can_serve(desk: Desk) -> None:
    await desk.accounts.save("a")

    found = await desk.explain(HIGH)

    assert found.chosen is None
    assert words(found) == {"a": "other_tier"}
    assert [lane.ready for lane in found.lanes] == [0, 0]


@pytest.mark.parametrize("strategy", [Strategy.RANDOM, Strategy.WEIGHTED])
async def test_chance_says_among_how_many_it_decides(desk: Desk, strategy: Strategy) -> None:
    desk.policy = msgspec.structs.replace(desk.policy, strategy=strategy)
    await desk.accounts.save("a", "b", "c")
    await desk.store.set_status(AccountId("b"), Status.DISABLED)

    chosen = (await desk.explain(FAST)).chosen

    assert chosen is not None
    assert chosen.among == 2
    assert "Chance decides among 2 accounts" in chosen.how


async def test_lanes_stand_in_the_order_in_which_they_are_tried(desk: Desk) -> None:
    await desk.accounts.save("a", "b")
    await desk.accounts.save("c", pool=SUPER)

    fast = (await desk.explain(FAST)).lanes
    auto = (await desk.explain(Query(model="grok-chat-auto"))).lanes

    assert [(lane.pool.tier.value, lane.ready) for lane in fast] == [
        ("basic", 2),
        ("super", 1),
        ("heavy", 0),
    ]
    assert [lane.mode for lane in auto[::2]] == [Mode.AUTO, Mode.FAST, Mode.EXPERT]
    assert [lane.ready for lane in auto] == [1, 0, 1, 0, 1, 0]


async def test_lanes_of_a_tag_count_its_accounts_only(desk: Desk) -> None:
    await desk.accounts.save("a", tags=("red",))
    await desk.accounts.save("b", tags=("blue",))

    lanes = (await desk.explain(Query(model="grok-chat-fast", tags=("blue", "green")))).lanes

    assert [(lane.tag, lane.ready) for lane in lanes if lane.pool == BASIC] == [
        ("blue", 1),
        ("green", 0),
    ]


async def test_lanes_count_only_who_has_units_enough(desk: Desk) -> None:
    await desk.accounts.save("a", "b", pool=SUPER)
    await desk.report("a", 3)

    assert (await desk.explain(HIGH)).lanes[0].ready == 1


async def test_line_is_told_by_key_and_lane(desk: Desk) -> None:
    record, _ = await desk.keys.create("laptop")
    await desk.accounts.save("a")
    desk.policy = msgspec.structs.replace(desk.policy, max_concurrency=1, wait_s=5.0)
    wish = Wish(pools=(BASIC,), modes=(Mode.FAST,), key=record.id)
    await desk.store.acquire(wish, desk.policy, LeaseId("l0"))
    for n in (1, 2):
        reply = await desk.store.acquire(wish, desk.policy, LeaseId(f"l{n}"))
        assert isinstance(reply, WaitingInLine)
    await desk.store.acquire(msgspec.structs.replace(wish, key=""), desk.policy, LeaseId("l3"))

    everyone = await desk.explain(FAST)
    of_key = await desk.explain(msgspec.structs.replace(FAST, key="laptop"))

    assert everyone.line.waiting == 3
    assert everyone.line.by_key == {record.id: 2, "-": 1}
    assert of_key.line.by_key == {record.id: 2}
    assert of_key.key == record.id
    assert [lane.waiting for lane in everyone.lanes] == [3, 0, 0]


async def test_pages_join_to_the_whole_and_name_a_bounded_number(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explain, "_PAGE", 10)
    monkeypatch.setattr(explain, "MAX_SHOWN", 3)
    names = [f"a{n:02}" for n in range(35)]
    await desk.accounts.save(*names)
    for name in names[20:]:
        await desk.store.set_status(AccountId(name), Status.DISABLED)

    counts: dict[str, int] = {}
    cursor, calls = "", 0
    while calls == 0 or cursor:
        page = await desk.explain(FAST, cursor=cursor, limit=10)
        cursor, calls = page.next_cursor, calls + 1
        for group in page.reasons:
            counts[group.word] = counts.get(group.word, 0) + group.count
            assert len(group.accounts) <= 3

    assert calls == 4
    assert counts == {"ready": 19, "disabled": 15}


async def test_what_is_due_is_handled_before_it_is_explained(desk: Desk) -> None:
    await desk.accounts.save("a")
    desk.store.now_ms = NOW_MS - 60_000
    await desk.store.set_status(AccountId("a"), Status.COOLING, for_s=60)

    chosen = (await desk.explain(FAST)).chosen

    assert chosen is not None
    assert chosen.account.status is Status.ACTIVE


async def test_explaining_leases_nothing(desk: Desk) -> None:
    await desk.accounts.save("a")

    await desk.explain(FAST)

    account = await desk.accounts.look("a")
    assert (account.open_leases, account.uses, account.windows[Mode.FAST].held) == (0, 0, 0)


async def test_unknown_model_or_key_is_an_error(desk: Desk) -> None:
    with pytest.raises(ModelNotFoundError):
        await desk.explain(Query(model="gpt-9"))
    with pytest.raises(NotFoundError) as caught:
        await desk.explain(Query(model="grok-chat-fast", key="sk-pasted-secret"))

    assert "pasted" not in caught.value.message


async def test_key_is_found_by_id_or_unambiguous_name(desk: Desk) -> None:
    record, _ = await desk.keys.create("laptop")

    assert await desk.keys.find(record.id) == record
    assert (await desk.keys.find("configured")).name == "configured"
    await desk.keys.create("laptop")
    with pytest.raises(InvalidRequestError):
        await desk.keys.find("laptop")


async def test_imported_window_that_is_empty_fills_in_its_time(desk: Desk) -> None:
    window = Window(0, 30, 7200, Source.REAL, reset_at_s=NOW_S + 60)
    account = NewAccount(AccountId("a"), BASIC, Credentials("s"), "…", windows={Mode.FAST: window})
    await desk.store.save(account)
    (group,) = (await desk.explain(FAST)).reasons
    desk.store.now_ms += 60_000

    lease = await desk.store.acquire(
        Wish(pools=(BASIC,), modes=(Mode.FAST,)), desk.policy, LeaseId("l")
    )

    assert (group.word, group.soonest_s) == (Word.EXHAUSTED, NOW_S + 60)
    assert getattr(lease, "account_id", None) == "a"
