"""Twelve hand-made pools and more: the explanation names the one reason that decides."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from grok2api.domain.account import MEDIA_MODES, Mode, Status
from grok2api.domain.client_key import Budget, ClientKey
from grok2api.domain.ids import AccountId, CallId, LeaseId
from grok2api.domain.quota import Credits as Weekly, QuotaReport, Reading
from grok2api.domain.selection import Wish
from grok2api.services.explanation import Explanation, Query
from grok2api.services.key_changes import KeyChanges
from grok2api.store.account_edits import Finding
from grok2api.store.accounts import AccountStore
from grok2api.store.admissions import AdmissionStore
from grok2api.store.connection import RedisClient
from tests.lua.client_key.conftest import checked
from tests.services.test_explain import BASIC, FAST, HIGH, NOW_MS, SUPER, Desk

Make = Callable[[Desk], Awaitable[Query]]
VIDEO = Query(model="grok-imagine-video")


@pytest.fixture
def desk(redis: RedisClient, account_store: AccountStore) -> Desk:
    return Desk(redis, account_store)


async def make_key(desk: Desk, **fields: Any) -> ClientKey:
    key, _ = await desk.keys.create("team", KeyChanges(**fields))
    return key


async def set_status(desk: Desk, *statuses: Status) -> Query:
    """Make accounts of these states, beside one of a plan that does not serve."""
    await desk.accounts.save("other_plan")
    for status in statuses:
        await desk.accounts.save(status.value, pool=SUPER)
        await desk.store.set_status(AccountId(status.value), status, for_s=600, reason="operator")
    return HIGH


async def key_tags(desk: Desk) -> Query:
    await make_key(desk, tags=("blue",))
    await desk.accounts.save("red", tags=("red",))
    await desk.accounts.save("plain")
    return msgspec.structs.replace(FAST, key="team")


async def key_models(desk: Desk) -> Query:
    await make_key(desk, models=("grok-4*",))
    await desk.accounts.save("a")
    return msgspec.structs.replace(FAST, key="team")


async def key_limits(desk: Desk) -> Query:
    key = await make_key(desk, requests_per_minute=1, day=Budget(units=10))
    store = AdmissionStore(desk.redis, now_ms=NOW_MS)
    await store.admit(CallId("c1"), checked(key), tokens=1, units=1, ttl_s=60)
    await desk.accounts.save("a")
    return msgspec.structs.replace(FAST, key="team")


async def key_budget(desk: Desk) -> Query:
    key = await make_key(desk, day=Budget(units=6))
    store = AdmissionStore(desk.redis, now_ms=NOW_MS)
    await store.admit(CallId("c1"), checked(key), tokens=1, units=3, ttl_s=60)
    await desk.accounts.save("a", pool=SUPER)
    return msgspec.structs.replace(HIGH, key="team")


async def key_disabled(desk: Desk) -> Query:
    await make_key(desk, is_enabled=False)
    await desk.accounts.save("a")
    return msgspec.structs.replace(FAST, key="team")


async def media_windows(desk: Desk) -> Query:
    await desk.accounts.save("a", pool=SUPER)
    readings = tuple(Reading(mode, 0, 8, 7200, 600.0) for mode in MEDIA_MODES)
    chats = tuple(
        Reading(mode, 30, 30, 7200, 600.0)
        for mode in (Mode.AUTO, Mode.FAST, Mode.EXPERT, Mode.GROK_4_3)
    )
    report = QuotaReport((*readings, *chats), {})
    await desk.edits.sync(AccountId("a"), Finding(report=report, next_in_s=60.0))
    return VIDEO


async def busy(desk: Desk) -> Query:
    await set_status(desk, Status.COOLING)
    await desk.accounts.save("busy", pool=SUPER)
    for name in ("l1", "l2"):
        wish = Wish(pools=(SUPER,), modes=(Mode.EXPERT,))
        await desk.store.acquire(wish, desk.policy, LeaseId(name))
    return HIGH


async def no_tier(desk: Desk) -> Query:
    await desk.accounts.save("a", "b")
    return HIGH


async def affinity(desk: Desk) -> Query:
    desk.policy = msgspec.structs.replace(desk.policy, session_ttl_s=600.0)
    await desk.accounts.save("first")
    wish = Wish(pools=(BASIC,), modes=(Mode.FAST,), session="s1")
    await desk.store.acquire(wish, desk.policy, LeaseId("l1"))
    await desk.accounts.save("idle")
    return msgspec.structs.replace(FAST, session="s1")


async def weekly_credits(desk: Desk) -> Query:
    await desk.accounts.save("a", pool=SUPER)
    await desk.report("a", 30, Weekly(0, 900.0))
    return HIGH


async def too_few_units(desk: Desk) -> Query:
    await desk.accounts.save("a", pool=SUPER)
    await desk.report("a", 3)
    return HIGH


async def nobody(desk: Desk) -> Query:
    return FAST


async def ready(desk: Desk) -> Query:
    await make_key(desk, requests_per_minute=1)
    await desk.accounts.save("a")
    return msgspec.structs.replace(FAST, key="team")


async def cooling(desk: Desk) -> Query:
    return await set_status(desk, Status.EXPIRED, Status.COOLING)


async def exhausted(desk: Desk) -> Query:
    return await set_status(desk, Status.COOLING, Status.EXHAUSTED)


async def expired(desk: Desk) -> Query:
    return await set_status(desk, Status.DISABLED, Status.EXPIRED)


async def disabled(desk: Desk) -> Query:
    return await set_status(desk, Status.DELETED, Status.DISABLED)


POOLS: list[tuple[Make, str, str]] = [
    (key_tags, "no_tag", "none of the tags blue"),
    (key_models, "model_not_allowed", "'grok-chat-fast'"),
    (key_limits, "requests_per_minute", "1 of 1 requests per minute"),
    (media_windows, "no_units", "0 of 8 left in video"),
    (cooling, "cooling", "operator"),
    (exhausted, "exhausted", "operator"),
    (expired, "expired", "no longer taken"),
    (busy, "busy", "2 of 2 requests are open"),
    (no_tier, "other_tier", "this needs super or heavy"),
    (affinity, "session", "served this conversation"),
    (weekly_credits, "no_credits", "weekly credits"),
    (disabled, "disabled", "disabled"),
    (key_budget, "budget", "3 of 6 units a day"),
    (key_disabled, "api_key_disabled", "disabled"),
    (too_few_units, "no_units", "this needs 4"),
    (nobody, "no_accounts", "no accounts"),
    (ready, "ready", "goes first"),
]


@pytest.mark.parametrize(
    ("make", "word", "text"), POOLS, ids=[make.__name__ for make, _, _ in POOLS]
)
async def test_decisive_reason_is_named(desk: Desk, make: Make, word: str, text: str) -> None:
    found = await desk.explain(await make(desk))

    assert found.decisive.word == word
    assert text in found.decisive.text
    if word in {"ready", "session"}:
        assert found.chosen is not None


async def test_media_windows_decide_of_media_only(desk: Desk) -> None:
    of_video = await desk.explain(await media_windows(desk))
    of_chat = await desk.explain(HIGH)

    assert of_video.chosen is None
    assert of_chat.decisive.word == "ready"


async def test_conversation_goes_to_its_account_not_to_the_idle_one(desk: Desk) -> None:
    of_session = await desk.explain(await affinity(desk))
    of_another = await desk.explain(FAST)

    assert who(of_session) == ("first", True)
    assert who(of_another) == ("idle", False)


async def test_key_that_is_refused_leaves_the_accounts_explained(desk: Desk) -> None:
    found = await desk.explain(await key_limits(desk))

    assert who(found) == ("a", False)
    assert found.decisive.word == "requests_per_minute"


def who(found: Explanation) -> tuple[str, bool]:
    assert found.chosen is not None
    return found.chosen.account.id, found.chosen.is_bound
