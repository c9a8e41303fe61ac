"""Settings as operators see and change them at run time."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from tests.web.conftest import EdgeMaker
from tests.web.operators import Operator, open_operator

SECRET = "planted-secret-0123456789"
ROUTES = [
    ("GET", "/config"),
    ("PUT", "/config"),
    ("POST", "/config"),
    ("POST", "/config/validate"),
    ("GET", "/config/history"),
    ("POST", "/config/rollback"),
]


@pytest.fixture
async def operator(make_edge: EdgeMaker) -> AsyncIterator[Operator]:
    """At the end no answer may have held a planted secret."""
    async with open_operator(make_edge) as running:
        yield running


async def put(operator: Operator, revision: int | None = None, **changes: Any) -> Any:
    named = {key.replace("__", "."): value for key, value in changes.items()}
    return await operator.send("PUT", "/config", {"changes": named, "revision": revision})


async def look(operator: Operator, key: str) -> dict[str, Any]:
    view = await operator.get("/config")
    (found,) = [setting for setting in view["settings"] if setting["key"] == key]
    return dict(found)


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_a_client_key_is_not_enough(operator: Operator, method: str, path: str) -> None:
    body = {"changes": {"retry.max_attempts": 7}, "retry": {"max_attempts": 7}, "to": 1}

    answer = await operator.edge.client.request(method, f"/admin/api{path}", json=body)

    assert answer.status_code == 401
    assert (await operator.get("/config"))["revision"] == 0


async def test_setting_tells_what_it_is_and_where_its_value_comes_from(operator: Operator) -> None:
    setting = await look(operator, "retry.max_attempts")

    assert setting["allowed"] == "a whole number from 1 to 20"
    assert (setting["value"], setting["default"], setting["origin"]) == (3, 3, "default")
    assert (setting["locked"], setting["is_stored"]) == ("", False)


async def test_change_is_seen_with_its_origin_until_it_is_taken_back(operator: Operator) -> None:
    made = await put(operator, retry__max_attempts=7)

    assert made == {
        "revision": 1,
        "differences": [{"key": "retry.max_attempts", "before": 3, "after": 7}],
    }
    setting = await look(operator, "retry.max_attempts")
    assert (setting["value"], setting["origin"], setting["is_stored"]) == (7, "store", True)

    await put(operator, retry__max_attempts=None)

    setting = await look(operator, "retry.max_attempts")
    assert (setting["value"], setting["origin"], setting["is_stored"]) == (3, "default", False)


async def test_same_value_makes_no_revision(operator: Operator) -> None:
    await put(operator, retry__max_attempts=7)

    assert await put(operator, retry__max_attempts="7") == {"revision": 1, "differences": []}


async def test_change_of_an_older_revision_is_refused(operator: Operator) -> None:
    await put(operator, 0, retry__max_attempts=7)

    body = {"changes": {"retry.max_attempts": 8}, "revision": 0}
    refused = await operator.refused("PUT", "/config", body)

    assert refused == (409, "revision", "revision_conflict")
    assert (await look(operator, "retry.max_attempts"))["value"] == 7


@pytest.mark.parametrize(
    ("changes", "param", "code"),
    [
        ({"retry.max_attempts": 21}, "retry.max_attempts", "invalid_value"),
        ({"retry.max_attempts": ""}, "retry.max_attempts", "invalid_value"),
        ({"retry.max_attempts": [1]}, "retry.max_attempts", "invalid_value"),
        ({"chat.idle_timeout_s": "nan"}, "chat.idle_timeout_s", "invalid_value"),
        ({"features.image_format": "x"}, "features.image_format", "invalid_value"),
        ({"proxy.url": f"ftp://{SECRET}"}, "proxy.url", "invalid_value"),
        ({"proxy.url": "(set)"}, "proxy.url", "invalid_value"),
        ({"app.app_key": "grok2api"}, None, "invalid_value"),
        ({"upstream.statsig_mode": "manual"}, None, "invalid_value"),
        ({"app.app_url": "https://" + "x" * 70_000}, None, "settings_too_large"),
        ({"no.such": 1}, "no.such", "unknown_setting"),
        ({"no.such": None}, "no.such", "unknown_setting"),
        ({"server.port": 1}, "server.port", "startup_only_setting"),
        ({"store.redis_url": "redis://x"}, "store.redis_url", "startup_only_setting"),
        ({"secret_keys": "x"}, "secret_keys", "startup_only_setting"),
        ({"performance.redis_connections": 9}, "performance.redis_connections",
         "startup_only_setting"),
    ],
)  # fmt: skip
async def test_what_is_wrong_changes_nothing_and_is_named(
    operator: Operator, changes: dict[str, Any], param: str | None, code: str
) -> None:
    body = {"changes": {"retry.budget_s": 5, **changes}}

    assert await operator.refused("PUT", "/config", body) == (400, param, code)

    assert (await operator.get("/config"))["revision"] == 0
    checked = await operator.send("POST", "/config/validate", body)
    assert (checked["ok"], checked["problems"][0]["code"]) == (False, code)
    assert (await operator.get("/config/history"))["revisions"] == []


async def test_check_tells_differences_and_changes_nothing(operator: Operator) -> None:
    body = {"changes": {"retry.max_attempts": 7, "proxy.url": f"http://{SECRET}@h:1"}}

    checked = await operator.send("POST", "/config/validate", body)

    assert checked == {
        "revision": 0,
        "ok": True,
        "problems": [],
        "differences": [
            {"key": "proxy.url", "before": "(empty)", "after": "(set)"},
            {"key": "retry.max_attempts", "before": 3, "after": 7},
        ],
    }
    assert (await operator.get("/config"))["revision"] == 0


async def test_secret_is_only_told_to_be_set(operator: Operator) -> None:
    await put(operator, app__api_key=[SECRET])

    setting = await look(operator, "app.api_key")

    assert (setting["is_secret"], setting["is_set"], setting["value"]) == (True, True, None)
    assert (await look(operator, "app.app_key"))["is_set"] is False


async def test_history_tells_who_changed_what_and_leads_back(operator: Operator) -> None:
    await put(operator, retry__max_attempts=7)
    await put(operator, retry__max_attempts=8, proxy__url=f"http://{SECRET}@h:1")

    back = await operator.send("POST", "/config/rollback", {"to": 1, "revision": 2})

    assert back["revision"] == 3
    assert (await look(operator, "retry.max_attempts"))["value"] == 7
    assert not (await look(operator, "proxy.url"))["is_set"]
    revisions = (await operator.get("/config/history"))["revisions"]
    assert [(r["revision"], r["keys"], r["restored"]) for r in revisions] == [
        (3, ["proxy.url", "retry.max_attempts"], 1),
        (2, ["proxy.url", "retry.max_attempts"], None),
        (1, ["retry.max_attempts"], None),
    ]
    assert {r["by"] for r in revisions} == {"administrator"}


async def test_way_back_to_what_is_not_kept_is_refused(operator: Operator) -> None:
    refused = await operator.refused("POST", "/config/rollback", {"to": 7})

    assert refused == (404, None, "revision_not_found")


async def test_boot_settings_are_shown_and_say_why_they_are_fixed(operator: Operator) -> None:
    port, keys = await look(operator, "server.port"), await look(operator, "secret_keys")

    assert (port["value"], port["origin"]) == (8765, "start")
    assert "when a process starts" in port["locked"]
    assert (keys["value"], keys["is_secret"]) == (None, True)


async def test_tables_of_older_pages_are_merged(operator: Operator) -> None:
    await put(operator, proxy__url=f"http://{SECRET}@h:1", chat__idle_timeout_s=50)
    tables = {
        "retry": {"max_retry": 6},
        "proxy": {"url": "***REDACTED***"},
        "models": {"aliases": {"a": "grok-chat-fast"}},
        "app": {"stream": False},
    }

    told = await operator.send("POST", "/config", tables)

    assert (told["status"], told["revision"]) == ("success", 2)
    assert (await look(operator, "retry.max_attempts"))["value"] == 6
    assert (await look(operator, "models.aliases"))["value"] == {"a": "grok-chat-fast"}
    assert (await look(operator, "features.stream"))["value"] is False
    assert (await look(operator, "proxy.url"))["is_set"]
    assert (await look(operator, "chat.idle_timeout_s"))["value"] == 50


async def test_body_of_another_form_is_refused(operator: Operator) -> None:
    bodies: tuple[object, ...] = ({}, [], {"changes": []}, {"changes": {}, "revision": -1})
    for body in bodies:
        answer = await operator.ask("PUT", "/config", body)
        assert answer.status_code == 400, msgspec.json.encode(body)
