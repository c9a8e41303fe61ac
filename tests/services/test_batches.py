"""Batches from the operator's side: what is accepted, what is shown, what is left of a failure."""

from collections.abc import AsyncIterator

import pytest

from grok2api.domain.account import Tier
from grok2api.domain.batch import BatchKind, BatchParams, BatchState
from grok2api.domain.ids import AccountId
from grok2api.errors import InvalidRequestError, NotFoundError, RateLimitExceededError
from grok2api.services.batches import Batches
from grok2api.store.batches import BatchStore
from grok2api.store.connection import RedisClient

ABC = [AccountId(name) for name in "abc"]
UNKNOWN = "bat_0123456789abcdef"


@pytest.fixture
def batches(redis: RedisClient) -> Batches:
    return Batches(BatchStore(redis), list(BatchKind), keep_s=60, max_items=2500)


async def left(redis: RedisClient) -> object:
    return await redis.execute_command("KEYS", "*batch*")


async def many(count: int) -> AsyncIterator[AccountId]:
    for number in range(count):
        yield AccountId(f"acc_{number}")


async def test_created_batch_runs_with_each_account_once(batches: Batches) -> None:
    batch = await batches.create("delete", {}, [*ABC, *ABC], created_by="admin")

    assert (batch.state, batch.total, batch.created_by) == (BatchState.RUNNING, 3, "admin")
    assert await batches.get(batch.id) == batch


async def test_ids_may_come_page_by_page(batches: Batches) -> None:
    batch = await batches.create("disable", {}, many(2345), created_by="admin")

    assert batch.total == 2345


@pytest.mark.parametrize(
    ("kind", "params", "expected"),
    [
        ("delete", {}, BatchParams()),
        ("tag", {"tags": ["a", "b"]}, BatchParams(tags=("a", "b"))),
        ("move", {"tier": "super"}, BatchParams(tier=Tier.SUPER)),
        ("concurrency", {"max_concurrency": 4}, BatchParams(max_concurrency=4)),
    ],
)
async def test_params_are_kept(
    batches: Batches, kind: str, params: dict[str, object], expected: BatchParams
) -> None:
    batch = await batches.create(kind, params, ABC, created_by="admin")

    assert (batch.kind, batch.params) == (kind, expected)


@pytest.mark.parametrize(
    ("kind", "params", "param"),
    [
        ("explode", {}, "kind"),
        ("delete", {"tags": ["a"]}, "tags"),
        ("tag", {}, "tags"),
        ("tag", {"tags": []}, "tags"),
        ("tag", {"tags": ["a\tb"]}, "tags"),
        ("tag", {"tags": ["a,b"]}, "tags"),
        ("tag", {"tags": ["x" * 65]}, "tags"),
        ("tag", {"tags": [str(n) for n in range(33)]}, "tags"),
        ("untag", {"tags": "a"}, "tags"),
        ("move", {"tier": "gold"}, "tier"),
        ("move", {"tier": None}, "tier"),
        ("concurrency", {"max_concurrency": -1}, "max_concurrency"),
        ("concurrency", {"max_concurrency": 1001}, "max_concurrency"),
        ("concurrency", {"max_concurrency": True}, "max_concurrency"),
        ("concurrency", {"max_concurrency": 4, "tier": "basic"}, "tier"),
    ],
)
async def test_wrong_kind_or_params_are_named_and_leave_nothing(
    batches: Batches, redis: RedisClient, kind: str, params: dict[str, object], param: str
) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        await batches.create(kind, params, ABC, created_by="admin")

    assert caught.value.param == param
    assert await left(redis) == []


async def test_kind_without_a_handler_is_refused(redis: RedisClient) -> None:
    batches = Batches(BatchStore(redis), [BatchKind.DELETE], keep_s=60)

    with pytest.raises(InvalidRequestError, match="there are: delete"):
        await batches.create("refresh", {}, ABC, created_by="admin")


@pytest.mark.parametrize("ids", [[], ["a b"], ["a", ""], ["x" * 129], ["ä"]])
async def test_wrong_ids_leave_nothing(
    batches: Batches, redis: RedisClient, ids: list[AccountId]
) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        await batches.create("delete", {}, ids, created_by="admin")

    assert caught.value.param == "tokens"
    assert await left(redis) == []


async def test_too_many_accounts_leave_nothing(batches: Batches, redis: RedisClient) -> None:
    with pytest.raises(InvalidRequestError, match="at most 2500"):
        await batches.create("delete", {}, many(2501), created_by="admin")

    assert await left(redis) == []


async def test_source_of_ids_that_fails_leaves_nothing(
    batches: Batches, redis: RedisClient
) -> None:
    async def failing() -> AsyncIterator[AccountId]:
        async for account_id in many(1500):
            yield account_id
        raise RuntimeError("gone")

    with pytest.raises(RuntimeError):
        await batches.create("delete", {}, failing(), created_by="admin")

    assert await left(redis) == []


async def test_twenty_may_run_at_the_same_time(batches: Batches) -> None:
    made = [await batches.create("delete", {}, ABC, created_by="admin") for _ in range(20)]

    with pytest.raises(RateLimitExceededError):
        await batches.create("delete", {}, ABC, created_by="admin")

    await batches.cancel(made[0].id)
    await batches.create("delete", {}, ABC, created_by="admin")


async def test_hundred_are_listed_and_the_oldest_goes(redis: RedisClient) -> None:
    store = BatchStore(redis, now_ms=1_800_000_000_000)
    batches = Batches(store, list(BatchKind), keep_s=60)
    made = []
    for _ in range(101):
        batch = await batches.create("delete", {}, ABC, created_by="admin")
        made.append(batch.id)
        await batches.cancel(batch.id)
        store.now_ms += 1

    first = await batches.list(limit=60)
    rest = await batches.list(limit=60, cursor=first.next_cursor)

    assert [batch.id for batch in (*first.batches, *rest.batches)] == made[:0:-1]
    with pytest.raises(NotFoundError):
        await batches.get(made[0])


async def test_cancelled_batch_says_what_it_left_out(batches: Batches) -> None:
    batch = await batches.create("delete", {}, ABC, created_by="admin")

    cancelled = await batches.cancel(batch.id)

    assert (cancelled.state, cancelled.skipped) == (BatchState.CANCELLED, 3)


@pytest.mark.parametrize("batch_id", [UNKNOWN, "", "bat_x", "index", "{x}", "bat_1:facts"])
async def test_unknown_batch_is_not_found(batches: Batches, batch_id: str) -> None:
    for call in (batches.get, batches.cancel, batches.failures):
        with pytest.raises(NotFoundError):
            await call(batch_id)


@pytest.mark.parametrize("cursor", ["x", "-1", "1" * 16, "(1"])
async def test_foreign_cursor_is_refused(batches: Batches, cursor: str) -> None:
    with pytest.raises(InvalidRequestError):
        await batches.list(cursor=cursor)
    with pytest.raises(InvalidRequestError):
        await batches.failures(UNKNOWN, cursor=cursor)
