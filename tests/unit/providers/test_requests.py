"""What goes to the site: cookies, headers, payloads, messages; and who the site says we are."""

import base64

import msgspec
import pytest

from grok2api.errors import (
    AccountForbiddenError,
    CredentialRejectedError,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamRateLimitError,
    UpstreamUnavailableError,
)
from grok2api.providers.grok_web.codec.handshake import Handshake
from grok2api.providers.grok_web.codec.identity import (
    Browser,
    build_cookie,
    canonical_uuid,
    clean_header,
    clearance_cookies,
    client_hints,
    fallback_statsig,
    json_headers,
    manual_statsig,
    session_headers,
    socket_headers,
)
from grok2api.providers.grok_web.codec.requests import (
    TurnOptions,
    ask,
    gateway_handshake,
    heartbeat,
    http_turn,
    open_session,
    session_query,
)
from grok2api.providers.grok_web.codec.whoami import parse_user_id

USER_ID = "00000000-0000-4000-8000-000000000001"
CHROME = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Chrome/146.0.0.0 Safari/537.36"
BROWSER = Browser(CHROME, "en-US,en;q=0.9")


def names_of(headers: tuple[tuple[str, str], ...]) -> list[str]:
    return [name for name, _ in headers]


def test_session_stands_twice_then_clearance_then_the_user() -> None:
    cookie = build_cookie("TO KEN", "cf_clearance=x; __cf_bm=y", user_id=USER_ID)

    assert cookie == f"sso=TOKEN; sso-rw=TOKEN; cf_clearance=x; __cf_bm=y; x-userid={USER_ID}"


def test_cookie_cannot_be_split_by_its_token() -> None:
    assert build_cookie("sso=TOKEN; evil=1\r\nX: y", "") == "sso=TOKEN; sso-rw=TOKEN"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("CF_Clearance=a; cf_clearance=b", "cf_clearance=a"),
        ("cf_chl_rc_i=1; cf_ray=2; sso=3; x-userid=4", "cf_chl_rc_i=1"),
        ("cf_clearance=; __cf_bm=a b\tc", "__cf_bm=abc"),
        (f"cf_clearance={'x' * 5000}; _cfuvid=v", "_cfuvid=v"),
        ("cf_clearance=a,b", ""),
        ("nonsense", ""),
    ],
)
def test_only_clearance_cookies_pass(text: str, kept: str) -> None:
    assert clearance_cookies(text) == kept


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        (" a\u2013b\u2014c\u2212d ", "a-b-c-d"),
        ("\u201cx\u201d \u2018y\u2019", "\"x\" 'y'"),
        ("a\u00a0b\u202fc", "a b c"),
        ("a\u200b\ufeffb", "ab"),
        ("a\r\nX: y", "aX: y"),
        ("a🌊é", "aé"),
    ],
)
def test_header_values_are_made_plain(text: str, clean: str) -> None:
    assert clean_header(text) == clean


def test_json_call_has_the_headers_in_their_order() -> None:
    headers = json_headers(BROWSER, "sso=x", "id-1", "sig")

    assert headers == (
        ("Content-Type", "application/json"),
        ("Accept", "*/*"),
        ("Accept-Encoding", "gzip, deflate, br, zstd"),
        ("Accept-Language", "en-US,en;q=0.9"),
        ("User-Agent", CHROME),
        ("Cookie", "sso=x"),
        ("x-xai-request-id", "id-1"),
        ("Origin", "https://grok.com"),
        ("Referer", "https://grok.com/"),
        ("Cache-Control", "no-cache"),
        ("Pragma", "no-cache"),
        ("Priority", "u=1, i"),
        ("Sec-Fetch-Dest", "empty"),
        ("Sec-Fetch-Mode", "cors"),
        ("Sec-Fetch-Site", "same-origin"),
        ("x-statsig-id", "sig"),
    )
    assert "x-statsig-id" not in names_of(json_headers(BROWSER, "sso=x", "id-1", ""))


def test_session_call_has_hints_but_neither_origin_nor_ids() -> None:
    names = names_of(session_headers(BROWSER, "sso=x"))

    assert {"Sec-Ch-Ua", "Sec-Ch-Ua-Mobile", "Sec-Ch-Ua-Platform", "Referer", "Cookie"} <= set(
        names
    )
    assert not {"Origin", "x-xai-request-id", "x-statsig-id", "Content-Type"} & set(names)


def test_socket_has_no_ids_and_no_hints() -> None:
    assert names_of(socket_headers(BROWSER, "sso=x")) == [
        "Origin", "User-Agent", "Accept-Language", "Cache-Control", "Pragma", "Cookie",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("agent", "brand", "mobile", "platform"),
    [
        (CHROME, '"Google Chrome";v="146"', "?0", '"macOS"'),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/140.0.0.0 Safari/537.36 Edg/141.0",
         '"Microsoft Edge";v="141"', "?0", '"Windows"'),
        ("Mozilla/5.0 (Linux; Android 14) Chrome/140.0 Mobile Safari/537.36",
         '"Google Chrome";v="140"', "?1", '"Android"'),
    ],
)  # fmt: skip
def test_hints_name_the_same_browser(agent: str, brand: str, mobile: str, platform: str) -> None:
    hints = dict(client_hints(agent))

    assert hints["Sec-Ch-Ua"].startswith(brand)
    assert hints["Sec-Ch-Ua-Mobile"] == mobile
    assert hints["Sec-Ch-Ua-Platform"] == platform


@pytest.mark.parametrize("agent", ["Mozilla/5.0 (X11; Linux) Firefox/140.0", "", "curl/8"])
def test_other_browsers_give_no_hints(agent: str) -> None:
    assert client_hints(agent) == ()


@pytest.mark.parametrize(
    ("letters", "value"),
    [
        (
            "a1b2c",
            (
                "eDE6VHlwZUVycm9yOiBDYW5ub3QgcmVhZCBwcm9wZXJ0aWVzIG9mIG51bGwgKHJlYWRpbmcgJ2NoaWxkcmVu"
                "W1wnYTFiMmNcJ10nKQ=="
            ),
        ),
        (
            "abcdefghij",
            (
                "eDE6VHlwZUVycm9yOiBDYW5ub3QgcmVhZCBwcm9wZXJ0aWVzIG9mIHVuZGVmaW5lZCAocmVhZGluZyAnYWJj"
                "ZGVmZ2hpaicp"
            ),
        ),
    ],
)
def test_fallback_value_is_what_the_page_sends(letters: str, value: str) -> None:
    assert fallback_statsig(letters) == value


def test_manual_value_is_sent_only_if_it_has_seventy_bytes() -> None:
    good = base64.b64encode(bytes(range(70))).decode()

    assert manual_statsig(f" {good} ") == good
    assert manual_statsig(good.rstrip("=")) == good.rstrip("=")
    assert manual_statsig(base64.b64encode(bytes(69)).decode()) == ""
    assert manual_statsig("not base64!") == ""
    assert manual_statsig("") == ""


def test_turn_over_http_has_the_payload_of_the_page() -> None:
    request = http_turn("http://sim:1", (), "[user]\nHi", "fast", TurnOptions())

    assert (request.method, request.url) == (
        "POST",
        "http://sim:1/rest/app-chat/conversations/new",
    )
    assert msgspec.json.decode(request.body) == {
        "collectionIds": [],
        "disabledConnectorIds": [],
        "deviceEnvInfo": {
            "darkModeEnabled": False,
            "devicePixelRatio": 2,
            "screenHeight": 1328,
            "screenWidth": 2056,
            "viewportHeight": 1083,
            "viewportWidth": 2056,
        },
        "disableMemory": True,
        "disableSearch": False,
        "disableSelfHarmShortCircuit": False,
        "disableTextFollowUps": False,
        "enableImageGeneration": True,
        "enableImageStreaming": True,
        "enableSideBySide": True,
        "fileAttachments": [],
        "forceConcise": False,
        "forceSideBySide": False,
        "imageAttachments": [],
        "imageGenerationCount": 2,
        "isAsyncChat": False,
        "message": "[user]\nHi",
        "modeId": "fast",
        "responseMetadata": {},
        "returnImageBytes": False,
        "returnRawGrokInXaiRequest": False,
        "sendFinalMetadata": True,
        "temporary": True,
    }


def test_options_of_the_operator_go_into_the_payload() -> None:
    options = TurnOptions(is_temporary=False, has_memory=True, instruction=" Be kind. ")

    body = msgspec.json.decode(http_turn("https://g", (), "x", "auto", options).body)

    assert (body["temporary"], body["disableMemory"]) == (False, False)
    assert body["customPersonality"] == "Be kind."


def test_session_is_opened_as_the_page_does() -> None:
    message = msgspec.json.decode(open_session("expert", TurnOptions(), "evt_init_1"))

    assert message == {
        "event": {
            "type": "session.create",
            "event_id": "evt_init_1",
            "session": {
                "model": "expert",
                "x_grok": {
                    "protocol_capabilities": ["conversation_attached", "custom_methods_v1"],
                    "use_chunk": True,
                    "enable_side_by_side": True,
                    "force_side_by_side": False,
                    "enable_image_generation": True,
                    "image_generation_count": 2,
                    "disable_text_follow_ups": False,
                    "disable_artifact": True,
                    "force_concise": False,
                    "keep_context": False,
                    "is_temporary": True,
                    "disable_memory": True,
                },
            },
        }
    }


def test_turn_is_an_item_and_the_wish_for_an_answer() -> None:
    created, wanted = ask("Hi", conversation_id="c-1", message_id="m-1", at_ms=17)

    assert msgspec.json.decode(created) == {
        "session_id": "c-1",
        "event": {
            "type": "conversation.item.create",
            "event_id": "evt_msg_17",
            "item": {
                "type": "message",
                "role": "user",
                "x_grok": {"client_message_id": "m-1", "input_chunks": [{"text": {"text": "Hi"}}]},
            },
        },
    }
    assert msgspec.json.decode(wanted) == {
        "session_id": "c-1",
        "event": {"type": "response.create", "event_id": "evt_resp_17"},
    }
    assert heartbeat(17) == b'{"event":{"type":"ping","event_id":"evt_hb_17"}}'


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("https://grok.com", f"wss://grok.com/ws/mgw/?uid={USER_ID}"),
        ("http://127.0.0.1:9", f"ws://127.0.0.1:9/ws/mgw/?uid={USER_ID}"),
    ],
)
def test_gateway_lies_beside_the_site(base: str, url: str) -> None:
    assert gateway_handshake(base, (), USER_ID).url == url
    assert session_query(base, ()).url == f"{base}/api/auth/session"


@pytest.mark.parametrize(
    ("text", "found"),
    [(f" {USER_ID.upper()} ", USER_ID), ("u-1", ""), ("", ""), (USER_ID + "0", "")],
)
def test_only_a_uuid_is_a_user_id(text: str, found: str) -> None:
    assert canonical_uuid(text) == found


@pytest.mark.parametrize(
    "answer",
    [
        {"status": "authenticated", "session": {"userId": USER_ID, "email": "x"}},
        {"user": {"id": USER_ID.upper()}},
        {"user": {"userId": USER_ID}},
        {"user": {"sub": USER_ID}},
        {"id": USER_ID},
        {"userId": USER_ID},
        {"sub": USER_ID},
        {"session": None, "user": [], "sub": USER_ID},
    ],
)
def test_user_id_is_found_wherever_the_site_puts_it(answer: object) -> None:
    assert parse_user_id(msgspec.json.encode(answer)) == USER_ID


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"status": "Unauthenticated", "user": {"id": USER_ID}}, CredentialRejectedError),
        ({"status": "blocked", "user": {"id": USER_ID}}, AccountForbiddenError),
        ({"user": {"id": "42"}}, UpstreamProtocolError),
        ({}, UpstreamProtocolError),
        ([], UpstreamProtocolError),
    ],
)
def test_session_that_is_not_valid_is_told(answer: object, expected: type[UpstreamError]) -> None:
    with pytest.raises(expected):
        parse_user_id(msgspec.json.encode(answer))


def created(client_event_id: str = "evt", session_id: object = "c-1") -> bytes:
    event = {"type": "session.created", "client_event_id": client_event_id}
    return msgspec.json.encode({"session_id": session_id, "event": event})


def attached(conversation_id: object = "c-1") -> bytes:
    event = {"type": "conversation.attached", "conversation": {"id": conversation_id}}
    return msgspec.json.encode({"session_id": "c-1", "event": event})


def shake(*messages: bytes) -> Handshake:
    handshake = Handshake("evt")
    for message in messages:
        handshake.feed(message)
    return handshake


@pytest.mark.parametrize(
    "messages",
    [
        [created(), attached()],
        [attached(), created()],
        [created(""), attached()],
        [created("foreign", "c-9"), created(), b"oops", b'{"event":{"type":"new"}}', attached()],
        [created(session_id=None), attached()],
    ],
)
def test_session_is_open_once_both_confirmations_came(messages: list[bytes]) -> None:
    assert not shake(*messages[:-1]).is_ready
    assert shake(*messages).is_ready
    assert shake(*messages).conversation_id == "c-1"


@pytest.mark.parametrize(
    ("messages", "expected", "code"),
    [
        ([created(), attached("c-2")], UpstreamProtocolError, "upstream_conversation_mismatch"),
        ([created(), attached("")], UpstreamProtocolError, "upstream_conversation_mismatch"),
        ([attached(), created(session_id="c-3")], UpstreamProtocolError,
         "upstream_conversation_mismatch"),
        ([created(), b'{"event":{"type":"session.ended"}}'], UpstreamUnavailableError,
         "upstream_session_ended"),
        ([b'{"event":{"type":"error","error":{"code":8}}}'], UpstreamRateLimitError,
         "rate_limit_exceeded"),
    ],
)  # fmt: skip
def test_session_that_does_not_open_is_an_error(
    messages: list[bytes], expected: type[UpstreamError], code: str
) -> None:
    handshake = shake(*messages)

    assert type(handshake.error) is expected
    assert handshake.error.code == code
    assert not handshake.is_ready
