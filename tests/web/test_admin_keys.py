"""Client keys over HTTP: made, shown once, changed and revoked, one or many at once."""

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from tests.web.conftest import API_KEY, MODEL, EdgeMaker
from tests.web.operators import Operator, open_operator

CHAT = {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}]}


@pytest.fixture
async def operator(make_edge: EdgeMaker) -> AsyncIterator[Operator]:
    async with open_operator(make_edge) as running:
        yield running


async def make(operator: Operator, **fields: Any) -> dict[str, Any]:
    made: dict[str, Any] = (await operator.send("POST", "/keys", fields))["data"]
    return made


async def status_of(operator: Operator, key: str) -> int:
    """Return how a call with this key is answered."""
    headers = {"authorization": f"Bearer {key}"}
    async with httpx2.AsyncClient(base_url=operator.edge.url, headers=headers) as client:
        return (await client.get("/v1/models")).status_code


async def test_key_is_shown_once_and_works_with_all_its_rules(operator: Operator) -> None:
    made = await make(
        operator,
        name="team",
        weight=3,
        tags=["blue"],
        models=["grok-4*"],
        networks=["127.0.0.1"],
        expires_at=4_000_000_000_000,
        limits={"requests_per_minute": 60, "day": {"tokens": 5000}},
    )
    listed = await operator.get("/keys")
    one = await operator.get(f"/keys/{made['id']}")

    assert made["key"].startswith("sk-")
    assert await status_of(operator, made["key"]) == 200
    assert "key" not in one["data"]
    assert one["data"] in listed["data"]
    assert one["data"] == {
        "id": made["id"],
        "name": "team",
        "hint": made["hint"],
        "source": "store",
        "state": "active",
        "enabled": True,
        "created_at": made["created_at"],
        "expires_at": 4_000_000_000_000,
        "weight": 3,
        "tags": ["blue"],
        "models": ["grok-4*"],
        "networks": ["127.0.0.1/32"],
        "limits": {
            "requests_per_minute": 60,
            "tokens_per_minute": 0,
            "concurrency": 0,
            "day": {"requests": 0, "tokens": 5000, "units": 0},
            "week": {"requests": 0, "tokens": 0, "units": 0},
            "month": {"requests": 0, "tokens": 0, "units": 0},
        },
        "use": made["use"],
    }
    assert sum(made["key"] in text for text in operator.answers) == 1


async def test_list_shows_what_keys_use_of_their_limits(operator: Operator) -> None:
    await operator.add("a")
    made = await make(operator, name="busy", limits={"requests_per_minute": 5})
    headers = {"authorization": f"Bearer {made['key']}"}
    async with httpx2.AsyncClient(base_url=operator.edge.url, headers=headers) as client:
        assert (await client.post("/v1/chat/completions", json=CHAT)).status_code == 200

    (shown,) = (await operator.get("/keys", q="busy"))["data"]

    assert shown["use"]["minute"]["requests"] == 1


async def test_pages_hold_every_key_once_the_newest_first_also_when_more_come(
    operator: Operator,
) -> None:
    made = [(await make(operator, name=f"k{n}"))["id"] for n in range(5)]
    seen: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        params = {"cursor": cursor} if cursor else {}
        page = await operator.get("/keys", limit=2, **params)
        seen += page["data"]
        cursor = page["next_cursor"]
        await make(operator, name="newer")

    ids = [key["id"] for key in seen]
    assert set(made) == set(ids[:-1])
    assert len(ids) == len(set(ids)) == 6
    moments = [key["created_at"] for key in seen[:-1]]
    assert moments == sorted(moments, reverse=True)
    assert seen[-1]["source"] == "settings"


async def test_search_finds_parts_of_names_ids_and_hints(operator: Operator) -> None:
    made = await make(operator, name="Laptop")
    await make(operator, name="other")

    for text in ("lapt", made["id"][4:], made["hint"][-4:]):
        found = await operator.get("/keys", q=text)
        assert made["id"] in [key["id"] for key in found["data"]]
    assert (await operator.get("/keys", q="nothing-like-it"))["total"] == 0


async def test_change_holds_for_the_very_next_call_and_keeps_the_rest(operator: Operator) -> None:
    made = await make(operator, name="a", limits={"concurrency": 2, "week": {"units": 9}})
    path = f"/keys/{made['id']}"

    await operator.send("PATCH", path, {"enabled": False})
    refused = await status_of(operator, made["key"])
    changed = await operator.send(
        "PATCH", path, {"enabled": True, "name": "b", "limits": {"week": {"tokens": 1}}}
    )
    never = await operator.send("PATCH", path, {"expires_at": None})

    assert (refused, await status_of(operator, made["key"])) == (401, 200)
    data = changed["data"]
    assert (data["name"], data["limits"]["concurrency"]) == ("b", 2)
    assert data["limits"]["week"] == {"requests": 0, "tokens": 1, "units": 0}
    assert never["data"]["expires_at"] is None


async def test_revoked_key_is_refused_at_once_and_gone(operator: Operator) -> None:
    made = await make(operator, name="a")

    done = await operator.send("DELETE", f"/keys/{made['id']}", None)

    assert done["id"] == made["id"]
    assert await status_of(operator, made["key"]) == 401
    assert await operator.refused("GET", f"/keys/{made['id']}") == (404, "id", "key_not_found")
    again = await operator.refused("DELETE", f"/keys/{made['id']}")
    assert again == (404, "id", "key_not_found")


async def test_several_keys_are_made_alike_and_all_shown(operator: Operator) -> None:
    made = await operator.send(
        "POST", "/keys/batch", {"count": 3, "prefix": "ci", "limits": {"concurrency": 1}}
    )

    assert [key["name"] for key in made["data"]] == ["ci-1", "ci-2", "ci-3"]
    assert {key["limits"]["concurrency"] for key in made["data"]} == {1}
    assert len({key["key"] for key in made["data"]}) == 3
    assert [await status_of(operator, key["key"]) for key in made["data"]] == [200] * 3


async def test_several_keys_are_disabled_enabled_and_revoked_in_one_call(
    operator: Operator,
) -> None:
    made = (await operator.send("POST", "/keys/batch", {"count": 2}))["data"]
    ids, nobody = [key["id"] for key in made], "key_000000000000"

    async def statuses() -> list[int]:
        return [await status_of(operator, key["key"]) for key in made]

    off = await operator.send(
        "POST", "/keys/enabled", {"ids": [*ids, nobody, ids[0]], "enabled": False}
    )
    while_off = await statuses()
    await operator.send("POST", "/keys/enabled", {"ids": ids, "enabled": True})
    while_on = await statuses()
    gone = await operator.send("DELETE", "/keys", {"ids": [*ids, nobody]})

    assert off == {"status": "success", "count": 2, "missing": [nobody]}
    assert (while_off, while_on) == ([401, 401], [200, 200])
    assert gone == {"status": "success", "count": 2, "missing": [nobody]}
    assert await statuses() == [401, 401]


async def test_key_of_the_settings_is_shown_and_cannot_be_changed_here(operator: Operator) -> None:
    (shown,) = (await operator.get("/keys", q="configured"))["data"]

    changed = await operator.refused("PATCH", f"/keys/{shown['id']}", {"enabled": False})

    assert (shown["source"], shown["created_at"]) == ("settings", None)
    assert changed[0] == 404
    assert (await operator.refused("DELETE", f"/keys/{shown['id']}"))[0] == 404
    assert await status_of(operator, API_KEY) == 200
    assert not [text for text in operator.answers if API_KEY in text]


@pytest.mark.parametrize(
    ("method", "path", "body", "param"),
    [
        ("POST", "/keys", {"name": ""}, "name"),
        ("POST", "/keys", {"name": "x" * 101}, "name"),
        ("POST", "/keys", {"weight": 0}, "weight"),
        ("POST", "/keys", {"weight": "2"}, "weight"),
        ("POST", "/keys", {"tags": ["a,b"]}, "tags"),
        ("POST", "/keys", {"models": ["gpt-9"]}, "models"),
        ("POST", "/keys", {"networks": ["home"]}, "networks"),
        ("POST", "/keys", {"expires_at": 1}, "expires_at"),
        ("POST", "/keys", {"expires_at": 10**30}, "expires_at"),
        ("POST", "/keys", {"limits": {"concurrency": -1}}, "limits.concurrency"),
        ("POST", "/keys", {"limits": {"day": {"tokens": -1}}}, "limits.day.tokens"),
        ("POST", "/keys", {"limits": {"day": {"token": 1}}}, "limits.day.token"),
        ("POST", "/keys", {"limit": {}}, "limit"),
        ("POST", "/keys", [], None),
        ("POST", "/keys/batch", {"count": 0}, "count"),
        ("POST", "/keys/batch", {"count": 101}, "count"),
        ("POST", "/keys/batch", {"count": "many"}, "count"),
        ("POST", "/keys/batch", {"name": "x"}, "name"),
        ("POST", "/keys/batch", {"prefix": ""}, "prefix"),
        ("PATCH", "/keys/key_000000000000", {}, None),
        ("POST", "/keys/enabled", {"ids": [], "enabled": True}, "ids"),
        ("POST", "/keys/enabled", {"ids": ["key_000000000000"]}, "enabled"),
        ("POST", "/keys/enabled", {"ids": ["sk-pasted"], "enabled": True}, "ids[0]"),
        ("DELETE", "/keys", {"ids": ["key_000000000000"] * 1001}, "ids"),
    ],
)
async def test_what_does_not_hold_is_named_and_nothing_changes(
    operator: Operator, method: str, path: str, body: object, param: str | None
) -> None:
    status, named, _ = await operator.refused(method, path, body)

    assert (status, named) == (400, param)
    assert await operator.edge.state.keys.list() == []
    assert "pasted" not in operator.answers[-2]


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "501"}, "limit"),
        ({"limit": "x"}, "limit"),
        ({"cursor": "x"}, "cursor"),
        ({"q": "x" * 201}, "q"),
    ],
)
async def test_list_names_what_it_does_not_understand(
    operator: Operator, params: dict[str, str], param: str
) -> None:
    status, named, _ = await operator.refused("GET", "/keys", params=params)

    assert (status, named) == (400, param)
