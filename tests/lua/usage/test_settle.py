import msgspec
import pytest

from grok2api.domain.admission import Admission, Used
from grok2api.domain.client_key import ClientKey, KeyLimits
from grok2api.domain.ids import AccountId, CallId, ClientKeyId
from grok2api.domain.statistics import MAX_MEMBERS, OTHER, Dimension, sum_usage
from grok2api.domain.usage import AttemptFact, FinishedRequest
from grok2api.store import keys, usage_keys
from grok2api.store.admissions import AdmissionStore
from grok2api.store.client_keys import ClientKeyStore
from grok2api.store.usage import UsageStore
from tests.lua.client_key.conftest import checked
from tests.lua.conftest import NOW_MS
from tests.lua.usage.conftest import HOUR_MS, LIMITS, ONE, request

HOUR = NOW_MS // HOUR_MS


async def test_request_counts_once_in_each_dimension(usage):
    await usage.settle(request())

    members = {d: await usage.hour(d) for d in Dimension}
    assert members == {
        Dimension.MODEL: {"grok-4": ONE},
        Dimension.KEY: {"key_a": ONE},
        Dimension.ACCOUNT: {"acc_a": ONE},
        Dimension.STATUS: {"200": ONE},
    }
    assert members == {d: await usage.day(d) for d in Dimension}


async def test_requests_of_one_batch_and_of_several_are_added_up(usage):
    await usage.settle(request("a"), request("b"), request("c", model="grok-3"))
    await usage.settle(request("d", status=429, error="rate_limit_exceeded"))

    assert await usage.hour(Dimension.MODEL) == {
        "grok-4": sum_usage([ONE, ONE, msgspec.structs.replace(ONE, errors=1)]),
        "grok-3": ONE,
    }
    by_status = await usage.day(Dimension.STATUS)
    assert {name: (c.requests, c.errors) for name, c in by_status.items()} == {
        "200": (3, 0),
        "429": (1, 1),
    }


async def test_request_without_output_has_no_time_to_it(usage):
    await usage.settle(request("a", first_output_ms=None), request("b", first_output_ms=0))

    count = (await usage.hour(Dimension.STATUS))["200"]

    assert (count.first_outputs, count.first_output_ms) == (1, 0)


async def test_refused_request_counts_without_model_key_and_account(usage):
    await usage.settle(FinishedRequest(id="r", at_s=1.0, route="/v1/messages", status=401))

    assert list(await usage.hour(Dimension.KEY)) == [""]
    assert list(await usage.day(Dimension.ACCOUNT)) == [""]


async def test_batch_that_is_sent_again_counts_once(usage):
    sent = [request("a"), request("b")]
    assert await usage.store.settle(sent, recorder="w", batch=1) is not None

    assert await usage.store.settle(sent, recorder="w", batch=1) is None

    assert (await usage.hour(Dimension.STATUS))["200"].requests == 2
    assert await usage.logged() == ["a", "b"]


async def test_recorders_have_numbers_of_their_own(usage):
    await usage.store.settle([request("a")], recorder="one", batch=1)

    await usage.store.settle([request("b")], recorder="two", batch=1)

    assert (await usage.hour(Dimension.STATUS))["200"].requests == 2


async def test_id_that_a_client_uses_again_is_counted_again(usage):
    await usage.settle(request("same", model="first"))
    await usage.settle(request("same", model="second"))

    assert (await usage.hour(Dimension.STATUS))["200"].requests == 2
    assert await usage.logged() == ["same", "same"]
    assert len(await usage.index()) == 1


async def test_request_counts_in_the_hour_and_day_in_which_it_is_settled(usage):
    usage.wait(HOUR_MS - NOW_MS % HOUR_MS - 1)
    await usage.settle(request("a"))
    usage.wait(1)
    await usage.settle(request("b"), request("c"))

    hours = [await usage.store.of_hour(Dimension.STATUS, HOUR + n) for n in (0, 1)]
    assert [found["200"].requests for found in hours] == [1, 2]


@pytest.mark.parametrize("dimension", Dimension)
async def test_hours_and_days_are_kept_for_as_long_as_is_set(usage, redis, dimension):
    await usage.settle(request())

    ends = [
        await redis.execute_command("PEXPIRETIME", key)
        for key in (
            usage_keys.usage_of_hour(dimension, HOUR),
            usage_keys.usage_of_day(dimension, HOUR // 24),
        )
    ]

    assert ends == [
        (HOUR + 1 + LIMITS.hourly_retention_h) * HOUR_MS,
        (HOUR // 24 + 1 + LIMITS.daily_retention_d) * 24 * HOUR_MS,
    ]


async def test_members_beyond_the_most_count_as_other(usage, redis):
    key = usage_keys.usage_of_hour(Dimension.MODEL, HOUR)
    cell = msgspec.msgpack.encode(msgspec.structs.astuple(ONE))
    taken = [word for n in range(MAX_MEMBERS - 1) for word in (f"m{n}", cell)]
    await redis.execute_command("HSET", key, *taken)

    await usage.settle(request("a", model="last"), request("b", model="late"))
    await usage.settle(request("c", model="later"), request("d", model="last"))
    await usage.settle(*(request(name, model=name) for name in ("m0", "even", "latest")))

    found = await usage.hour(Dimension.MODEL)
    assert len(found) == MAX_MEMBERS + 1
    assert {name: found[name].requests for name in ("m0", "last", OTHER)} == {
        "m0": 2,
        "last": 2,
        OTHER: 4,
    }
    in_day = await usage.day(Dimension.MODEL)
    assert {name: count.requests for name, count in in_day.items()} == {
        "last": 2,
        "late": 1,
        "later": 1,
        "m0": 1,
        "even": 1,
        "latest": 1,
    }


async def test_log_holds_all_that_is_known_of_a_request(usage, redis):
    tried = AttemptFact(
        account=AccountId("acc_b"), outcome="rate_limited", status=429, duration_ms=80
    )
    finished = request(attempts=(tried,), client="192.0.2.1", agent="curl/8")

    await usage.settle(finished)

    place = (await usage.index())[finished.id]
    ((_, fields),) = await redis.execute_command("XRANGE", usage_keys.usage_log(), place, place)
    assert msgspec.msgpack.decode(fields[b"record"], type=FinishedRequest) == finished


async def test_log_and_its_index_never_hold_more_than_the_most(usage):
    for n in range(4):
        await usage.settle(*(request(f"r{n}{m}") for m in range(3)))

    assert await usage.logged() == ["r21", "r22", "r30", "r31", "r32"]
    assert sorted(await usage.index()) == ["r21", "r22", "r30", "r31", "r32"]


async def test_oldest_of_two_requests_with_one_id_leaves_the_index_of_the_other(usage):
    await usage.settle(*(request("same") for _ in range(3)))
    await usage.settle(*(request(f"r{n}") for n in range(4)))

    assert await usage.logged() == ["same", "r0", "r1", "r2", "r3"]
    assert len(await usage.index()) == 5
    await usage.settle(request("last"))
    assert "same" not in await usage.index()


async def test_places_rise_when_the_clock_does_not(usage):
    await usage.settle(request("a"), request("b"))
    usage.wait(-5000)
    await usage.settle(request("c"))
    await usage.settle(request("d"))

    assert await usage.logged() == ["a", "b", "c", "d"]
    assert (await usage.index())["d"] == f"{NOW_MS}-3"


async def test_receipt_of_a_recorder_that_is_gone_does_not_stay(usage, redis):
    await usage.settle(request())

    assert 0 < await redis.execute_command("PTTL", usage_keys.usage_receipt("w")) <= HOUR_MS


KEY, CALL = ClientKeyId("key_a"), CallId("call_1")
KEY_LIMITS = KeyLimits(tokens_per_minute=1000, concurrency=1)


@pytest.fixture
async def admissions(redis):
    key = ClientKey(KEY, "laptop", 5.0, limits=KEY_LIMITS)
    await ClientKeyStore(redis).save(key, "d1")
    store = AdmissionStore(redis, now_ms=NOW_MS)
    admitted = await store.admit(CALL, checked(key), tokens=900, units=4, ttl_s=60)
    assert isinstance(admitted, Admission)
    return store


async def test_call_of_a_request_ends_with_what_it_took(usage, admissions):
    await usage.settle(request("a"), request("b", call_id=CALL))

    use = (await admissions.usage([KEY]))[KEY]
    assert (use.open_calls, use.minute, use.day) == (0, Used(1, 15), Used(1, 15, 1))


async def test_batch_that_is_sent_again_ends_no_call_twice(usage, admissions, redis):
    sent = [request("a", call_id=CALL)]
    await usage.store.settle(sent, recorder="w", batch=1)

    await usage.store.settle(sent, recorder="w", batch=1)

    assert (await admissions.usage([KEY]))[KEY].day == Used(1, 15, 1)
    assert await redis.execute_command("EXISTS", keys.client_key_calls()) == 0


async def test_call_ends_where_nothing_is_counted(usage, admissions, redis):
    off = msgspec.structs.replace(LIMITS, is_enabled=False)
    store = UsageStore(redis, off, now_ms=NOW_MS)

    await store.settle([request("a", call_id=CALL)], recorder="w", batch=1)

    assert (await admissions.usage([KEY]))[KEY].open_calls == 0
    assert await usage.hour(Dimension.KEY) == {}
    assert await usage.logged() == []
