"""Exports as batches by request: asked for here, done there, fetched elsewhere."""

import io
from typing import Any

import httpx2
import msgspec
import pytest

from tests.web.operators import PLANTED, id_of, session_of
from tests.web.test_admin import log_output as log_output  # noqa: PLC0414 -- a fixture
from tests.web.test_admin_batches import (
    NOBODY,
    Cluster,
    cluster as cluster,  # noqa: PLC0414 -- a fixture
)

pytestmark = pytest.mark.timeout(90)
CONFIRMED = {"x-confirm": "export-secrets"}


async def start_confirmed(cluster: Cluster, ids: list[Any]) -> str:
    """Start an export with sessions; return the path of the batch."""
    response = await cluster.first.ask(
        "POST",
        "/batch/export",
        {"tokens": ids, "with_secrets": True},
        params={"async": "true"},
        headers=CONFIRMED,
    )
    assert response.status_code == 200, response.text
    return f"/batch/{response.json()['task_id']}"


async def fetch_confirmed(cluster: Cluster, path: str) -> httpx2.Response:
    """Fetch a result with sessions, which no other answer may hold."""
    client = cluster.second.client
    return await client.get(f"/admin/api{path}/result", headers=CONFIRMED)


async def work_to_the_end(cluster: Cluster) -> None:
    assert await cluster.third.edge.state.operator.batch_runner.run(cluster.epoch)


async def test_result_is_what_an_import_reads(cluster: Cluster) -> None:
    ids = await cluster.first.add("a", "b", tags=("red",))
    path = await start_confirmed(cluster, [*ids, NOBODY])
    await work_to_the_end(cluster)

    response = await fetch_confirmed(cluster, path)
    for account_id in ids:
        await cluster.first.edge.store.remove(account_id)
    imported = await cluster.first.ask("POST", "/tokens", content=response.content)

    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["content-disposition"] == 'attachment; filename="accounts.json"'
    found = {account["id"]: account["session"] for account in response.json()["accounts"]}
    assert found == {id_of("a"): session_of("a"), id_of("b"): session_of("b")}
    assert imported.json()["count"] == 2
    assert (await cluster.first.get(f"/tokens/{ids[0]}"))["tags"] == ["red"]
    batch = await cluster.first.get(path)
    assert (batch["kind"], batch["ok"], batch["fail"]) == ("export", 2, 1)
    assert batch["params"] == {"with_secrets": True}


async def test_sessions_are_fetched_only_when_that_is_confirmed(
    cluster: Cluster, log_output: io.StringIO
) -> None:
    path = await start_confirmed(cluster, await cluster.first.add("a"))
    await work_to_the_end(cluster)

    refused = await cluster.second.refused("GET", f"{path}/result")
    response = await fetch_confirmed(cluster, path)

    assert refused == (400, None, "confirmation_required")
    assert session_of("a") in response.text
    log = log_output.getvalue()
    rows = [msgspec.json.decode(line) for line in log.splitlines()]
    told = [(r["with_secrets"], r["batch"]) for r in rows if r["msg"] == "accounts_exported"]
    assert told == [(True, path.removeprefix("/batch/"))]
    assert PLANTED not in log


async def test_result_without_sessions_needs_no_confirmation(cluster: Cluster) -> None:
    await cluster.first.add("a", tags=("red",))
    await cluster.first.add("b")

    body = await cluster.do("/batch/export", {"filter": {"tag": "red"}})
    found = await cluster.second.get(f"/batch/{body['task_id']}/result")

    assert body["summary"] == {"total": 1, "ok": 1, "fail": 0}
    (account,) = found["accounts"]
    assert (account["id"], account["tags"], found["version"]) == (id_of("a"), ["red"], 1)
    assert "session" not in account


async def test_result_is_refused_while_the_batch_runs(cluster: Cluster) -> None:
    path = await start_confirmed(cluster, await cluster.first.add("a"))

    assert await cluster.second.refused("GET", f"{path}/result", headers=CONFIRMED) == (
        409,
        None,
        "batch_not_ended",
    )


async def test_batch_of_another_kind_has_no_result(cluster: Cluster) -> None:
    body = await cluster.do("/batch/disable", {"tokens": [NOBODY]})

    refused = await cluster.second.refused("GET", f"/batch/{body['task_id']}/result")

    assert refused == (404, None, "no_result")
