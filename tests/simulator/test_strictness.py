"""What a client must not do, and that it is told and written down."""

import asyncio
import copy
from collections.abc import Callable

import msgspec
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from grok2api.simulator.options import SimulatorOptions
from tests.simulator.client import (
    AGENT,
    SIGNED,
    Json,
    Site,
    chat_body,
    cookie,
    item_create,
    open_site,
    post_headers,
    response_create,
    session_create,
    upload,
)

CHAT = "/rest/app-chat/conversations/new"
FALLBACK = (
    "eDE6VHlwZUVycm9yOiBDYW5ub3QgcmVhZCBwcm9wZXJ0aWVzIG9mIHVuZGVmaW5lZCAocmVhZGluZyAn"
    "YWJjZGVmZ2hpaicp"
)
OBSOLETE = (
    "ZTpUeXBlRXJyb3I6IENhbm5vdCByZWFkIHByb3BlcnRpZXMgb2YgdW5kZWZpbmVkIChyZWFkaW5nICdj"
    "aGlsZE5vZGVzJyk="
)


async def post(site: Site, headers: Json, body: Json) -> tuple[int, str]:
    kept = {name: value for name, value in headers.items() if value is not None}
    reply = await site.http.post(CHAT, content=msgspec.json.encode(body), headers=kept)
    return reply.status_code, reply.text


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("origin", None),
        ("origin", "http://127.0.0.1"),
        ("referer", "https://grok.com"),
        ("user-agent", "python-httpx/1"),
        ("accept-language", ""),
        ("accept", "application/json"),
        ("accept-encoding", "gzip"),
        ("content-type", "application/json; charset=utf-8"),
        ("cache-control", "max-age=0"),
        ("pragma", None),
        ("priority", "u=0"),
        ("sec-fetch-dest", "document"),
        ("sec-fetch-mode", None),
        ("sec-fetch-site", "same-site"),
        ("x-xai-request-id", None),
        ("x-xai-request-id", "EB3F6AEA-3437-43C8-88E4-2E37302DC750"),
        ("x-xai-request-id", "d3e17720-e5d9-11f1-8e1b-02fc00000001"),
        ("baggage", "sentry-environment=production"),
        ("traceparent", "00-0-0-00"),
        ("sentry-trace", "0"),
        ("authorization", "Bearer x"),
        ("sec-ch-ua", '"Google Chrome";v="120", "Chromium";v="120"'),
        ("cookie", "sso=s1"),
        ("cookie", "sso=s1; sso-rw=other"),
        ("cookie", "sso-rw=s1; sso=s1"),
        ("cookie", cookie("s1", clearance="theme=dark")),
        ("cookie", cookie("s1", clearance="cf_clearance=")),
        ("cookie", cookie("s1", clearance="CF_Clearance=a")),
        ("cookie", cookie("s1", user_id="9e354cfd-8643-4dc9-afee-306ae5353473")),
        ("cookie", "sso=s1; sso-rw=s1;cf_clearance=a"),
    ],
)
async def test_wrong_header_is_refused_and_written_down(
    site: Site, header: str, value: str | None
) -> None:
    status, text = await post(site, {**post_headers("s1"), header: value}, chat_body("Hello"))

    assert status == 400
    assert "[simulator] chat:" in text
    assert len((await site.ledger())["violations"]) >= 1


async def test_right_headers_pass(site: Site) -> None:
    hints = {
        "sec-ch-ua": '"Google Chrome";v="146", "Chromium";v="146", "Not(A:Brand";v="24"',
        "sec-ch-ua-mobile": "?0",
        "sec-ch-ua-platform": '"macOS"',
        "cookie": cookie("s1", clearance="cf_clearance=a; __cf_bm=b; _cfuvid=c; cf_chl_x=d"),
    }

    status, _ = await post(site, {**post_headers("s1"), **hints}, chat_body("Hello"))

    assert status == 200
    assert (await site.ledger())["violations"] == []


@pytest.mark.parametrize(
    "change",
    [
        {"modeId": None},
        {"modeId": "turbo"},
        {"modelName": "grok-4"},
        {"temporary": None},
        {"message": " "},
        {"imageGenerationCount": 1},
        {"isAsyncChat": True},
        {"sendFinalMetadata": False},
        {"connectors": []},
        {"toolOverrides": {}},
        {"imageAttachments": ["a"]},
        {"responseMetadata": {"modelConfigOverride": {}}},
        {"deviceEnvInfo": {"darkModeEnabled": False}},
        {"customPersonality": ""},
        {"responseId": "r"},
        {"fileAttachments": "f"},
    ],
)
async def test_wrong_body_is_refused_and_written_down(site: Site, change: Json) -> None:
    body = {k: v for k, v in {**chat_body("Hello"), **change}.items() if v is not None}

    status, text = await post(site, post_headers("s1"), body)

    assert status == 400
    assert "[simulator] chat:" in text
    page = await site.page("s1")
    assert len(page["violations"]) == 1
    assert (page["calls"], page["errors"]) == (1, 1)


async def test_variable_members_of_the_body_may_vary(site: Site) -> None:
    body = chat_body(
        "Hello",
        temporary=False,
        disableMemory=False,
        disableSearch=True,
        fileAttachments=[await upload(site)],
        modeId="expert",
        customPersonality="Be brief.",
    )

    assert (await post(site, post_headers("s1"), body))[0] == 200


@pytest.mark.parametrize(
    ("policy", "value", "is_accepted"),
    [
        ("any", None, True),
        ("any", SIGNED, True),
        ("any", SIGNED.rstrip("="), True),
        (
            "any",
            FALLBACK,
            True,
        ),
        (
            "any",
            OBSOLETE,
            False,
        ),
        ("any", "!", False),
        ("none", SIGNED, False),
        ("none", None, True),
        ("signed", None, False),
        ("signed", SIGNED, True),
    ],
)
async def test_wrong_signature_gets_the_anti_bot_answer(
    policy: str, value: str | None, *, is_accepted: bool
) -> None:
    options = SimulatorOptions(accept_any=True, statsig=policy)  # type: ignore[arg-type]
    async with open_site(options) as site:
        status, text = await post(
            site, {**post_headers("s1"), "x-statsig-id": value}, chat_body("Hello")
        )

    assert (status == 200) == is_accepted
    assert ("anti-bot" in text) != is_accepted


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://example.org"},
        {"User_Agent": "websockets"},
        {"Accept_Language": ""},
        {"Cache_Control": ""},
        {"Pragma": ""},
        {"x_statsig_id": SIGNED},
        {"x_xai_request_id": "9e354cfd-8643-4dc9-afee-306ae5353473"},
        {"Authorization": "Bearer x"},
        {"Baggage": "a=b"},
        {"Cookie": cookie("s1")},
        {"Cookie": cookie("s1", "9e354cfd-8643-4dc9-afee-306ae5353473")},
        {"Sec_WebSocket_Protocol": "chat"},
    ],
)
async def test_wrong_handshake_is_refused_and_written_down(
    site: Site, headers: dict[str, str]
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with site.socket("s1", **headers):
            pass

    assert refused.value.response.status_code == 400
    assert len((await site.ledger())["violations"]) >= 1


async def test_uid_must_be_the_accounts_own(site: Site) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with site.socket("s1", user_id="9e354cfd-8643-4dc9-afee-306ae5353473"):
            pass

    assert b"not the user id of this session" in (refused.value.response.body or b"")


async def test_uid_must_be_in_canonical_form(site: Site) -> None:
    user_id = (await site.register({"session": "s1", "name": "s1"}))[0]["user_id"]

    with pytest.raises(InvalidStatus) as refused:
        async with site.socket("s1", user_id=user_id.upper()):
            pass

    assert b"canonical" in (refused.value.response.body or b"")


def change(path: str, value: object) -> Callable[[Json], None]:
    """Return a function that sets (or with `...` removes) a member deep inside a message."""

    def apply(message: Json) -> None:
        *parents, last = path.split(".")
        at = message
        for name in parents:
            at = at[name]
        if value is ...:
            del at[last]
        else:
            at[last] = value

    return apply


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("extra", 1),
        ("session_id", "conv"),
        ("event.event_id", "evt_init_1"),
        ("event.event_id", "evt_9e354cfd-8643-4dc9-afee-306ae5353473"),
        ("event.extra", 1),
        ("event.session.model", "grok-4"),
        ("event.session.x_grok.use_chunk", False),
        ("event.session.x_grok.use_chunk", ...),
        ("event.session.x_grok.image_generation_count", 4),
        ("event.session.x_grok.protocol_capabilities", ["conversation_attached"]),
        ("event.session.x_grok.is_temporary", ...),
        ("event.session.x_grok.is_temporary", None),
        ("event.session.x_grok.keep_context", True),
        ("event.session.x_grok.load_existing", True),
        ("event.session.x_grok.search", True),
    ],
)
async def test_wrong_session_create_closes_the_socket(site: Site, path: str, value: object) -> None:
    message = session_create()
    change(path, value)(message)

    await expect_violation(site, [message])


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("session_id", ...),
        ("session_id", "other"),
        ("event.event_id", "evt_msg_1767225600002"),
        ("event.event_id", "evt_msg_1"),
        ("event.parent_response_id", "resp-1"),
        ("event.file_attachment_ids", ["f1"]),
        ("event.file_attachment_ids", []),
        ("event.item.type", "text"),
        ("event.item.role", "system"),
        ("event.item.x_grok.client_message_id", "1"),
        ("event.item.x_grok.input_chunks", []),
        ("event.item.x_grok.input_chunks", [{"text": {"text": ""}}]),
        ("event.item.x_grok.input_chunks", [{"text": {"text": "a"}}, {"text": {"text": "b"}}]),
        ("event.item.extra", 1),
    ],
)
async def test_wrong_turn_closes_the_socket(site: Site, path: str, value: object) -> None:
    async with site.socket() as socket:
        session_id = await socket.open()
        message = item_create(session_id, "Hello")
        change(path, value)(message)
        await socket.send(message, response_create(session_id))
        with pytest.raises(ConnectionClosed) as closed:
            await socket.drain()

    assert socket.seen[-1]["event"]["error"]["code"] == "invalid_request"
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008
    assert closed.value.rcvd.reason.startswith("[simulator]")
    assert len((await site.page("s1"))["violations"]) >= 1


SILENT = "[[sim: text=x; end=silence]]"
BAD_PING = {"event": {"type": "ping", "event_id": "evt_hb_1"}}
ADDRESSED_PING = {
    "session_id": "conv",
    "event": {"type": "ping", "event_id": "evt_hb_1767225600000"},
}


@pytest.mark.parametrize(
    "messages",
    [
        [response_create("conv")],
        [item_create("conv", SILENT)],
        [session_create(), session_create()],
        [session_create(), item_create("conv", SILENT)],
        [{"event": {"type": "session.update", "event_id": "x"}}],
        [BAD_PING],
        [ADDRESSED_PING],
        [["no", "object"]],
    ],
)
async def test_wrong_start_closes_the_socket(site: Site, messages: list[Json]) -> None:
    await expect_violation(site, messages)


@pytest.mark.parametrize(
    "order", ["item item", "response", "item response item", "item response response"]
)
async def test_wrong_order_closes_the_socket(site: Site, order: str) -> None:
    async with site.socket() as socket:
        session_id = await socket.open()
        known = {"item": item_create(session_id, SILENT), "response": response_create(session_id)}
        await socket.send(*(known[word] for word in order.split()))
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(socket.drain(), 5)

    page = await site.page("s1")
    assert len(page["violations"]) == 1
    assert (page["errors"], page["open"]) == (1, 0)


async def test_session_create_after_the_turn_closes_the_socket(site: Site) -> None:
    async with site.socket() as socket:
        await socket.ask(await socket.open(), SILENT)
        await socket.send(session_create())
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(socket.drain(), 5)

    assert len((await site.page("s1"))["violations"]) == 1


@pytest.mark.parametrize("message", ["hello", "", b"{}"])
async def test_message_that_is_no_json_text_closes_the_socket(
    site: Site, message: str | bytes
) -> None:
    async with site.socket() as socket:
        await socket.connection.send(message)
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(socket.drain(), 5)

    assert len((await site.page("s1"))["violations"]) == 1


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("event.session.x_grok.conversation_id", "other"),
        ("event.session.x_grok.is_temporary", True),
        ("event.session.x_grok.needs_history", True),
        ("event.session.x_grok.load_existing", ...),
    ],
)
async def test_wrong_continuation_closes_the_socket(site: Site, path: str, value: object) -> None:
    message = session_create(conversation="conv")
    change(path, value)(message)

    await expect_violation(site, [message])


async def test_continuation_needs_its_parent(site: Site) -> None:
    async with site.socket() as socket:
        conversation = await socket.open()
        await socket.ask(conversation, "One")
        await socket.events()

    async with site.socket() as socket:
        await socket.open(conversation=conversation)
        await socket.ask(conversation, "Two")
        with pytest.raises(ConnectionClosed):
            await socket.drain()

    assert "parent_response_id" in (await site.page("s1"))["violations"][0]


async def test_ledger_shows_no_cookies(site: Site) -> None:
    headers = copy.deepcopy(post_headers("secret-session-token"))

    await site.http.post(CHAT, json=chat_body("Hello"), headers=headers)

    text = (await site.http.get("/_sim/ledger")).text
    assert AGENT in text
    assert "secret-session-token" not in text


async def expect_violation(site: Site, messages: list[Json]) -> None:
    async with site.socket() as socket:
        await socket.send(*messages)
        with pytest.raises(ConnectionClosed) as closed:
            await socket.drain()

    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008
    assert len((await site.page("s1"))["violations"]) >= 1
