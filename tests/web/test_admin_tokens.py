"""Reading accounts by request: found, sorted, paged, exported; never with their sessions."""

import io
from collections.abc import AsyncIterator

import msgspec
import pytest

from grok2api.domain.account import Lease, Mode, Outcome, Pool, Status, Tier
from grok2api.domain.ids import AccountId, LeaseId
from grok2api.domain.quota import Source, Window
from grok2api.domain.selection import SelectionPolicy, Wish
from grok2api.store.accounts import Release
from tests.web.conftest import EdgeMaker
from tests.web.operators import KIND, PLANTED, Operator, id_of, open_operator, session_of
from tests.web.test_admin import log_output as log_output  # noqa: PLC0414 -- a fixture

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
async def operator(make_edge: EdgeMaker) -> AsyncIterator[Operator]:
    async with open_operator(make_edge) as running:
        yield running


ROUTES = [
    ("GET", "/tokens"),
    ("GET", "/tokens/acc_1"),
    ("GET", "/tokens/export"),
    ("GET", "/storage"),
    ("POST", "/tokens"),
    ("POST", "/tokens/add"),
    ("PUT", "/tokens/pool"),
    ("PUT", "/tokens/edit"),
    ("DELETE", "/tokens"),
    ("POST", "/tokens/disabled"),
    ("POST", "/tokens/disabled/batch"),
    ("GET", "/batch"),
    ("POST", "/batch/delete"),
    ("GET", "/batch/bat_0123456789abcdef"),
    ("GET", "/batch/bat_0123456789abcdef/failures"),
    ("GET", "/batch/bat_0123456789abcdef/stream"),
    ("GET", "/batch/bat_0123456789abcdef/result"),
    ("POST", "/batch/bat_0123456789abcdef/cancel"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_nobody_else_gets_in(operator: Operator, method: str, path: str) -> None:
    response = await operator.ask(method, path, headers={"authorization": "Bearer sk-wrong"})

    assert response.status_code == 401


async def use(operator: Operator, name: str, count: int = 1, outcome: Outcome = Outcome.OK) -> None:
    """Use a basic account some times."""
    store = operator.edge.store
    others = tuple(a.id for a in (await store.list()).accounts if a.id != id_of(name))
    for number in range(count):
        wish = Wish(pools=(Pool(KIND, Tier.BASIC),), modes=(Mode.FAST,), exclude=others)
        lease = await store.acquire(wish, SelectionPolicy(), LeaseId(f"{name}-{number}"))
        assert isinstance(lease, Lease)
        await store.release(lease, Release(outcome=outcome, is_used=True))


async def walk(operator: Operator, **params: object) -> list[str]:
    """Return the ids of all pages."""
    ids, cursor = list[str](), ""
    while True:
        page = await operator.get("/tokens", **params, cursor=cursor)
        ids += [token["id"] for token in page["tokens"]]
        cursor = page["next_cursor"]
        if cursor is None:
            return ids


async def test_account_is_shown_with_all_but_its_session(operator: Operator) -> None:
    windows = {Mode.FAST: Window(20, 30, 86_400, Source.REAL, 0, 4_000_000_000.0, 1.0)}
    await operator.add("a", tags=("red",), max_concurrency=3, created_at_s=5.0, windows=windows)
    await operator.edge.store.set_user_id(id_of("a"), "user-1")
    await use(operator, "a", 2)

    token = await operator.get(f"/tokens/{id_of('a')}")

    assert token["id"] == id_of("a")
    assert token["token"] == "plan…-9-a"[:5] + token["token"][5:]
    assert len(token["token"]) == 9
    assert (token["pool"], token["status"], token["tags"]) == ("basic", "active", ["red"])
    assert token["quota"]["fast"] == {
        "remaining": 18,
        "total": 30,
        "length_s": 86400,
        "reset_at": 4_000_000_000_000,
        "synced_at": 1000,
        "source": "real",
        "is_stale": True,
        "held": 0,
        "rests_until": None,
    }
    assert (token["use_count"], token["fail_count"], token["max_concurrency"]) == (2, 0, 3)
    assert (token["created_at"], token["user_id"], token["open"]) == (5000, "user-1", 0)
    assert token["last_used_at"] > 1_600_000_000_000
    assert (token["since"], token["until"], token["last_fail_at"]) == (token["since"], None, None)


async def test_reasons_and_failures_are_told(operator: Operator) -> None:
    await operator.add("a")
    await use(operator, "a", 1, Outcome.UNAUTHORIZED)

    token = await operator.get(f"/tokens/{id_of('a')}")

    assert (token["status"], token["fail_count"]) == ("expired", 1)
    assert token["last_fail_at"] > 1_600_000_000_000


@pytest.mark.parametrize("name", ["acc_0123456789abcdef0123", "nothing", session_of("a")])
async def test_unknown_account_is_a_404(operator: Operator, name: str) -> None:
    await operator.add("a")

    assert await operator.refused("GET", f"/tokens/{name}") == (404, "id", "account_not_found")


async def fill(operator: Operator) -> None:
    store = operator.edge.store
    await operator.add("a", "b", tags=("red", "Team One"))
    await operator.add("c", tier=Tier.SUPER, tags=("red",))
    await operator.add("d", "e", tier=Tier.HEAVY)
    await store.set_status(id_of("b"), Status.DISABLED)
    await store.set_status(id_of("d"), Status.EXPIRED)
    await store.set_status(id_of("e"), Status.DELETED, for_s=600)
    await store.set_user_id(id_of("c"), "user-of-c")


@pytest.mark.parametrize(
    ("params", "names"),
    [
        ({}, "abcd"),
        ({"status": "disabled"}, "b"),
        ({"status": "disabled,expired"}, "bd"),
        ({"status": ["active", "expired"]}, "acd"),
        ({"status": "deleted"}, "e"),
        ({"tier": "basic"}, "ab"),
        ({"tag": "red"}, "abc"),
        ({"tag": "red", "tier": "super"}, "c"),
        ({"tag": "re"}, ""),
        ({"q": "team one"}, "ab"),
        ({"q": "OF-C"}, "c"),
        ({"q": id_of("d")[4:14]}, "d"),
        ({"q": "-9-"}, ""),
        ({"q": "red", "status": "active"}, "ac"),
    ],
)
async def test_filters_find_what_fits(
    operator: Operator, params: dict[str, object], names: str
) -> None:
    await fill(operator)

    body = await operator.get("/tokens", **params)

    assert {token["id"] for token in body["tokens"]} == {id_of(name) for name in names}
    assert (body["total"], body["next_cursor"]) == (4, None)
    assert body["counts"]["pool"] == {"basic": 2, "super": 1, "heavy": 1}
    assert body["counts"]["status"] == {
        "active": 2,
        "cooling": 0,
        "exhausted": 0,
        "expired": 1,
        "disabled": 1,
    }
    assert body["counts"]["deleted"] == 1


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({"status": session_of("x")}, "status"),
        ({"tier": "gold"}, "tier"),
        ({"sort": "name"}, "sort"),
        ({"order": "up"}, "order"),
        ({"limit": "0"}, "limit"),
        ({"limit": "501"}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"cursor": "x"}, "cursor"),
        ({"cursor": "1:a b"}, "cursor"),
        ({"cursor": "1:a", "sort": "uses"}, "cursor"),
        ({"cursor": "ZZZZ", "sort": "uses"}, "cursor"),
        ({"q": "x" * 201}, "q"),
    ],
)
async def test_wrong_parameter_is_named(
    operator: Operator, params: dict[str, str], param: str
) -> None:
    status, named, _ = await operator.refused("GET", "/tokens", params=params)

    assert (status, named) == (400, param)


@pytest.fixture
async def ordered(operator: Operator) -> Operator:
    """Five accounts, made one after the other; a is used most, b last, d fails, c is disabled."""
    for created_s, name in enumerate("abcde", 1):
        await operator.add(name, created_at_s=float(created_s))
    await use(operator, "a", 3)
    await use(operator, "d", 1, Outcome.UNAUTHORIZED)
    await use(operator, "b")
    await operator.edge.store.set_status(id_of("c"), Status.DISABLED)
    return operator


@pytest.mark.parametrize(
    ("sort", "names"),
    [("created", "edcba"), ("used", "b"), ("uses", "a"), ("failures", "d"), ("status", "")],
)
async def test_order_begins_with_what_is_looked_for(
    ordered: Operator, sort: str, names: str
) -> None:
    shown = await walk(ordered, sort=sort)

    assert shown[: len(names)] == [id_of(name) for name in names]
    if sort == "status":
        assert shown[3:] == [id_of("d"), id_of("c")]


@pytest.mark.parametrize("sort", ["created", "id", "used", "uses", "failures", "status"])
async def test_every_order_and_its_reverse_pages_to_the_whole(ordered: Operator, sort: str) -> None:
    up = await walk(ordered, sort=sort, order="asc", limit=2)
    down = await walk(ordered, sort=sort, order="desc", limit=2)

    assert sorted(up) == sorted(id_of(name) for name in "abcde")
    assert down == up[::-1]
    if sort == "id":
        assert up == sorted(up)


async def test_pages_miss_and_repeat_nobody_while_accounts_come_and_go(
    operator: Operator,
) -> None:
    """All are of the same moment, so only the cursor's own account says where a page ended."""
    names = [f"n{number}" for number in range(3000)]
    ids = await operator.add(*names, created_at_s=1000.0)
    victims = set[str]()
    seen: list[str] = []
    cursor, number = None, 0

    while True:
        params = {"limit": 400} | ({"cursor": cursor} if cursor else {})
        page = await operator.get("/tokens", **params)
        shown = [token["id"] for token in page["tokens"]]
        seen += shown
        cursor = page["next_cursor"]
        if cursor is None:
            break
        # The last one shown goes, and so do some before and behind it; new ones come.
        number += 1
        rest = [i for i in ids if i not in seen and i not in victims]
        for victim in [shown[-1], shown[0], *rest[:5]]:
            victims.add(victim)
            await operator.edge.store.remove(AccountId(victim))
        await operator.add(*[f"later{number}-{n}" for n in range(70)], created_at_s=2000.0)

    assert len(seen) == len(set(seen))
    assert set(ids) - victims <= set(seen)
    assert not set(seen) - set(ids)


async def test_short_page_says_how_many_were_looked_at(operator: Operator) -> None:
    await operator.add(*range(30), created_at_s=1.0)
    await operator.add("last", tags=("rare",), created_at_s=0.5)

    body = await operator.get("/tokens", tag="rare", limit=5)

    assert (len(body["tokens"]), body["scanned"], body["next_cursor"]) == (1, 31, None)


async def test_export_streams_what_an_import_reads(operator: Operator) -> None:
    await fill(operator)

    response = await operator.ask("GET", "/tokens/export")

    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"
    accounts = {account["id"]: account for account in response.json()["accounts"]}
    assert set(accounts) == {id_of(name) for name in "abcd"}
    assert "session" not in accounts[id_of("a")]


async def test_sessions_are_exported_only_when_that_is_confirmed(
    operator: Operator, log_output: io.StringIO
) -> None:
    await fill(operator)

    refused = await operator.refused("GET", "/tokens/export", params={"secrets": "true"})
    response = await operator.client.get(
        "/admin/api/tokens/export?secrets=true", headers={"x-confirm": "export-secrets"}
    )

    assert refused == (400, "secrets", "confirmation_required")
    found = {account["session"] for account in response.json()["accounts"]}
    assert found == {session_of(name) for name in "abcd"}
    log = log_output.getvalue()
    rows = [msgspec.json.decode(line) for line in log.splitlines()]
    told = [row["with_secrets"] for row in rows if row["msg"] == "accounts_exported"]
    assert told == [True]
    assert PLANTED not in log


async def test_session_in_an_address_is_neither_answered_nor_logged(
    operator: Operator, log_output: io.StringIO
) -> None:
    await operator.add("a")

    await operator.refused("GET", f"/tokens/{session_of('a')}")
    await operator.refused("GET", "/tokens", params={"cursor": session_of("a")})
    await operator.refused("POST", f"/batch/{session_of('a')}", {"tokens": []})

    lines = log_output.getvalue().splitlines()
    # The test's own client writes into the same log.
    ours = [line for line in lines if '"logger":"http' not in line]
    assert sum("request_served" in line for line in ours) == 3
    assert not [line for line in ours if PLANTED in line]


async def test_storage_is_redis(operator: Operator) -> None:
    assert await operator.get("/storage") == {"type": "redis"}
