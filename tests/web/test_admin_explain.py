"""Administrative routes that explain the pool and show and clear sessions."""

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import msgspec
import pytest

from grok2api.config.schema import AppSettings
from grok2api.domain.account import Mode, Pool, ProviderKind, Status, Tier
from grok2api.domain.ids import AccountId, LeaseId
from grok2api.domain.selection import SelectionPolicy, Wish
from tests.web.conftest import API_KEY, MODEL, SESSION, TEST_SETTINGS, Edge, EdgeMaker

PASSWORD = "planted-password"
EXPLAIN = "/admin/api/tokens/explain"
SESSIONS = "/admin/api/sessions"


@pytest.fixture
async def admin(make_edge: EdgeMaker) -> AsyncIterator[tuple[Edge, httpx2.AsyncClient]]:
    """A gateway, and a client that presents the administrator's password."""
    settings = msgspec.structs.replace(TEST_SETTINGS, app=AppSettings(app_key=PASSWORD))
    headers = {"authorization": f"Bearer {PASSWORD}"}
    async with (
        make_edge(settings) as edge,
        httpx2.AsyncClient(base_url=edge.url, headers=headers) as client,
    ):
        yield edge, client


Admin = tuple[Edge, httpx2.AsyncClient]


async def bind(edge: Edge, *sessions: str) -> None:
    basic = Pool(ProviderKind.GROK_WEB, Tier.BASIC)
    for session in sessions:
        wish = Wish(pools=(basic,), modes=(Mode.FAST,), session=session)
        policy = SelectionPolicy(session_ttl_s=600.0)
        await edge.store.acquire(wish, policy, LeaseId(f"lease-{session}"))


async def test_who_would_serve_is_told_without_secrets(admin: Admin) -> None:
    _, client = admin

    response = await client.get(EXPLAIN, params={"model": MODEL})

    body = response.json()
    assert body["chosen"]["account"]["id"] == "acc_1"
    assert body["chosen"]["account"]["reason"]["word"] == "ready"
    assert (body["reasons"], body["next_cursor"], body["key"]) == ([], "", "")
    assert SESSION not in response.text


async def test_others_have_their_reason(admin: Admin) -> None:
    edge, client = admin
    await edge.store.set_status(AccountId("acc_1"), Status.COOLING, for_s=600, reason="operator")

    body = (await client.get(EXPLAIN, params={"model": MODEL})).json()

    (group,) = body["reasons"]
    assert body["chosen"] is None
    assert (group["word"], group["count"]) == ("cooling", 1)
    assert group["accounts"][0]["reason"]["until_s"] == group["soonest_s"] > body["now_s"]


@pytest.mark.parametrize(
    ("asked", "status", "param"),
    [
        ({}, 400, "model"),
        ({"model": "gpt-9"}, 404, "model"),
        ({"model": MODEL, "key": "nobody"}, 404, "key"),
        ({"model": MODEL, "cursor": "1:a\n"}, 400, "cursor"),
        ({"model": MODEL, "cursor": "x:acc_1"}, 400, "cursor"),
        ({"model": MODEL, "tag": [str(n) for n in range(17)]}, 400, "tag"),
    ],
)
async def test_what_cannot_be_explained_is_named(
    admin: Admin, asked: dict[str, Any], status: int, param: str
) -> None:
    _, client = admin

    response = await client.get(EXPLAIN, params=asked)

    assert (response.status_code, response.json()["error"]["param"]) == (status, param)


async def test_configured_key_may_be_named(admin: Admin) -> None:
    _, client = admin

    body = (await client.get(EXPLAIN, params={"model": MODEL, "key": "configured"})).json()

    assert body["line"]["by_key"] == {body["key"]: 0}


async def test_sessions_are_listed_and_cleared(admin: Admin) -> None:
    edge, client = admin
    await bind(edge, "s1", "s2", "s3")

    listed = (await client.get(SESSIONS)).json()
    cleared = await client.request("DELETE", SESSIONS, json={"sessions": ["s2", "unknown"]})
    rest = (await client.get(SESSIONS)).json()
    every = await client.request("DELETE", SESSIONS, json={"all": True})

    assert [s["session"] for s in listed["sessions"]] == ["s3", "s2", "s1"]
    assert {s["account_id"] for s in listed["sessions"]} == {"acc_1"}
    assert cleared.json() == {"cleared": 1}
    assert [s["session"] for s in rest["sessions"]] == ["s3", "s1"]
    assert every.json() == {"cleared": 2}
    assert (await client.get(SESSIONS)).json() == {"sessions": [], "next_cursor": ""}


@pytest.mark.parametrize(
    "body", [{}, {"sessions": []}, {"sessions": ["s1"], "all": True}, {"sessions": ["s"] * 1001}]
)
async def test_clearing_says_what_to_send_and_clears_nothing(
    admin: Admin, body: dict[str, Any]
) -> None:
    edge, client = admin
    await bind(edge, "s1")

    response = await client.request("DELETE", SESSIONS, json=body)

    assert response.status_code == 400
    assert len((await client.get(SESSIONS)).json()["sessions"]) == 1


async def test_nobody_else_clears_sessions(admin: Admin) -> None:
    edge, client = admin
    await bind(edge, "s1")

    for key in ("wrong", API_KEY):
        response = await client.request(
            "DELETE", SESSIONS, json={"all": True}, headers={"authorization": f"Bearer {key}"}
        )
        assert response.status_code == 401

    assert len((await client.get(SESSIONS)).json()["sessions"]) == 1


async def test_list_of_sessions_goes_on_at_its_cursor(admin: Admin) -> None:
    edge, client = admin
    await bind(edge, *(f"s{n:03}" for n in range(8)))
    whole = (await client.get(SESSIONS)).json()["sessions"]
    cursor = f"{whole[4]['ends_at_s'] * 1000:.0f}:{whole[4]['session']}"

    rest = (await client.get(SESSIONS, params={"cursor": cursor})).json()["sessions"]

    assert rest == whole[5:]
