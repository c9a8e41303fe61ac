"""Batches by request: started at one worker, followed and cancelled at another, done by a third."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from grok2api.domain.account import Status, Tier
from grok2api.services.cleanup import end_if_cancelled
from grok2api.store.connection import RedisClient
from grok2api.store.leader import Elected, LeaderStore
from grok2api.web.admin import batches
from grok2api.wire.sse import SSEEvent, SSEParser
from tests.web.conftest import WAIT_S, EdgeMaker
from tests.web.operators import Operator, id_of, open_operator, session_of

pytestmark = pytest.mark.timeout(90)
NOBODY = "acc_0123456789abcdef0123"
UNKNOWN = "/batch/bat_0123456789abcdef"


@dataclass
class Cluster:
    """Two workers, and a maintenance process that works while it is `working`."""

    first: Operator
    second: Operator
    third: Operator
    epoch: int

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        task = asyncio.ensure_future(self._work())  # noqa: TID251 -- ended below
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _work(self) -> None:
        while True:
            assert await self.third.edge.state.operator.batch_runner.run(self.epoch)
            await asyncio.sleep(0.02)
            end_if_cancelled()

    async def do(self, path: str, body: object, **params: Any) -> dict[str, Any]:
        """Start a batch and wait for its end."""
        async with self.working():
            found: dict[str, Any] = await self.first.send("POST", path, body, **params)
        return found


@pytest.fixture
async def cluster(make_edge: EdgeMaker, redis: RedisClient) -> AsyncIterator[Cluster]:
    elected = await LeaderStore(redis).campaign("third", ttl_s=3600)
    assert isinstance(elected, Elected)
    async with (
        open_operator(make_edge) as first,
        open_operator(make_edge) as second,
        open_operator(make_edge) as third,
    ):
        yield Cluster(first, second, third, elected.epoch)


@asynccontextmanager
async def stream(
    operator: Operator, task_id: str, last_id: str = ""
) -> AsyncIterator[AsyncIterator[SSEEvent]]:
    """Open the stream of a batch."""
    headers = {"last-event-id": last_id} if last_id else {}
    path = f"/admin/api/batch/{task_id}/stream"
    async with operator.client.stream("GET", path, headers=headers) as response:
        assert response.headers["content-type"].startswith("text/event-stream")

        async def events() -> AsyncIterator[SSEEvent]:
            parser = SSEParser()
            async for chunk in response.aiter_bytes():
                operator.answers.append(chunk.decode())
                for event in parser.feed(chunk):
                    yield event

        yield events()


async def read_to_end(operator: Operator, task_id: str, last_id: str = "") -> list[dict[str, Any]]:
    async with asyncio.timeout(WAIT_S), stream(operator, task_id, last_id) as events:
        return [msgspec.json.decode(event.data) async for event in events]


async def test_batch_is_started_here_followed_there_and_done_elsewhere(cluster: Cluster) -> None:
    ids = await cluster.first.add(*range(40))
    body = {"tokens": [*ids, NOBODY]}
    started = await cluster.first.send("POST", "/batch/disable", body, **{"async": "true"})

    async with cluster.working():
        events = await read_to_end(cluster.second, started["task_id"])

    assert started == {"status": "success", "task_id": started["task_id"], "total": 41}
    assert [event["type"] for event in (events[0], events[-1])] == ["snapshot", "done"]
    assert (events[0]["status"], events[0]["total"]) == ("running", 41)
    failed = [event for event in events if "item" in event]
    assert [(event["type"], event["item"]) for event in failed] == [("progress", NOBODY)]
    assert failed[0]["error"] == "not_found: There is no such account."
    assert events[-1]["result"] == {
        "status": "success",
        "task_id": started["task_id"],
        "summary": {"total": 41, "ok": 40, "fail": 1},
        "failures": [{"id": NOBODY, "error": "not_found: There is no such account."}],
    }
    assert set((await cluster.first.statuses()).values()) == {"disabled"}


async def test_batch_is_cancelled_at_another_worker(cluster: Cluster) -> None:
    ids = await cluster.first.add(*range(5))
    started = await cluster.first.send(
        "POST", "/batch/disable", {"tokens": ids}, **{"async": "true"}
    )
    path = f"/batch/{started['task_id']}"

    async with stream(cluster.second, started["task_id"]) as events:
        first = msgspec.json.decode((await anext(events)).data)
        cancelled = await cluster.third.send("POST", f"{path}/cancel", None)
        last = [msgspec.json.decode(event.data) async for event in events][-1]

    assert (first["type"], first["processed"]) == ("snapshot", 0)
    assert (cancelled["status"], cancelled["batch"]["status"]) == ("success", "cancelled")
    assert (last["type"], last["ok"], last["skipped"]) == ("cancelled", 0, 5)
    assert set((await cluster.first.statuses()).values()) == {"active"}
    assert (await cluster.first.get(path))["status"] == "cancelled"


async def test_broken_stream_goes_on_at_another_worker(cluster: Cluster) -> None:
    started = await cluster.first.send(
        "POST", "/batch/disable", {"tokens": [NOBODY]}, **{"async": "true"}
    )
    async with cluster.working(), stream(cluster.first, started["task_id"]) as events:
        seen = [event async for event in events]
    told = next(e for e in seen if msgspec.json.decode(e.data)["type"] == "progress")

    rest = await read_to_end(cluster.second, started["task_id"], told.id)
    whole = await read_to_end(cluster.second, started["task_id"], "nonsense")

    assert [event["type"] for event in rest] == ["done"]
    assert [event["type"] for event in whole] == ["snapshot", "progress", "done"]


async def test_snapshot_warns_where_nobody_leads(make_edge: EdgeMaker) -> None:
    async with open_operator(make_edge) as operator:
        started = await operator.send(
            "POST", "/batch/disable", {"tokens": [NOBODY]}, **{"async": "true"}
        )
        async with stream(operator, started["task_id"]) as events:
            snapshot = msgspec.json.decode((await anext(events)).data)
            await operator.send("POST", f"/batch/{started['task_id']}/cancel", None)

    assert "No maintenance process leads" in snapshot["warning"]


async def test_who_waits_too_long_gets_the_id(
    make_edge: EdgeMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "SYNC_LIMIT_S", 0.3)

    async with open_operator(make_edge) as operator:
        body = await operator.send("POST", "/batch/disable", {"tokens": [NOBODY]})
        batch = await operator.get(f"/batch/{body['task_id']}")

    assert body["status"] == batch["status"] == "running"
    assert body["summary"] == {"total": 1, "ok": 0, "fail": 0}


async def test_delete_is_soft_and_restore_brings_back(cluster: Cluster) -> None:
    ids = await cluster.first.add("a", "b")
    body = {"tokens": [ids[0], session_of("b")]}

    deleted = await cluster.do("/batch/delete", body)
    gone = await cluster.first.statuses()
    await cluster.do("/batch/restore", {"filter": {"status": "deleted"}})

    assert deleted["summary"] == {"total": 2, "ok": 2, "fail": 0}
    assert deleted["status"] == "success"
    assert set(gone.values()) == {"deleted"}
    assert set((await cluster.first.statuses()).values()) == {"active"}


@pytest.mark.parametrize(
    ("kind", "params", "expected"),
    [
        ("tag", {"tags": ["blue", "two words"]}, {"tags": ["red", "blue", "two words"]}),
        ("untag", {"tags": ["red", "none"]}, {"tags": []}),
        ("move", {"tier": "heavy"}, {"pool": "heavy"}),
        ("concurrency", {"max_concurrency": 2}, {"max_concurrency": 2}),
        ("disable", {}, {"status": "disabled"}),
    ],
)
async def test_every_kind_does_what_it_says(
    cluster: Cluster, kind: str, params: dict[str, object], expected: dict[str, object]
) -> None:
    (account_id,) = await cluster.first.add("a", tags=("red",))

    body = await cluster.do(f"/batch/{kind}", {"tokens": [account_id], **params})

    assert body["summary"]["ok"] == 1
    found = await cluster.second.get(f"/tokens/{account_id}")
    assert {name: found[name] for name in expected} == expected


async def test_own_limit_ends_with_zero(cluster: Cluster) -> None:
    (account_id,) = await cluster.first.add("a", max_concurrency=3)

    await cluster.do("/batch/concurrency", {"tokens": [account_id], "max_concurrency": 0})

    assert (await cluster.second.get(f"/tokens/{account_id}"))["max_concurrency"] is None


async def test_refresh_asks_the_upstream_and_lists_who_told_nothing(cluster: Cluster) -> None:
    ids = await cluster.first.add("a", "b")
    cluster.third.edge.books.refusing.add(session_of("b"))

    body = await cluster.do("/batch/refresh", {"tokens": ids})

    assert body["summary"] == {"total": 2, "ok": 1, "fail": 1}
    assert [failure["id"] for failure in body["failures"]] == [id_of("b")]
    assert "No quota numbers came" in body["failures"][0]["error"]
    window = (await cluster.first.get(f"/tokens/{id_of('a')}"))["quota"]["fast"]
    assert (window["remaining"], window["source"]) == (7, "real")


async def test_nsfw_changes_the_owners_preference_and_the_tag_follows(cluster: Cluster) -> None:
    ids = await cluster.first.add("a", "b")
    upstream = cluster.third.edge.preferences
    upstream.refusing.add(session_of("b"))

    on = await cluster.do("/batch/nsfw", {"tokens": ids})
    tagged = await cluster.first.get("/tokens", tag="nsfw")
    off = await cluster.do("/batch/nsfw", {"tokens": ids[:1]}, enabled="false")

    assert on["summary"] == {"total": 2, "ok": 1, "fail": 1}
    assert [token["id"] for token in tagged["tokens"]] == ids[:1]
    assert off["summary"] == {"total": 1, "ok": 1, "fail": 0}
    assert upstream.sensitive == {session_of("a"): False}
    assert (await cluster.first.get(f"/tokens/{ids[0]}"))["tags"] == []


async def test_filter_names_those_that_fit(cluster: Cluster) -> None:
    await cluster.first.add("a", "b", tags=("red",))
    await cluster.first.add("c", tier=Tier.SUPER, tags=("red",))
    await cluster.first.edge.store.set_status(id_of("b"), Status.EXPIRED)

    chosen = {"status": ["active", "cooling"], "tier": "basic", "tag": "red"}
    body = await cluster.do("/batch/delete", {"filter": chosen})
    everyone = await cluster.do("/batch/disable", {"filter": {}, "confirm": "all"})

    assert body["summary"] == {"total": 1, "ok": 1, "fail": 0}
    assert everyone["summary"] == {"total": 2, "ok": 2, "fail": 0}
    assert await cluster.first.statuses() == {
        id_of("a"): "deleted",
        id_of("b"): "disabled",
        id_of("c"): "disabled",
    }


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("/batch/delete", {"tokens": []}, (400, "tokens", None)),
        ("/batch/nsfw", {"tokens": []}, (400, "tokens", None)),
        ("/batch/refresh", {"tokens": []}, (400, "tokens", None)),
        ("/batch/nsfw", {}, (400, "tokens", "missing_required_parameter")),
        ("/batch/delete", {}, (400, "tokens", "missing_required_parameter")),
        ("/batch/delete", {"filter": {}}, (400, "confirm", "confirmation_required")),
        ("/batch/delete", {"filter": {"status": []}}, (400, "confirm", "confirmation_required")),
        ("/batch/delete", {"filter": {"q": " "}}, (400, "confirm", "confirmation_required")),
        ("/batch/delete", {"filter": {"pool": "x"}}, (400, "filter.pool", "unknown_parameter")),
        ("/batch/delete", {"filter": {"status": "dead"}}, (400, "status", "invalid_value")),
        ("/batch/delete", {"filter": {"tag": "none"}}, (400, "tokens", None)),
        ("/batch/delete", {"tokens": ["planted-"]}, (400, "tokens[0]", None)),
        ("/batch/delete", {"tokens": [NOBODY], "tags": ["x"]}, (400, "tags", None)),
        ("/batch/tag", {"tokens": [NOBODY]}, (400, "tags", None)),
        ("/batch/tag", {"tokens": [NOBODY], "tags": ["a,b"]}, (400, "tags", None)),
        ("/batch/tag", {"tokens": [NOBODY], "tags": []}, (400, "tags", None)),
        (
            "/batch/move",
            {"tokens": [NOBODY], "tier": session_of("x")},
            (400, "tier", "invalid_value"),
        ),
        ("/batch/concurrency", {"tokens": [NOBODY]}, (400, "max_concurrency", None)),
        (
            "/batch/concurrency",
            {"tokens": [NOBODY], "max_concurrency": 1001},
            (400, "max_concurrency", None),
        ),
        (
            "/batch/export",
            {"tokens": [NOBODY], "with_secrets": 1},
            (400, "with_secrets", "invalid_value"),
        ),
        ("/batch/delete", {"tokens": [NOBODY], "with_secrets": False}, (400, "with_secrets", None)),
        (
            "/batch/export",
            {"tokens": [NOBODY], "with_secrets": True},
            (400, "with_secrets", "confirmation_required"),
        ),
        ("/batch/nsfw?enabled=maybe", {"tokens": [NOBODY]}, (400, "enabled", None)),
        ("/batch/delete?async=later", {"tokens": [NOBODY]}, (400, "async", None)),
        ("/batch/sensitive_on", {"tokens": [NOBODY]}, (404, None, "unknown_url")),
    ],
)
async def test_batch_that_does_not_hold_is_refused_and_none_is_left(
    make_edge: EdgeMaker, path: str, body: object, expected: tuple[int, str | None, str | None]
) -> None:
    async with open_operator(make_edge) as operator:
        assert await operator.refused("POST", path, body) == expected
        assert (await operator.get("/batch"))["batches"] == []


async def test_batches_are_listed_with_pages_of_failures(cluster: Cluster) -> None:
    names = [f"acc_{number:020}" for number in range(5)]
    result = await cluster.do("/batch/disable", {"tokens": names})
    path = f"/batch/{result['task_id']}"

    (listed,) = (await cluster.second.get("/batch"))["batches"]
    first = await cluster.second.get(f"{path}/failures", limit=3)
    rest = await cluster.second.get(f"{path}/failures", limit=3, cursor=first["next_cursor"])

    assert listed == await cluster.first.get(path)
    assert (listed["kind"], listed["status"], listed["created_by"]) == ("disable", "done", "admin")
    assert (listed["total"], listed["processed"], listed["fail"]) == (5, 5, 5)
    assert listed["created_at"] <= listed["started_at"] <= listed["ended_at"]
    shown = [failure["id"] for failure in first["failures"] + rest["failures"]]
    assert (sorted(shown), rest["next_cursor"]) == (names, None)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", UNKNOWN),
        ("GET", "/batch/nonsense"),
        ("GET", f"{UNKNOWN}/failures"),
        ("GET", f"{UNKNOWN}/stream"),
        ("GET", f"{UNKNOWN}/result"),
        ("POST", f"{UNKNOWN}/cancel"),
    ],
)
async def test_unknown_batch_is_a_404(make_edge: EdgeMaker, method: str, path: str) -> None:
    async with open_operator(make_edge) as operator:
        assert await operator.refused(method, path) == (404, None, "task_not_found")


@pytest.mark.parametrize(
    ("params", "param"),
    [({"cursor": "x"}, "cursor"), ({"limit": "0"}, "limit"), ({"limit": "x"}, "limit")],
)
async def test_wrong_page_of_batches_is_refused(
    make_edge: EdgeMaker, params: dict[str, str], param: str
) -> None:
    async with open_operator(make_edge) as operator:
        status, named, _ = await operator.refused("GET", "/batch", params=params)

    assert (status, named) == (400, param)
