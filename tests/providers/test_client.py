"""The client of grok.com: protocols, identity, refusals, heartbeat, and leaving early."""

import asyncio

import msgspec
import pytest

from grok2api.domain.account import Mode, ProviderKind
from grok2api.domain.chat import (
    ChatEvent,
    ChatRequest,
    ConversationOpened,
    Finished,
    ParentKnown,
    TextDelta,
)
from grok2api.domain.model import Route
from grok2api.domain.upstream import UpstreamStatus
from grok2api.errors import (
    AccountForbiddenError,
    AntiBotError,
    CredentialRejectedError,
    EgressBlockedError,
    InvalidRequestError,
    StoreUnavailableError,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamRateLimitError,
    UpstreamTimeoutError,
    UpstreamUnavailableError,
)
from grok2api.providers.base import ImportEntry
from grok2api.providers.grok_web import gateway, http_stream
from grok2api.providers.grok_web.client import GrokWebChat
from grok2api.providers.grok_web.codec.http_decoder import HttpDecoder
from grok2api.providers.grok_web.deadline import Deadline
from grok2api.providers.registry import build_providers
from grok2api.providers.session import UpstreamSession
from tests.providers.conftest import (
    DONE,
    REQUEST,
    ROUTE,
    TOKEN,
    USER_ID,
    Desk,
    PlayedClock,
    PlayedSocket,
    PlayedStream,
    text_chunk,
    to_socket_event,
)

NEW_CHAT = "/rest/app-chat/conversations/new"
WHO = "/api/auth/session"
WAIT_S = 5.0


def token(text: str, **members: object) -> bytes:
    response = {"token": text, "isThinking": False, "messageTag": "final", **members}
    return msgspec.json.encode({"result": {"response": response}}) + b"\n"


def who(answer: object) -> PlayedStream:
    return PlayedStream([msgspec.json.encode(answer)])


def told(desk: Desk) -> list[str]:
    assert isinstance(desk.site.socket, PlayedSocket)
    return [str(message["event"]["type"]) for message in desk.site.socket.sent]


async def test_what_arrives_together_is_one_batch(desk: Desk) -> None:
    desk.site.socket = PlayedSocket([text_chunk("a"), text_chunk("b")], [text_chunk("c"), DONE])

    batches = await desk.ask()

    assert batches == [
        [ConversationOpened("c-1")],
        [TextDelta("a"), TextDelta("b")],
        [TextDelta("c"), ParentKnown("r-1"), Finished()],
    ]


async def test_gateway_is_asked_in_the_order_of_the_protocol(desk: Desk) -> None:
    desk.set(cf_cookies="cf_clearance=op; x-userid=no", proxy_url="http://p:1", temporary=False)
    desk.site.socket = socket = PlayedSocket([text_chunk("a"), DONE])

    await desk.ask()

    assert told(desk) == ["session.create", "conversation.item.create", "response.create"]
    assert "session_id" not in socket.sent[0]
    assert [message["session_id"] for message in socket.sent[1:]] == ["c-1", "c-1"]
    handshake = desk.site.requests[0]
    assert handshake.url == f"wss://grok.com/ws/mgw/?uid={USER_ID}"
    assert dict(handshake.headers)["Cookie"] == (
        f"sso={TOKEN}; sso-rw={TOKEN}; cf_clearance=op; x-userid={USER_ID}"
    )
    assert (desk.site.exits[0].proxy_url, desk.site.exits[0].profile) == ("http://p:1", "chrome146")


async def test_own_clearance_of_an_account_goes_before_the_operators(desk: Desk) -> None:
    desk.set(cf_cookies="cf_clearance=op", chat_transport="http")
    desk.cookies = "cf_clearance=own"
    desk.site.answers[NEW_CHAT] = PlayedStream([token("a")])

    await desk.ask()

    assert "cf_clearance=own" in dict(desk.site.requests[0].headers)["Cookie"]
    assert "cf_clearance=op" not in dict(desk.site.requests[0].headers)["Cookie"]


async def test_own_instruction_of_the_operator_heads_the_prompt(desk: Desk) -> None:
    desk.set(custom_instruction="Be kind.")
    desk.site.socket = socket = PlayedSocket([text_chunk("a"), DONE])

    await desk.ask()

    sent = msgspec.json.encode(socket.sent[1]).decode()
    assert r'{"text":"[system]\nBe kind.\n\n[user]\nHi"}' in sent


async def test_http_stream_is_read_in_batches(desk: Desk) -> None:
    desk.set(chat_transport="http")
    first = token("a") + token("b")[:20]
    desk.site.answers[NEW_CHAT] = stream = PlayedStream([first, token("b")[20:] + token("c"), b""])

    batches = await desk.ask()

    assert batches == [[TextDelta("a")], [TextDelta("b"), TextDelta("c")], [Finished()]]
    assert stream.is_closed
    headers = dict(desk.site.requests[0].headers)
    assert headers["x-statsig-id"]
    assert headers["x-xai-request-id"]


async def test_mode_that_the_gateway_does_not_know_goes_over_http(desk: Desk) -> None:
    desk.set(chat_transport="websocket")
    desk.site.answers[NEW_CHAT] = PlayedStream([token("a"), b""])
    route = Route(
        "grok-4.3-beta",
        msgspec.structs.replace(ROUTE.model, name="grok-4.3-beta", mode=Mode.GROK_4_3),
        (Mode.GROK_4_3,),
    )

    async with desk.chat().stream_chat(REQUEST, route, desk.session()) as events:
        batches = [batch async for batch in events]

    assert batches == [[TextDelta("a")], [Finished()]]
    body = msgspec.json.decode(desk.site.requests[0].body)
    assert body["modeId"] == "grok-420-computer-use-sa"


@pytest.mark.parametrize(
    ("mode", "is_sent"), [("none", False), ("manual", False), ("fallback", True)]
)
async def test_statsig_is_sent_as_the_operator_chose(
    desk: Desk, mode: str, *, is_sent: bool
) -> None:
    desk.set(chat_transport="http", statsig_mode=mode, statsig_value="c2hvcnQ=")
    desk.site.answers[NEW_CHAT] = PlayedStream([token("a")])

    await desk.ask()

    assert ("x-statsig-id" in dict(desk.site.requests[0].headers)) is is_sent


async def test_missing_user_id_is_asked_for_and_remembered(desk: Desk) -> None:
    desk.user_id = ""
    desk.site.answers[WHO] = who({"user": {"id": USER_ID.upper()}})
    desk.site.socket = PlayedSocket([text_chunk("a"), DONE])

    await desk.ask()

    assert desk.remembered == [USER_ID]
    assert [request.url for request in desk.site.requests] == [
        f"https://grok.com{WHO}",
        f"wss://grok.com/ws/mgw/?uid={USER_ID}",
    ]
    assert desk.site.exits[0] == desk.site.exits[1]


async def test_known_user_id_is_not_asked_for(desk: Desk) -> None:
    desk.site.socket = PlayedSocket([text_chunk("a"), DONE])

    await desk.ask()

    assert desk.remembered == []
    assert len(desk.site.requests) == 1


async def test_store_that_cannot_remember_does_not_stop_the_turn(desk: Desk) -> None:
    async def fail(user_id: str) -> None:
        raise StoreUnavailableError("gone")

    desk.site.answers[WHO] = who({"user": {"id": USER_ID}})
    desk.site.socket = PlayedSocket([text_chunk("a"), DONE])
    session = UpstreamSession(desk.session().credentials, "", fail)

    async with desk.chat().stream_chat(REQUEST, ROUTE, session) as events:
        batches = [batch async for batch in events]

    assert batches[-1][-1] == Finished()


@pytest.mark.parametrize(
    "answer",
    [
        who({"user": {"id": "not-a-uuid"}}),
        PlayedStream([b""], status=404),
        PlayedStream([b""], status=503),
        UpstreamTimeoutError("slow"),
    ],
    ids=["no uuid", "404", "503", "timeout"],
)
async def test_auto_goes_over_http_where_no_user_id_can_be_had(
    desk: Desk, answer: PlayedStream | Exception
) -> None:
    desk.user_id = "legacy-id"
    desk.site.answers[WHO] = answer
    desk.site.answers[NEW_CHAT] = PlayedStream([token("a")])

    batches = await desk.ask()

    assert batches == [[TextDelta("a")], [Finished()]]
    assert desk.remembered == []


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (401, b"", CredentialRejectedError),
        (403, b"<html>", EgressBlockedError),
        (429, b"", UpstreamRateLimitError),
        (200, b'{"status":"unauthenticated"}', CredentialRejectedError),
        (200, b'{"status":"blocked"}', AccountForbiddenError),
    ],
)
async def test_asking_who_we_are_can_show_what_is_at_fault(
    desk: Desk, status: int, body: bytes, expected: type[UpstreamError]
) -> None:
    desk.user_id = ""
    desk.site.answers[WHO] = PlayedStream([body], status=status)

    with pytest.raises(expected):
        await desk.ask()


async def test_websocket_alone_needs_the_user_id(desk: Desk) -> None:
    desk.set(chat_transport="websocket")
    desk.user_id = ""
    desk.site.answers[WHO] = who({})

    with pytest.raises(UpstreamProtocolError) as caught:
        await desk.ask()

    assert caught.value.code == "upstream_no_identity"


async def test_empty_prompt_is_refused_before_anything_is_sent(desk: Desk) -> None:
    with pytest.raises(InvalidRequestError):
        await desk.ask(ChatRequest(model="m", messages=()))

    assert desk.site.requests == []


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (401, b"", CredentialRejectedError),
        (403, b'{"code":7,"message":"User is blocked [WKE=unauthorized:blocked-user]"}',
         AccountForbiddenError),
        (403, b"", EgressBlockedError),
        (429, b"", UpstreamRateLimitError),
        (200, b"hello", UpstreamProtocolError),
    ],
)  # fmt: skip
async def test_refused_handshake_is_read_like_any_refusal(
    desk: Desk, status: int, body: bytes, expected: type[UpstreamError]
) -> None:
    desk.site.socket = UpstreamStatus(status, {"retry-after": "7"}, body)

    with pytest.raises(expected) as caught:
        await desk.ask()

    if isinstance(caught.value, UpstreamRateLimitError):
        assert caught.value.retry_after_s == 7.0


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (PlayedStream([b'{"error":{"code":7,"message":"anti-bot"}}'], status=403), AntiBotError),
        (PlayedStream([b'{"code":16,"message":"bad-credentials"}'], status=400),
         CredentialRejectedError),
        (PlayedStream([UpstreamUnavailableError("broke")], status=429), UpstreamRateLimitError),
        (PlayedStream([UpstreamUnavailableError("broke")], status=403), UpstreamUnavailableError),
        (PlayedStream([b"<html>Just a moment"], headers={"content-type": "text/html; x"}),
         EgressBlockedError),
        (PlayedStream([b"<html>Hi"], headers={"content-type": "Text/HTML"}), UpstreamProtocolError),
        (PlayedStream([b'{"error":{"code":8}}\n']), UpstreamRateLimitError),
        (PlayedStream([]), UpstreamProtocolError),
        (UpstreamTimeoutError("slow", code="upstream_header_timeout"), UpstreamTimeoutError),
    ],
)  # fmt: skip
async def test_refused_stream_says_why(
    desk: Desk, stream: PlayedStream | Exception, expected: type[UpstreamError]
) -> None:
    desk.set(chat_transport="http")
    desk.site.answers[NEW_CHAT] = stream

    with pytest.raises(expected) as caught:
        await desk.ask()

    assert type(caught.value) is expected


async def test_events_before_an_error_come_first(desk: Desk) -> None:
    failure = to_socket_event("error", error={"code": 8, "message": "Too many requests"})
    desk.site.socket = PlayedSocket([text_chunk("a"), failure, text_chunk("b")])
    batches: list[list[ChatEvent]] = []

    with pytest.raises(UpstreamRateLimitError):
        await desk.ask_into(batches)

    assert batches == [[ConversationOpened("c-1")], [TextDelta("a")]]


@pytest.mark.parametrize(
    ("steps", "code"),
    [
        ([[]], "upstream_stream_empty"),
        ([[text_chunk("a")], []], "upstream_stream_truncated"),
        ([UpstreamTimeoutError("x", code="upstream_stream_idle_timeout")],
         "upstream_stream_idle_timeout"),
    ],
)  # fmt: skip
async def test_socket_that_closes_early_is_an_error(
    desk: Desk, steps: list[list[bytes] | Exception | None], code: str
) -> None:
    desk.site.socket = socket = PlayedSocket(*steps)

    with pytest.raises(UpstreamError) as caught:
        await desk.ask()

    assert caught.value.code == code
    assert socket.is_closed


async def test_nothing_is_asked_before_both_confirmations(desk: Desk) -> None:
    foreign = to_socket_event("session.created", client_event_id="evt_init_of_somebody_else")
    attached = to_socket_event("conversation.attached", conversation={"id": "c-1"})
    desk.site.socket = PlayedSocket([foreign, attached], [], confirms=False)

    with pytest.raises(UpstreamUnavailableError):
        await desk.ask()

    assert told(desk) == ["session.create"]


async def test_wrong_conversation_is_a_protocol_error(desk: Desk) -> None:
    created = to_socket_event("session.created")
    attached = to_socket_event("conversation.attached", conversation={"id": "c-2"})
    desk.site.socket = PlayedSocket([created, attached], confirms=False)

    with pytest.raises(UpstreamProtocolError) as caught:
        await desk.ask()

    assert caught.value.code == "upstream_conversation_mismatch"


async def test_heartbeat_goes_on_while_the_upstream_is_silent(desk: Desk) -> None:
    desk.set(heartbeat_s=0.001)
    desk.site.socket = socket = PlayedSocket()

    async with desk.chat().stream_chat(REQUEST, ROUTE, desk.session()) as events:
        await anext(events)
        await asyncio.wait_for(socket.pinged.wait(), WAIT_S)
        count = len(asyncio.all_tasks())

    assert socket.is_closed
    assert len(asyncio.all_tasks()) == count - 1
    ping = next(message for message in socket.sent if message["event"]["type"] == "ping")
    assert ping == {"event": {"type": "ping", "event_id": "evt_hb_1767225600000"}}


async def test_leaving_before_the_end_closes_the_socket(desk: Desk) -> None:
    desk.site.socket = socket = PlayedSocket([text_chunk("a")])

    async with desk.chat().stream_chat(REQUEST, ROUTE, desk.session()) as events:
        await anext(events)

    assert socket.is_closed
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("confirms", [True, False])
async def test_cancelled_turn_ends_at_once_and_leaves_no_task(
    desk: Desk, *, confirms: bool
) -> None:
    desk.site.socket = socket = PlayedSocket(confirms=confirms)
    task = asyncio.get_running_loop().create_task(desk.ask())
    await asyncio.wait_for(socket.waits.wait(), WAIT_S)

    task.cancel()
    await asyncio.wait_for(asyncio.wait((task,)), WAIT_S)

    assert task.cancelled()
    assert socket.is_closed
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_context_can_be_left_in_another_task(desk: Desk) -> None:
    """A dispatcher that was cancelled closes the upstream in a task of its own."""
    desk.site.socket = socket = PlayedSocket([text_chunk("a")])
    context = desk.chat().stream_chat(REQUEST, ROUTE, desk.session())
    await context.__aenter__()

    async def leave() -> None:
        await context.__aexit__(None, None, None)

    await asyncio.wait_for(asyncio.get_running_loop().create_task(leave()), WAIT_S)

    assert socket.is_closed


async def test_late_frames_are_waited_for_only_briefly() -> None:
    stream = PlayedStream([token("a"), token("", isSoftStop=True), None])
    deadline = Deadline(PlayedClock(), 60.0)
    batches = http_stream.HttpBatches(stream, HttpDecoder(), deadline, grace_s=0.001)

    assert [batch async for batch in batches] == [[TextDelta("a")], [Finished()]]


async def test_connection_that_breaks_after_the_soft_stop_harms_nothing(desk: Desk) -> None:
    desk.set(chat_transport="http")
    broken = UpstreamUnavailableError("broke")
    desk.site.answers[NEW_CHAT] = PlayedStream([token("a", isSoftStop=True), broken])

    assert await desk.ask() == [[TextDelta("a")], [Finished()]]


@pytest.mark.parametrize("transport", ["http", "websocket"])
async def test_turn_has_a_total_deadline(desk: Desk, transport: str) -> None:
    desk.set(chat_transport=transport, total_timeout_s=60.0)
    desk.site.answers[NEW_CHAT] = PlayedStream([token("a"), token("b")])
    desk.site.socket = PlayedSocket([text_chunk("a")], [text_chunk("b")])

    async with desk.chat().stream_chat(REQUEST, ROUTE, desk.session()) as events:
        await anext(events)
        desk.clock.monotonic += 61.0
        with pytest.raises(UpstreamTimeoutError) as caught:
            await anext(events)

    assert caught.value.code == "upstream_total_timeout"


def test_options_show_no_secret(desk: Desk) -> None:
    desk.set(statsig_value="s3cret", cf_cookies="s3cret", proxy_url="http://u:s3cret@p")

    assert "s3cret" not in repr(desk.options)


async def test_heartbeat_that_cannot_be_sent_leaves_the_rest_to_the_reader(desk: Desk) -> None:
    class DeafSocket(PlayedSocket):
        async def send(self, message: bytes) -> None:
            if b'"ping"' in message:
                self.pinged.set()
                raise UpstreamUnavailableError("broke")
            await super().send(message)

    desk.set(heartbeat_s=0.001)
    desk.site.socket = socket = DeafSocket()

    async with desk.chat().stream_chat(REQUEST, ROUTE, desk.session()) as events:
        await anext(events)
        await asyncio.wait_for(socket.pinged.wait(), WAIT_S)

    assert socket.is_closed


async def test_socket_that_closes_during_the_handshake_is_an_error(desk: Desk) -> None:
    desk.site.socket = PlayedSocket([], confirms=False)

    with pytest.raises(UpstreamUnavailableError) as caught:
        await desk.ask()

    assert caught.value.code == "upstream_session_ended"


async def test_session_that_never_opens_runs_into_its_deadline(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway, "HANDSHAKE_TIMEOUT_S", 0.001)
    desk.site.socket = socket = PlayedSocket(confirms=False)

    with pytest.raises(UpstreamTimeoutError) as caught:
        await desk.ask()

    assert caught.value.code == "upstream_handshake_timeout"
    assert socket.is_closed


async def test_messages_that_come_with_the_confirmations_are_not_lost(desk: Desk) -> None:
    created = to_socket_event("session.created")
    attached = to_socket_event("conversation.attached", conversation={"id": "c-1"})
    desk.site.socket = PlayedSocket([created, attached, text_chunk("a")], [DONE], confirms=False)

    batches = await desk.ask()

    assert batches[0] == [ConversationOpened("c-1"), TextDelta("a")]


async def test_every_kind_of_upstream_is_built(desk: Desk) -> None:
    providers = build_providers(desk.site, desk.options, desk.clock)
    provider = providers[ProviderKind.GROK_WEB]
    found = provider.credentials.parse_import(TOKEN)

    assert list(providers) == list(ProviderKind)
    assert [type(entry) for entry in found] == [ImportEntry]
    assert isinstance(provider.chat, GrokWebChat)
