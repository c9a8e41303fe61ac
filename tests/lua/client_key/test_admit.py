"""client_key/admit: all limits of a key are checked and taken together, or none."""

import random
from calendar import monthrange
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from grok2api.domain.admission import (
    Admission,
    Edited,
    LimitName,
    LimitState,
    Refusal,
    Used,
)
from grok2api.domain.client_key import Budget, ClientKey, KeyLimits
from grok2api.domain.ids import CallId, ClientKeyId
from grok2api.store import keys
from grok2api.store.client_keys import ClientKeyStore
from grok2api.store.connection import RedisClient
from tests.lua.client_key.conftest import KEY, CallMaker, checked
from tests.lua.conftest import NOW_MS, KeyView

PER_MINUTE = KeyLimits(requests_per_minute=2)
DAY_S, WEEK_S = 86_400, 604_800


async def test_no_more_requests_than_the_limit_in_any_60_seconds(calls: CallMaker) -> None:
    calls.wait(0.5)
    await calls.take(PER_MINUTE)
    calls.wait(30)
    await calls.take(PER_MINUTE)

    refusal = await calls.refuse(PER_MINUTE)
    assert refusal.limit is LimitName.REQUESTS_PER_MINUTE
    assert refusal.retry_after_s == 30.5, "when the second of the first call counts no more"
    assert refusal.requests == LimitState(2, 0, 60.5)
    calls.wait(30.499)
    await calls.refuse(PER_MINUTE)
    calls.wait(0.001)
    await calls.take(PER_MINUTE)


async def test_tokens_are_reserved_before_they_are_used(calls: CallMaker) -> None:
    limits = KeyLimits(tokens_per_minute=100)
    await calls.admit(limits, tokens=30)
    calls.wait(5)
    first = await calls.ask(limits, tokens=60)

    refusal = await calls.refuse(limits, tokens=40)

    assert isinstance(first, Admission)
    assert first.tokens == LimitState(100, 10, 61.0)
    assert first.requests is None
    assert (refusal.limit, refusal.retry_after_s) == (LimitName.TOKENS_PER_MINUTE, 56.0)
    assert (await calls.refuse(limits, tokens=41)).retry_after_s == 61.0
    await calls.admit(limits, tokens=10)


async def test_call_larger_than_the_whole_limit_is_told_never(calls: CallMaker) -> None:
    assert (await calls.refuse(KeyLimits(tokens_per_minute=9), tokens=10)).retry_after_s is None
    refusal = await calls.refuse(KeyLimits(day=Budget(tokens=9)), tokens=10)

    assert refusal.retry_after_s is None
    assert (refusal.limit, refusal.which) == (LimitName.BUDGET, "tokens a day")


async def test_open_calls_are_limited_until_they_end(calls: CallMaker) -> None:
    limits = KeyLimits(concurrency=2)
    first = await calls.admit(limits)
    await calls.admit(limits)

    refusal = await calls.refuse(limits)
    await calls.end(first)

    assert (refusal.limit, refusal.retry_after_s) == (LimitName.CONCURRENCY, 1.0)
    await calls.admit(limits)


@pytest.mark.parametrize(
    ("limits", "which", "left_s"),
    [
        (KeyLimits(day=Budget(requests=1)), "requests a day", 16 * 3600),
        (KeyLimits(week=Budget(tokens=15)), "tokens a week", 2 * DAY_S + 16 * 3600),
        (KeyLimits(month=Budget(units=7)), "units a month", 16 * DAY_S + 16 * 3600),
    ],
)
async def test_budget_is_whole_again_with_its_period(
    calls: CallMaker, limits: KeyLimits, which: str, left_s: int
) -> None:
    """It is Friday, 15 January 2027, 8:00 UTC."""
    await calls.take(limits, tokens=10, units=4)

    refusal = await calls.refuse(limits, tokens=10, units=4)

    assert (refusal.limit, refusal.which) == (LimitName.BUDGET, which)
    assert refusal.retry_after_s == left_s
    calls.wait(left_s - 0.001)
    await calls.refuse(limits, tokens=10, units=4)
    calls.wait(0.001)
    await calls.take(limits, tokens=10, units=4)


async def test_longest_wait_of_several_limits_is_told(calls: CallMaker) -> None:
    limits = KeyLimits(
        requests_per_minute=1,
        concurrency=1,
        day=Budget(tokens=5),
        week=Budget(requests=1),
    )
    await calls.admit(limits, tokens=5)

    refusal = await calls.refuse(limits, tokens=5)

    assert refusal.which == "requests a week"
    assert refusal.retry_after_s == 2 * DAY_S + 16 * 3600


async def test_refused_call_takes_nothing(calls: CallMaker, view: KeyView) -> None:
    limits = KeyLimits(requests_per_minute=9, concurrency=1, day=Budget(tokens=100))
    await calls.admit(limits, tokens=1)
    before = await view.unpacked(keys.client_key_usage())

    for _ in range(3):
        await calls.refuse(limits, tokens=1)

    assert await view.unpacked(keys.client_key_usage()) == before
    assert len(await view.members(keys.client_key_call_ends())) == 1


async def test_call_asked_for_twice_is_taken_once(calls: CallMaker) -> None:
    limits = KeyLimits(requests_per_minute=1, day=Budget(tokens=5))

    first = await calls.ask(limits, tokens=5, call_id="same")
    again = await calls.ask(limits, tokens=5, call_id="same")

    assert first == again
    use = await calls.use()
    assert (use.open_calls, use.day) == (1, Used(1, 5, 0))


async def test_revoked_key_admits_nothing_and_leaves_nothing(
    calls: CallMaker, redis: RedisClient, view: KeyView
) -> None:
    call = await calls.admit(PER_MINUTE)
    await ClientKeyStore(redis).revoke(KEY)

    assert await calls.ask(PER_MINUTE) is None
    assert await calls.end(call)
    assert await view.account_keys() == set()


async def test_key_that_was_edited_meanwhile_is_checked_anew_and_nothing_is_taken(
    calls: CallMaker, redis: RedisClient, view: KeyView
) -> None:
    old = await ClientKeyStore(redis).get(KEY)
    assert old is not None
    disabled = await ClientKeyStore(redis).edit(
        KEY, lambda key: msgspec.structs.replace(key, is_enabled=False)
    )

    answer = await calls.store.admit(CallId("c"), checked(old), tokens=5, units=1, ttl_s=60)

    assert isinstance(answer, Edited)
    assert answer.key == disabled
    assert await view.hash(keys.client_key_usage()) == {}
    again = await calls.store.admit(CallId("c"), answer, tokens=5, units=1, ttl_s=60)
    assert isinstance(again, Admission)


async def test_record_of_another_version_is_known_by_how_it_is_stored(
    calls: CallMaker, redis: RedisClient
) -> None:
    """A member that this version does not know must not have calls checked for ever."""
    record = b'{"id":"key_1","name":"laptop","created_at_s":5.0,"of_a_later_version":1}'
    await redis.execute_command("HSET", keys.client_key_records(), KEY, record)
    key = await ClientKeyStore(redis).get(KEY)
    assert key is not None

    answer = await calls.store.admit(CallId("c"), checked(key), tokens=5, units=1, ttl_s=60)

    assert answer == Edited(key, record)
    again = await calls.store.admit(CallId("c"), answer, tokens=5, units=1, ttl_s=60)
    assert isinstance(again, Admission)


async def test_limits_of_one_key_are_not_those_of_another(
    calls: CallMaker, redis: RedisClient
) -> None:
    other = ClientKeyId("key_2")
    await ClientKeyStore(redis).save(ClientKey(other, "phone", 6.0), "d2")
    limits = KeyLimits(requests_per_minute=1)
    await calls.admit(limits)

    assert isinstance(await calls.ask(limits, key=other), Admission)
    assert isinstance(await calls.ask(limits), Refusal)


async def test_call_of_a_dead_worker_is_given_back_first(calls: CallMaker) -> None:
    limits = KeyLimits(requests_per_minute=1, concurrency=1, day=Budget(requests=1, tokens=9))
    await calls.admit(limits, tokens=9)

    calls.wait(29.999)
    await calls.refuse(limits, tokens=9)
    calls.wait(0.001)

    await calls.admit(limits, tokens=9)


async def test_periods_end_with_those_of_the_calendar(
    calls: CallMaker, redis: RedisClient, view: KeyView
) -> None:
    chance = random.Random(7)  # noqa: S311 - moments, not secrets
    moments = [
        datetime(2028, 2, 29, 23, 59, 59, tzinfo=UTC),
        datetime(2027, 2, 28, 12, tzinfo=UTC),
        datetime(2027, 12, 31, 23, 59, 59, tzinfo=UTC),
        datetime(2100, 2, 28, 5, tzinfo=UTC),
        datetime(2400, 2, 29, 5, tzinfo=UTC),
        datetime(2027, 1, 17, 23, 59, 59, tzinfo=UTC),
        datetime(2027, 1, 18, tzinfo=UTC),
        *(
            datetime(2000, 1, 1, tzinfo=UTC) + timedelta(minutes=chance.randrange(200_000_000))
            for _ in range(150)
        ),
    ]
    for number, moment in enumerate(moments):
        key = ClientKeyId(f"key_of_{number}")
        await ClientKeyStore(redis).save(ClientKey(key, "x", 0.0), f"digest_{number}")
        calls.store.now_ms = round(moment.timestamp()) * 1000
        await calls.ask(PER_MINUTE, key=key)
        kept = (await view.unpacked(keys.client_key_usage()))[key]
        midnight = moment.replace(hour=0, minute=0, second=0)
        ends = {
            "day": midnight + timedelta(days=1),
            "week": midnight + timedelta(days=7 - moment.weekday()),
            "month": midnight.replace(day=1)
            + timedelta(days=monthrange(moment.year, moment.month)[1]),
        }
        found = {name: kept[name][0] for name in ends}
        assert found == {name: end.timestamp() * 1000 for name, end in ends.items()}, moment


async def test_cells_are_bounded_by_a_minute(calls: CallMaker, view: KeyView) -> None:
    limits = KeyLimits(tokens_per_minute=1000)
    for _ in range(200):
        await calls.take(limits, tokens=1)
        calls.wait(1)

    kept = (await view.unpacked(keys.client_key_usage()))[KEY]

    assert len(kept["cells"]) == 61 * 3
    assert (await calls.use()).minute == Used(60, 60)
    assert calls.store.now_ms == NOW_MS + 200_000
