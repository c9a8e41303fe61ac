"""What administrators do is written down: who, what, to what, from where, and how it came out."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.routing import Route

from grok2api.domain.action import ActionName
from grok2api.store.cipher import SecretCipher
from grok2api.web.routes import build_routes
from tests.conftest import find_server, run_server as run_store
from tests.web.conftest import EdgeMaker, wait_until
from tests.web.operators import PASSWORD, Operator, id_of, open_operator, session_of

CHANGES_NOTHING = {("POST", "/sync"), ("POST", "/config/validate")}
CHANGING = sorted(
    (method, route.path.removeprefix("/admin/api"))
    for route in build_routes()
    if isinstance(route, Route) and route.path.startswith("/admin/api")
    for method in set(route.methods or ()) - {"GET", "HEAD"}
    if (method, route.path.removeprefix("/admin/api")) not in CHANGES_NOTHING
)


@pytest.fixture
async def operator(make_edge: EdgeMaker) -> AsyncIterator[Operator]:
    async with open_operator(make_edge) as running:
        yield running


async def newest(operator: Operator) -> dict[str, Any]:
    action: dict[str, Any] = (await operator.get("/actions"))["actions"][0]
    return action


@pytest.mark.parametrize(("method", "path"), CHANGING)
async def test_every_route_that_changes_something_writes_it_down(
    operator: Operator, method: str, path: str
) -> None:
    given = path.replace("{id}", "key_000000000000").replace("{kind}", "refresh")

    response = await operator.ask(method, given, {})

    (action,) = (await operator.get("/actions"))["actions"]
    assert (action["actor"], action["client"]) == ("admin", "127.0.0.1")
    assert action["action"] in set(ActionName)
    assert (action["outcome"] == "ok") == (response.status_code == 200)


@pytest.mark.parametrize("path", ["/actions", "/keys", "/stats", "/requests", "/tokens"])
async def test_looking_is_not_written_down(operator: Operator, path: str) -> None:
    await operator.get(path)

    assert (await operator.get("/actions"))["actions"] == []


async def test_who_was_changed_and_how_is_told_by_ids_never_by_sessions(
    operator: Operator,
) -> None:
    await operator.add("a", "b")
    body = {"tokens": [session_of("a"), id_of("b")], "disabled": False}
    await operator.send("POST", "/tokens/disabled/batch", body)

    action = await newest(operator)

    assert action["action"] == "account.restore"
    assert action["target"] == f"{id_of('a')}, {id_of('b')}"
    assert (action["detail"], action["outcome"]) == ("2 accounts", "ok")


async def test_targets_are_bounded(operator: Operator) -> None:
    made = (await operator.send("POST", "/keys/batch", {"count": 13}))["data"]

    action = await newest(operator)

    assert action["action"] == "key.create"
    assert action["target"].endswith(f"{made[9]['id']} and 3 more")


async def test_change_of_a_key_says_what_changed_and_a_failure_why(operator: Operator) -> None:
    made = (await operator.send("POST", "/keys", {"name": "a"}))["data"]
    await operator.send("PATCH", f"/keys/{made['id']}", {"enabled": False, "weight": 2})
    good = await newest(operator)
    await operator.refused("PATCH", f"/keys/{made['id']}", {"weight": 99})
    bad = await newest(operator)

    assert (good["target"], good["detail"]) == (made["id"], "is_enabled, weight")
    assert (bad["target"], bad["outcome"]) == (made["id"], "invalid_value")


async def test_changed_settings_are_told_by_name_never_by_value(operator: Operator) -> None:
    body = {"changes": {"account.selection.wait_s": 3.5}}
    changed = await operator.send("PUT", "/config", body)

    action = await newest(operator)

    assert (action["action"], action["outcome"]) == ("settings.change", "ok")
    assert action["target"] == "account.selection.wait_s"
    assert action["detail"] == f"revision {changed['revision']}"


async def test_batch_import_and_edit_are_told_with_their_ids(operator: Operator) -> None:
    await operator.send("POST", "/tokens/add", {"tokens": [session_of("a")]})
    added = await newest(operator)
    await operator.send("PUT", "/tokens/edit", {"id": id_of("a"), "tags": ["x"]})
    edited = await newest(operator)
    params = {"async": "true"}
    started = await operator.send("POST", "/batch/refresh", {"tokens": [id_of("a")]}, **params)
    batch = await newest(operator)

    assert (added["action"], added["target"]) == ("account.add", id_of("a"))
    assert (edited["action"], edited["detail"]) == ("account.edit", "tags")
    assert (batch["target"], batch["detail"]) == (started["task_id"], "refresh of 1 accounts")


async def test_export_with_sessions_is_written_down_and_one_without_is_not(
    operator: Operator,
) -> None:
    await operator.get("/tokens/export")
    nothing = (await operator.get("/actions"))["actions"]
    # Not by `ask`: its answers must not hold sessions.
    headers = {"x-confirm": "export-secrets"}
    await operator.client.get("/admin/api/tokens/export?secrets=true", headers=headers)

    assert nothing == []
    assert (await newest(operator))["action"] == "account.export_sessions"


async def test_wrong_password_is_written_down_without_it(operator: Operator) -> None:
    async with httpx2.AsyncClient(base_url=operator.edge.url) as client:
        for key in ("planted-guess", "sk-0123456789abcdefghijkl"):
            headers = {"authorization": f"Bearer {key}"}
            response = await client.post("/admin/api/stats/reset", headers=headers)
            assert response.status_code == 401
        assert (await client.get("/admin/api/verify")).status_code == 401

    actions = (await operator.get("/actions"))["actions"]

    assert [(one["actor"], one["action"], one["outcome"]) for one in actions] == [
        ("unknown", "login", "authentication")
    ] * 2
    assert {one["client"] for one in actions} == {"127.0.0.1"}
    assert "guess" not in str(actions)
    assert PASSWORD not in str(actions)


async def test_without_the_store_nothing_is_done_and_the_answer_says_so(
    tmp_path: Path, cipher: SecretCipher
) -> None:
    socket_path = tmp_path / "s"
    options = ("--port", "0", "--unixsocket", str(socket_path))
    with run_store(find_server("valkey"), tmp_path, *options) as store:
        await wait_until(partial(asyncio.to_thread, socket_path.exists))
        async with open_operator(EdgeMaker(f"unix://{socket_path}", cipher, tmp_path)) as operator:
            store.kill()
            store.wait()
            for method, path in (
                ("GET", "/keys"),
                ("POST", "/keys"),
                ("GET", "/stats"),
                ("GET", "/stats/requests"),
                ("POST", "/stats/reset"),
                ("GET", "/requests"),
                ("GET", "/requests/one"),
                ("GET", "/requests/export"),
                ("POST", "/requests/clear"),
                ("GET", "/actions"),
            ):
                answered = await operator.refused(method, path, {})
                assert answered == (503, None, "store_unavailable"), path


async def test_pages_go_on_at_their_cursor(operator: Operator) -> None:
    for number in range(5):
        await operator.send("POST", "/keys", {"name": f"k{number}"})

    first = await operator.get("/actions", limit=3)
    rest = await operator.get("/actions", limit=3, cursor=first["next_cursor"])

    targets = [action["target"] for action in first["actions"] + rest["actions"]]
    assert len(set(targets)) == 5
    assert rest["next_cursor"] is None
    assert await operator.refused("GET", "/actions?cursor=x") == (400, "cursor", None)
    assert (await operator.refused("GET", "/actions?limit=501"))[:2] == (400, "limit")
