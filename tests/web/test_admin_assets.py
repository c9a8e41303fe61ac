"""What accounts keep at the upstream, by request: listed, deleted, counted in batches."""

from collections.abc import AsyncIterator

import msgspec
import pytest

from tests.services.shelf import dead_session
from tests.web.conftest import EdgeMaker
from tests.web.operators import Operator, id_of, open_operator, session_of
from tests.web.test_admin_batches import (
    NOBODY,
    Cluster,
    cluster as cluster,  # noqa: PLC0414 -- a fixture
)

pytestmark = pytest.mark.timeout(90)


@pytest.fixture
async def operator(make_edge: EdgeMaker) -> AsyncIterator[Operator]:
    async with open_operator(make_edge) as opened:
        yield opened


def kept(operator: Operator, name: str) -> list[str]:
    return [asset.id for asset in operator.edge.shelf.kept[session_of(name)]]


async def test_files_are_listed_page_by_page(operator: Operator) -> None:
    (account_id,) = await operator.add("a")
    operator.edge.shelf.put(session_of("a"), 4)

    first = await operator.get("/assets", id=account_id)
    second = await operator.get("/assets", id=account_id, cursor=first["next_cursor"])

    assert first["assets"][0] == {
        "id": "asset-0",
        "name": "0.png",
        "content_type": "image/png",
        "size": 10,
        "created_at": "2026-01-01T00:00:00Z",
    }
    assert [len(page["assets"]) for page in (first, second)] == [3, 1]
    assert (second["id"], second["next_cursor"]) == (account_id, None)


@pytest.mark.parametrize("by", ["id", "token"])
async def test_one_file_is_deleted(operator: Operator, by: str) -> None:
    (account_id,) = await operator.add("a")
    operator.edge.shelf.put(session_of("a"), 2)
    name = {"id": account_id, "token": session_of("a")}[by]

    body = await operator.send("POST", "/assets/delete-item", {by: name, "asset_id": "asset-0"})

    assert body == {"status": "success"}
    assert kept(operator, "a") == ["asset-1"]


async def test_account_is_cleared(operator: Operator) -> None:
    (account_id,) = await operator.add("a")
    operator.edge.shelf.put(session_of("a"), 7)

    body = await operator.send("POST", "/assets/clear-token", {"token": session_of("a")})

    assert body == {"deleted": 7, "failed": 0, "complete": True, "status": "success"}
    assert kept(operator, "a") == []
    assert (await operator.statuses())[account_id] == "active"


async def test_dead_session_is_told_and_expires_its_account(operator: Operator) -> None:
    (account_id,) = await operator.add("a")
    operator.edge.shelf.refusals[session_of("a")] = dead_session()

    status, _, code = await operator.refused("GET", "/assets", params={"id": account_id})

    assert (status, code) == (502, "upstream_unauthorized")
    assert (await operator.statuses())[account_id] == "expired"


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        ("GET", "/assets", None, (400, "id", "missing_required_parameter")),
        ("GET", "/assets?id=x", None, (404, "id", "account_not_found")),
        ("GET", f"/assets?id={NOBODY}", None, (404, "id", "account_not_found")),
        ("GET", f"/assets?id={NOBODY}&cursor=%00", None, (400, "cursor", None)),
        ("POST", "/assets/clear-token", {}, (400, "id", "missing_required_parameter")),
        ("POST", "/assets/clear-token", {"id": NOBODY}, (404, "id", "account_not_found")),
        ("POST", "/assets/delete-item", {"id": NOBODY, "asset_id": " "}, (400, "asset_id", None)),
        (
            "POST",
            "/assets/delete-item",
            {"id": NOBODY, "asset_id": "a\nb"},
            (400, "asset_id", None),
        ),
        (
            "POST",
            "/assets/delete-item",
            {"id": NOBODY, "asset_id": "a"},
            (404, "id", "account_not_found"),
        ),
    ],
)
async def test_what_does_not_hold_is_refused(
    operator: Operator,
    method: str,
    path: str,
    body: object,
    expected: tuple[int, str | None, str | None],
) -> None:
    assert await operator.refused(method, path, body) == expected


async def test_nobody_looks_without_the_password(operator: Operator) -> None:
    response = await operator.ask("GET", f"/assets?id={NOBODY}", headers={"authorization": "x"})

    assert response.status_code == 401


async def test_batch_of_counts_is_fetched_line_by_line(cluster: Cluster) -> None:
    ids = await cluster.first.add("a", "b")
    cluster.third.edge.shelf.put(session_of("a"), 4)

    body = await cluster.do("/batch/assets", {"tokens": [*ids, NOBODY]})
    response = await cluster.second.ask("GET", f"/batch/{body['task_id']}/result")

    assert body["summary"] == {"total": 3, "ok": 2, "fail": 1}
    assert response.headers["content-type"] == "application/x-ndjson"
    assert response.headers["content-disposition"] == 'attachment; filename="assets.jsonl"'
    lines = [msgspec.json.decode(line) for line in response.text.splitlines()]
    assert {line["id"]: line["count"] for line in lines} == {id_of("a"): 4, id_of("b"): 0}


@pytest.mark.parametrize("kind", ["clear_assets", "cache-clear"])
async def test_accounts_are_cleared_by_batch(cluster: Cluster, kind: str) -> None:
    ids = await cluster.first.add("a", "b")
    shelf = cluster.third.edge.shelf
    for name in ("a", "b"):
        shelf.put(session_of(name), 4)

    body = await cluster.do(f"/batch/{kind}", {"tokens": ids})

    assert body["summary"] == {"total": 2, "ok": 2, "fail": 0}
    assert not any(shelf.kept.values())
    assert (await cluster.first.get(f"/batch/{body['task_id']}"))["kind"] == "clear_assets"
