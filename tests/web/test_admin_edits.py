"""Changing accounts by request: what is asked for is done, all of it or a clear refusal."""

from collections.abc import AsyncIterator

import pytest

from grok2api.domain.account import Status, Tier
from grok2api.domain.ids import AccountId
from tests.web.conftest import EdgeMaker
from tests.web.operators import Operator, id_of, open_operator, session_of

pytestmark = pytest.mark.timeout(60)
NOBODY = "acc_0123456789abcdef0123"


@pytest.fixture
async def operator(make_edge: EdgeMaker) -> AsyncIterator[Operator]:
    async with open_operator(make_edge) as running:
        yield running


async def look(operator: Operator, name: str) -> dict[str, object]:
    found: dict[str, object] = await operator.get(f"/tokens/{id_of(name)}")
    return found


async def test_added_accounts_are_there_with_pool_and_tags(operator: Operator) -> None:
    await operator.add("known")
    tokens = [session_of("a"), f"sso={session_of('b')}", session_of("known"), "short", ""]

    body = await operator.send(
        "POST", "/tokens/add", {"tokens": tokens, "pool": "super", "tags": [" red "]}
    )

    assert (body["status"], body["count"], body["skipped"]) == ("success", 2, 1)
    assert body["ids"] == [id_of("a"), id_of("b")]
    assert [refused["line"] for refused in body["refused"]] == [4, 5]
    assert body["synced"] is False
    found = await look(operator, "b")
    assert (found["pool"], found["tags"]) == ("super", ["red"])
    assert (await look(operator, "known"))["pool"] == "basic"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"tokens": [session_of("a")], "pool": "ssoBasic"}, "pool"),
        ({"tokens": [session_of("a")], "pool": ""}, "pool"),
        ({"tokens": ["basic"], "pool": session_of("a")}, "pool"),
        ({"tokens": session_of("a")}, "tokens"),
        ({"tokens": []}, "tokens"),
        ({"tokens": ["planted-x y"]}, "tokens"),
        ({"tokens": [1]}, "tokens[0]"),
        ({"pool": "basic"}, "tokens"),
        ({"tokens": [session_of("a")], "tags": ["a,b"]}, "tags"),
    ],
)
async def test_nothing_is_added_when_the_body_does_not_hold(
    operator: Operator, body: object, param: str
) -> None:
    status, named, _ = await operator.refused("POST", "/tokens/add", body)

    assert (status, named) == (400, param)
    assert await operator.statuses() == {}


async def test_import_merges_and_deletes_nothing(operator: Operator) -> None:
    await operator.add("here", "both")
    file = {"basic": [session_of("both"), session_of("new")], "heavy": [{"token": session_of("h")}]}

    preview = await operator.send("POST", "/tokens", file, dry_run="true")
    before = await operator.statuses()
    done = await operator.send("POST", "/tokens", file)

    assert (preview["count"], preview["skipped"], preview["dry_run"]) == (2, 1, True)
    assert set(before) == {id_of("here"), id_of("both")}
    assert (done["count"], done["skipped"], done["dry_run"]) == (2, 1, False)
    assert set(await operator.statuses()) == {id_of(n) for n in ("here", "both", "new", "h")}
    assert (await look(operator, "h"))["pool"] == "heavy"


async def test_import_takes_what_the_export_gave(operator: Operator) -> None:
    await operator.add("a", tags=("red",))
    exported = (
        await operator.client.get(
            "/admin/api/tokens/export?secrets=true", headers={"x-confirm": "export-secrets"}
        )
    ).content
    await operator.edge.store.remove(id_of("a"))

    response = await operator.ask("POST", "/tokens", content=exported)

    assert response.json()["count"] == 1
    assert (await look(operator, "a"))["tags"] == ["red"]


@pytest.mark.parametrize("content", [b"", b"  ", b"\xff\xfe", b'{"basic": [', b'{"gold": ["x"]}'])
async def test_import_of_nothing_is_refused(operator: Operator, content: bytes) -> None:
    status, _, _ = await operator.refused("POST", "/tokens", content=content)

    assert status == 400


async def test_pool_takes_new_and_known_accounts_and_leaves_the_others(operator: Operator) -> None:
    await operator.add("stays", tier=Tier.HEAVY)
    await operator.add("by-id", "by-session", "elsewhere")

    body = await operator.send(
        "PUT",
        "/tokens/pool",
        {
            "pool": "heavy",
            "tokens": [id_of("by-id"), session_of("by-session"), session_of("new"), NOBODY, "bad"],
            "tags": ["red"],
        },
    )

    assert (body["pool"], body["count"]) == ("heavy", 3)
    assert (body["added"], body["missing"]) == ([id_of("new")], [NOBODY])
    assert set(body["moved"]) == {id_of("by-id"), id_of("by-session")}
    assert [refused["line"] for refused in body["refused"]] == [5]
    names = ("stays", "by-id", "by-session", "new", "elsewhere")
    pools = [(await look(operator, name))["pool"] for name in names]
    assert pools == ["heavy", "heavy", "heavy", "heavy", "basic"]
    assert (await look(operator, "by-id"))["tags"] == ["red"]


async def test_pool_for_nobody_is_refused(operator: Operator) -> None:
    missing = await operator.refused("PUT", "/tokens/pool", {"pool": "basic", "tokens": [NOBODY]})
    wrong = await operator.refused(
        "PUT", "/tokens/pool", {"pool": session_of("x"), "tokens": [NOBODY]}
    )

    assert missing == (404, "tokens", "account_not_found")
    assert wrong[:2] == (400, "pool")


async def test_edit_changes_what_is_named(operator: Operator) -> None:
    await operator.add("a", tags=("red",))

    body = await operator.send(
        "PUT",
        "/tokens/edit",
        {"id": id_of("a"), "pool": "super", "tags": ["blue"], "max_concurrency": 2},
    )
    await operator.send("PUT", "/tokens/edit", {"id": id_of("a"), "pool": "heavy"})

    assert (body["status"], body["id"], body["pool"]) == ("success", id_of("a"), "super")
    found = await look(operator, "a")
    assert (found["pool"], found["tags"], found["max_concurrency"]) == ("heavy", ["blue"], 2)


async def test_new_session_takes_over_and_the_old_one_can_be_restored(operator: Operator) -> None:
    await operator.add("old", tags=("red",), tier=Tier.SUPER, max_concurrency=3)
    await operator.edge.store.set_status(id_of("old"), Status.EXPIRED, reason="blocked")

    body = await operator.send(
        "PUT",
        "/tokens/edit",
        {"old_token": session_of("old"), "token": session_of("new"), "tags": ["red", "blue"]},
    )

    assert body["id"] == id_of("new")
    new = await look(operator, "new")
    assert (new["status"], new["pool"], new["max_concurrency"]) == ("active", "super", 3)
    assert new["tags"] == ["red", "blue"]
    assert (await look(operator, "old"))["status"] == "deleted"
    revealed = await operator.edge.store.reveal([id_of("new")])
    assert revealed[id_of("new")].session == session_of("new")


async def test_same_session_keeps_its_cookies_unless_it_brings_others(operator: Operator) -> None:
    await operator.add("a")

    async def edit(token: str) -> str:
        body = {"old_token": session_of("a"), "token": token, "pool": "super"}
        await operator.send("PUT", "/tokens/edit", body)
        return (await operator.edge.store.reveal([id_of("a")]))[id_of("a")].cookies

    brought = await edit(f"sso={session_of('a')}; cf_clearance=abc")
    kept = await edit(session_of("a"))

    assert brought == kept == "cf_clearance=abc"
    assert (await look(operator, "a"))["pool"] == "super"


async def test_session_of_another_account_is_a_conflict_that_changes_nothing(
    operator: Operator,
) -> None:
    await operator.add("a", "b")

    refused = await operator.refused(
        "PUT", "/tokens/edit", {"id": id_of("a"), "token": session_of("b"), "tags": ["x"]}
    )

    assert refused == (409, "token", "token_conflict")
    assert (await look(operator, "a"))["tags"] == []
    assert set((await operator.statuses()).values()) == {"active"}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"id": NOBODY, "pool": "super"}, (404, "id", "account_not_found")),
        ({"old_token": session_of("x"), "pool": "super"}, (404, "old_token", "account_not_found")),
        ({"pool": "super"}, (400, "id", "missing_required_parameter")),
        ({"id": id_of("a")}, (400, None, "missing_required_parameter")),
        ({"id": id_of("a"), "pool": session_of("x")}, (400, "pool", "invalid_value")),
        ({"id": id_of("a"), "max_concurrency": -1}, (400, "max_concurrency", "invalid_value")),
        ({"id": id_of("a"), "token": "planted-"}, (400, "token", None)),
        ({"id": "planted-", "pool": "super"}, (400, "id", None)),
    ],
)
async def test_edit_that_does_not_hold_is_refused(
    operator: Operator, body: object, expected: tuple[int, str | None, str | None]
) -> None:
    await operator.add("a")

    assert await operator.refused("PUT", "/tokens/edit", body) == expected


async def test_deleted_are_counted_once_and_can_be_restored(operator: Operator) -> None:
    await operator.add("a", "b", "c")
    names = [id_of("a"), session_of("b"), NOBODY, id_of("a")]

    first = await operator.send("DELETE", "/tokens", names)
    again = await operator.send("DELETE", "/tokens", names)
    await operator.send("POST", "/tokens/disabled", {"id": id_of("a"), "disabled": False})

    assert first == {"deleted": 2, "missing": 1}
    assert again == {"deleted": 0, "missing": 3}
    assert await operator.statuses() == {
        id_of("a"): "active",
        id_of("b"): "deleted",
        id_of("c"): "active",
    }


@pytest.mark.parametrize("body", [[], {}, ["planted-"], [NOBODY] * 2001])
async def test_delete_of_nothing_or_too_many_is_refused(operator: Operator, body: object) -> None:
    await operator.add("a")

    status, _, _ = await operator.refused("DELETE", "/tokens", body)

    assert status == 400
    assert await operator.statuses() == {id_of("a"): "active"}


async def test_account_is_disabled_and_restored(operator: Operator) -> None:
    await operator.add("a")
    path = "/tokens/disabled"

    body = await operator.send("POST", path, {"token": session_of("a"), "disabled": True})
    disabled = await look(operator, "a")
    await operator.send("POST", path, {"id": id_of("a"), "disabled": False})

    assert body == {"id": id_of("a"), "disabled": True, "status": "success"}
    assert (disabled["status"], disabled["reason"]) == ("disabled", "operator")
    assert (await look(operator, "a"))["status"] == "active"


async def test_several_are_disabled_and_the_missing_are_named(operator: Operator) -> None:
    await operator.add("a", "b")

    body = await operator.send(
        "POST",
        "/tokens/disabled/batch",
        {"tokens": [id_of("a"), session_of("b"), NOBODY], "disabled": True},
    )

    assert body["summary"] == {"total": 3, "ok": 2, "fail": 1}
    assert body["missing"] == [NOBODY]
    assert set((await operator.statuses()).values()) == {"disabled"}


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("", {"id": NOBODY, "disabled": True}, (404, "id", "account_not_found")),
        ("", {"id": NOBODY}, (400, "disabled", "missing_required_parameter")),
        ("", {"disabled": True}, (400, "id", "missing_required_parameter")),
        ("/batch", {"tokens": [NOBODY], "disabled": True}, (404, "tokens", "account_not_found")),
        ("/batch", {"tokens": [], "disabled": True}, (400, "tokens", None)),
        ("/batch", {"tokens": ["x"], "disabled": True}, (400, "tokens[0]", None)),
        ("/batch", {"tokens": [NOBODY], "disabled": 1}, (400, "disabled", "invalid_value")),
    ],
)
async def test_disabling_that_does_not_hold_is_refused(
    operator: Operator, path: str, body: object, expected: tuple[int, str | None, str | None]
) -> None:
    assert await operator.refused("POST", f"/tokens/disabled{path}", body) == expected


async def test_what_is_changed_on_one_worker_holds_on_the_other(
    operator: Operator, make_edge: EdgeMaker
) -> None:
    async with open_operator(make_edge) as other:
        await operator.send("POST", "/tokens/add", {"tokens": [session_of("a")]})
        await other.send("POST", "/tokens/disabled", {"id": id_of("a"), "disabled": True})

        assert (await look(operator, "a"))["status"] == "disabled"
        assert AccountId(NOBODY) not in await other.statuses()
