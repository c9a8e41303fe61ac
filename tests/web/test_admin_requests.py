"""Statistics and the request log over HTTP: exact, searched, explained, exported, cleared."""

import csv
import io
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import msgspec
import pytest

from grok2api.domain.chat import EventBatch
from grok2api.errors import UpstreamUnavailableError
from grok2api.services.request_log import RequestFilter
from tests.web.conftest import API_KEY, MODEL, WAIT_S, EdgeMaker, wait_until
from tests.web.operators import Operator, id_of, open_operator

SECRET = "my private words"


@pytest.fixture
async def operator(make_edge: EdgeMaker) -> AsyncIterator[Operator]:
    async with open_operator(make_edge) as running:
        await running.add("a", "b")
        yield running


async def chat(operator: Operator, request_id: str, **changes: Any) -> int:
    """Let a client ask; return how that was answered."""
    body = {"model": MODEL, "messages": [{"role": "user", "content": SECRET}]} | changes
    headers = {"authorization": f"Bearer {API_KEY}", "x-request-id": request_id}
    async with httpx2.AsyncClient(base_url=operator.edge.url, timeout=WAIT_S) as client:
        answer = await client.post("/v1/chat/completions", json=body, headers=headers)
    return answer.status_code


async def logged(operator: Operator, count: int) -> None:
    """Wait until so many requests are in the log: they are settled after their answers."""
    requests = operator.edge.state.records.requests

    async def are_there() -> bool:
        return len((await requests.page(RequestFilter(), limit=50)).items) >= count

    await wait_until(are_there)


async def fail() -> AsyncIterator[EventBatch]:
    for message in ("The upstream is in trouble.",):
        raise UpstreamUnavailableError(message)
    yield []


@pytest.fixture
async def used(operator: Operator) -> Operator:
    """A gateway that has answered twice, and refused once."""
    assert await chat(operator, "one") == 200
    assert await chat(operator, "two") == 200
    assert await chat(operator, "three", model="gpt-9") == 404
    await logged(operator, 3)
    return operator


@pytest.mark.parametrize("period", ["hour", "day"])
async def test_sums_series_and_members_are_the_same_requests(used: Operator, period: str) -> None:
    found = await used.get("/stats", by="status", **{f"{period}s": 2})

    assert (found["total"]["requests"], found["total"]["errors"]) == (3, 1)
    assert sum(moment["requests"] for moment in found["series"]) == 3
    assert {top["name"]: top["requests"] for top in found["top"]} == {"200": 2, "404": 1}
    assert found["others"]["requests"] == 0
    assert found["total"]["input_tokens"] > 0
    assert found["total"]["mean_duration_ms"] is not None
    assert (found["period"], found["count"], len(found["series"])) == (period, 2, 2)
    assert found["enabled"]


async def test_what_is_not_in_the_top_is_among_the_others(used: Operator) -> None:
    found = await used.get("/stats", by="model", limit=1)

    (top,) = found["top"]
    assert (top["name"], top["requests"]) == (MODEL, 2)
    assert found["others"]["requests"] == 1
    assert found["others"]["mean_first_output_ms"] is None


async def test_statistics_without_members_have_none(used: Operator) -> None:
    found = await used.get("/stats")

    assert (found["period"], found["count"]) == ("hour", 24)
    assert (found["by"], found["top"], found["others"]) == (None, None, None)


async def test_older_pages_get_what_they_draw(used: Operator) -> None:
    found = await used.get("/stats/requests")
    log = await used.get("/logs", limit=2)

    data = found["data"]
    assert data["summary"] == {"total": 3, "success": 2, "failed": 1, "success_rate": 66.7}
    assert data["models"] == [{"model": MODEL, "count": 2}]
    assert (len(data["hourly"]), len(data["daily"])) == (24, 7)
    assert set(data["hourly"][0]) == {"hour", "date", "total", "success", "failed"}
    assert data["hourly"][-1]["total"] + data["hourly"][-2]["total"] == 3
    refused, served = log["data"]
    assert (refused["status"], refused["error"]) == (404, "model_not_found")
    assert (served["key_name"], served["ip"]) == ("configured", "127.0.0.1")
    assert len(served["token_suffix"]) == 8


async def test_reset_forgets_the_sums_and_keeps_the_log(used: Operator) -> None:
    await used.send("POST", "/stats/reset", None)

    assert (await used.get("/stats", days=30))["total"]["requests"] == 0
    assert len((await used.get("/requests"))["requests"]) == 3


async def test_clearing_forgets_the_log_and_keeps_the_sums(used: Operator) -> None:
    assert (await used.send("POST", "/requests/clear", None))["cleared"] == 3
    assert (await used.get("/requests"))["requests"] == []
    assert await used.refused("GET", "/requests/one") == (404, None, "request_not_found")
    assert (await used.send("POST", "/logs/clear", None))["cleared"] == 0
    assert (await used.get("/stats"))["total"]["requests"] == 3


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, ["three", "two", "one"]),
        ({"status": "2xx"}, ["two", "one"]),
        ({"status": "404"}, ["three"]),
        ({"failed": "true"}, ["three"]),
        ({"error": "model_not_found"}, ["three"]),
        ({"model": MODEL}, ["two", "one"]),
        ({"model": "gpt-9"}, ["three"]),
        ({"key": "key_000000000000"}, []),
        ({"q": "WO"}, ["two"]),
        ({"q": "127.0.0"}, ["three", "two", "one"]),
        ({"since": "4000000000000"}, []),
        ({"until": "1000"}, []),
        ({"since": "1000", "until": "4000000000000"}, ["three", "two", "one"]),
    ],
)
async def test_log_is_searched(used: Operator, wanted: dict[str, str], expected: list[str]) -> None:
    found = await used.get("/requests", **wanted)

    assert [one["id"] for one in found["requests"]] == expected
    assert SECRET not in str(found)


async def test_pages_of_the_log_join_to_the_whole(used: Operator) -> None:
    first = await used.get("/requests", limit=2)
    rest = await used.get("/requests", limit=2, cursor=first["next_cursor"])

    ids = [one["id"] for one in first["requests"] + rest["requests"]]
    assert ids == ["three", "two", "one"]
    assert rest["next_cursor"] is None


async def test_request_is_explained_in_facts_and_in_words(operator: Operator) -> None:
    operator.edge.script.play = fail
    assert await chat(operator, "bad") >= 500
    await logged(operator, 1)

    found = await operator.get("/requests/bad")

    attempts = found["request"]["attempts"]
    assert len(attempts) >= 2
    assert attempts[0]["left_out"] == []
    assert attempts[1]["account"] in {id_of("a"), id_of("b")}
    if attempts[1]["account"] != attempts[0]["account"]:
        assert attempts[1]["left_out"] == [attempts[0]["account"]]
    assert found["request"]["at"] <= found["request"]["ended_at"]
    story = " ".join(found["story"])
    assert "failed with" in story
    assert f"with {attempts[0]['account']}" in story


async def test_export_is_the_log_as_lines_or_as_a_table(used: Operator) -> None:
    lines = await used.ask("GET", "/requests/export")
    table = await used.ask("GET", "/requests/export?format=csv&status=2xx")

    assert [msgspec.json.decode(line)["id"] for line in lines.text.splitlines()] == [
        "three",
        "two",
        "one",
    ]
    assert lines.headers["content-type"] == "application/x-ndjson"
    assert lines.headers["content-disposition"] == 'attachment; filename="requests.jsonl"'
    rows = list(csv.DictReader(io.StringIO(table.text)))
    assert [(row["id"], row["status"]) for row in rows] == [("two", "200"), ("one", "200")]
    assert table.headers["content-disposition"] == 'attachment; filename="requests.csv"'
    assert SECRET not in lines.text + table.text


@pytest.mark.parametrize(
    ("path", "param"),
    [
        ("/stats?hours=0", "hours"),
        ("/stats?hours=745", "hours"),
        ("/stats?days=733", "days"),
        ("/stats?days=x", "days"),
        ("/stats?hours=1&days=1", "days"),
        ("/stats?by=client", "by"),
        ("/stats?by=key&limit=501", "limit"),
        ("/stats/requests?hours=99999999", "hours"),
        ("/stats/requests?days=-1", "days"),
        ("/logs?limit=501", "limit"),
        ("/requests?limit=0", "limit"),
        ("/requests?cursor=x", "cursor"),
        ("/requests?status=6xx", "status"),
        ("/requests?since=yesterday", "since"),
        ("/requests?until=9999999999999999", "until"),
        ("/requests?failed=maybe", "failed"),
        ("/requests?q=" + "x" * 201, "q"),
        ("/requests/export?format=xml", "format"),
        ("/requests/export?format=csv&status=6xx", "status"),
    ],
)
async def test_what_does_not_hold_is_named(operator: Operator, path: str, param: str) -> None:
    assert (await operator.refused("GET", path))[:2] == (400, param)
