"""Pictures from grok.com: deadlines, refusals, and what is fetched with whose session."""

import asyncio
import base64
from typing import Any

import msgspec
import pytest

from grok2api.domain.images import (
    ImageEvent,
    ImageMade,
    ImagePreview,
    ImageRequest,
    ImagesDone,
    ImageStep,
    ImageWay,
    ImageWithheld,
)
from grok2api.domain.upstream import UpstreamStatus
from grok2api.errors import (
    ContentRejectedError,
    CredentialRejectedError,
    EgressBlockedError,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamRateLimitError,
    UpstreamTimeoutError,
    UpstreamUnavailableError,
)
from grok2api.providers.grok_web import assets as assets_module
from grok2api.providers.grok_web.assets import GrokWebAssets
from grok2api.providers.grok_web.images import GrokWebImages
from grok2api.providers.session import UploadedFile
from grok2api.upstream.transport import Timeouts
from tests.providers.conftest import (
    DONE as CHAT_DONE,
    TOKEN,
    Desk,
    PlayedSocket,
    PlayedStream,
    text_chunk,
    to_socket_event,
)

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
PUBLIC = "https://imagine-public.x.ai/imagine-public/images/a.jpg"
ASSETS = "https://assets.grok.com"
TURN = "/rest/app-chat/conversations/new"
SPEED = ImageRequest(model="m", way=ImageWay.SPEED, prompt="a lighthouse")
EDIT = ImageRequest(model="m", way=ImageWay.EDIT, prompt="make @IMAGE1 green")
LITE = ImageRequest(model="m", way=ImageWay.LITE, prompt="a lighthouse")
FILE = UploadedFile("f-1", f"{ASSETS}/users/u/f-1/content")
START = {"type": "json", "current_status": "start_stage", "image_id": "a", "order": 0}
COMPLETED = {**START, "current_status": "completed", "moderated": False}
FINAL = {"type": "image", "id": "a", "blob": base64.b64encode(PNG).decode(), "url": PUBLIC}


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assets_module, "PAUSES_S", (0.0, 0.0))


def say(*messages: dict[str, Any]) -> list[bytes]:
    return [msgspec.json.encode(message) for message in messages]


def picture(content: bytes = PNG, kind: str = "image/png") -> PlayedStream:
    return PlayedStream([content], headers={"content-type": kind})


def refusal(status: int, body: bytes = b"") -> PlayedStream:
    return PlayedStream([body], status=status)


def lines(*responses: dict[str, Any]) -> PlayedStream:
    frames = [msgspec.json.encode({"result": {"response": said}}) + b"\n" for said in responses]
    return PlayedStream([*frames])


def streamed(percent: int, name: str = "e-1", index: int = 0, **changes: Any) -> dict[str, Any]:
    said = {
        "imageUrl": f"users/u-1/generated/{name}/image.jpg",
        "progress": percent,
        "imageIndex": index,
        **changes,
    }
    return {"streamingImageGenerationResponse": said}


def generated(name: str = "e-1") -> str:
    return f"{ASSETS}/users/u-1/generated/{name}/image.jpg"


async def make_into(desk: Desk, request: ImageRequest, out: list[ImageEvent]) -> None:
    assets = GrokWebAssets(desk.site, desk.options, desk.clock)
    images = GrokWebImages(desk.site, desk.options, desk.clock, assets)
    files = (FILE,) if request.way is ImageWay.EDIT else ()
    session = msgspec.structs.replace(desk.session(), attachments=files)
    async with images.make_images(request, session) as batches:
        async for batch in batches:
            out += batch


async def make(desk: Desk, request: ImageRequest) -> list[ImageEvent]:
    out: list[ImageEvent] = []
    await make_into(desk, request, out)
    return out


async def fail(desk: Desk, request: ImageRequest) -> UpstreamError:
    with pytest.raises(UpstreamError) as caught:
        await make(desk, request)
    return caught.value


async def test_socket_is_reset_before_it_is_asked(desk: Desk) -> None:
    socket = PlayedSocket(say(START, FINAL), say(COMPLETED))
    desk.site.socket = socket

    events = await make(desk, SPEED)

    assert events == [ImageStep(0, 0), ImageMade(0, PNG, PUBLIC), ImagesDone()]
    assert [said["item"]["content"][0]["type"] for said in socket.sent] == ["reset", "input_text"]
    assert socket.is_closed
    assert desk.site.requests[0].url == "wss://grok.com/ws/imagine/listen"


async def test_large_messages_are_read_too(desk: Desk) -> None:
    content = PNG + bytes(300_000)
    final = {**FINAL, "blob": base64.b64encode(content).decode()}
    desk.site.socket = PlayedSocket(say(START, final, COMPLETED))

    assert ImageMade(0, content, PUBLIC) in await make(desk, SPEED)


async def test_public_host_sees_no_cookies(desk: Desk) -> None:
    desk.site.socket = PlayedSocket(say({**FINAL, "blob": ""}, COMPLETED))
    desk.site.answers[PUBLIC] = picture()

    events = await make(desk, SPEED)

    assert events == [ImageMade(0, PNG, PUBLIC), ImagesDone()]
    asked = dict(desk.site.requests[1].headers)
    assert "Cookie" not in asked
    assert TOKEN not in str(desk.site.requests[1])
    assert not asked.keys() & {"Content-Type", "Origin", "Referer"}


async def test_picture_that_cannot_be_fetched_lies_with_this_account(desk: Desk) -> None:
    desk.site.socket = PlayedSocket(say(START, {**FINAL, "blob": ""}, COMPLETED))
    desk.site.answers[PUBLIC] = refusal(401)
    out: list[ImageEvent] = []

    with pytest.raises(UpstreamUnavailableError) as caught:
        await make_into(desk, SPEED, out)

    assert (caught.value.code, caught.value.is_final) == ("asset_unavailable", True)
    assert out == [ImageStep(0, 0)]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (UpstreamStatus(401, {}, b""), CredentialRejectedError),
        (UpstreamStatus(403, {}, b""), EgressBlockedError),
        (UpstreamStatus(403, {}, b'{"error":{"code":"content-moderated"}}'), ContentRejectedError),
        (UpstreamStatus(429, {}, b""), UpstreamRateLimitError),
        (UpstreamStatus(502, {}, b""), UpstreamUnavailableError),
    ],
)
async def test_refused_handshake_has_its_meaning(
    desk: Desk, answer: UpstreamStatus, expected: type[UpstreamError]
) -> None:
    desk.site.socket = answer

    assert type(await fail(desk, SPEED)) is expected


async def test_connection_that_fails_has_sent_nothing(desk: Desk) -> None:
    desk.site.socket = UpstreamUnavailableError("no", code="upstream_network_error")

    assert not (await fail(desk, SPEED)).was_sent


async def test_site_that_says_nothing_is_given_up(desk: Desk) -> None:
    desk.site.socket = PlayedSocket(None)
    desk.set(image_timeouts=Timeouts(5.0, 0.02, 5.0))

    error = await fail(desk, SPEED)

    assert isinstance(error, UpstreamTimeoutError)
    assert error.code == "upstream_stream_idle_timeout"


async def test_pictures_have_one_deadline_for_all(desk: Desk) -> None:
    desk.site.socket = PlayedSocket(say(START), None)
    desk.set(image_timeout_s=0.02)

    error = await fail(desk, SPEED)

    assert isinstance(error, UpstreamTimeoutError)
    assert error.code == "upstream_total_timeout"


async def test_half_made_picture_without_a_state_is_blocked_at_last(desk: Desk) -> None:
    medium = {**FINAL, "blob": "A" * 40_000, "url": PUBLIC.replace("jpg", "png")}
    desk.site.socket = PlayedSocket(say(medium), None)
    desk.set(image_final_timeout_s=0.02)

    error = await fail(desk, SPEED)

    assert (error.code, error.is_final) == ("image_blocked", False)


async def test_final_picture_without_a_state_is_taken_at_last(desk: Desk) -> None:
    desk.site.socket = PlayedSocket(say(FINAL), None)
    desk.set(image_final_timeout_s=0.02)

    assert await make(desk, SPEED) == [ImageMade(0, PNG, PUBLIC), ImagesDone()]


async def test_connection_that_breaks_after_a_picture_is_not_tried_elsewhere(desk: Desk) -> None:
    broken = UpstreamUnavailableError("broken", code="upstream_stream_truncated")
    desk.site.socket = PlayedSocket(say(FINAL, COMPLETED), broken)
    request = msgspec.structs.replace(SPEED, n=2)

    assert (await fail(desk, request)).is_final


async def test_client_that_leaves_closes_the_socket(desk: Desk) -> None:
    socket = PlayedSocket(say(START), None)
    desk.site.socket = socket
    task = asyncio.get_running_loop().create_task(make(desk, SPEED))
    await socket.waits.wait()

    task.cancel()
    await asyncio.wait([task])

    assert socket.is_closed


async def test_edit_is_one_signed_call_from_the_page(desk: Desk) -> None:
    desk.site.answers |= {TURN: lines(streamed(50), streamed(100)), generated(): picture()}

    events = await make(desk, EDIT)

    assert events == [ImageStep(0, 50), ImageMade(0, PNG, generated()), ImagesDone()]
    asked, fetched = desk.site.requests
    headers = dict(asked.headers)
    assert headers["Referer"] == "https://grok.com/imagine"
    assert headers["x-statsig-id"]
    assert msgspec.json.decode(asked.body)["message"] == "make image 1 green"
    assert f"sso={TOKEN}" in dict(fetched.headers)["Cookie"]


async def test_pictures_so_far_are_shown_if_they_can_be_had(desk: Desk) -> None:
    desk.site.answers |= {
        TURN: lines(streamed(20, "p-1"), streamed(40, "p-2"), streamed(60, "p-3"), streamed(100)),
        generated("p-1"): picture(b"\x89one"),
        generated("p-2"): refusal(404),
        generated("p-3"): picture(b"\x89three"),
        generated(): picture(),
    }

    events = await make(desk, msgspec.structs.replace(EDIT, previews=3))

    assert [event for event in events if isinstance(event, ImagePreview)] == [
        ImagePreview(0, 20, b"\x89one"),
        ImagePreview(0, 60, b"\x89three"),
    ]


async def test_two_edits_are_two_calls_with_different_results(desk: Desk) -> None:
    first, second = lines(streamed(100)), lines(streamed(30, "e-2"), streamed(100, "e-2"))
    desk.site.answers |= {generated(): picture(), generated("e-2"): picture(b"\x89two")}
    desk.site.answers[TURN] = Twice(first, second)

    events = await make(desk, msgspec.structs.replace(EDIT, n=2))

    assert events == [
        ImageMade(0, PNG, generated()),
        ImageStep(1, 30),
        ImageMade(1, b"\x89two", generated("e-2")),
        ImagesDone(),
    ]


async def test_same_edit_twice_is_too_few(desk: Desk) -> None:
    desk.site.answers[TURN] = Twice(lines(streamed(100)), lines(streamed(100)))
    desk.site.answers[generated()] = picture()

    error = await fail(desk, msgspec.structs.replace(EDIT, n=2))

    assert (error.code, error.is_final) == ("image_generation_incomplete", True)


@pytest.mark.parametrize(("n", "is_final"), [(1, False), (2, True)])
async def test_error_after_an_edit_is_not_tried_elsewhere(
    desk: Desk, n: int, *, is_final: bool
) -> None:
    failing = lines({"error": {"code": 8, "message": "Too many requests"}})
    desk.site.answers[TURN] = Twice(lines(streamed(100)), failing) if n == 2 else failing
    desk.site.answers[generated()] = picture()

    error = await fail(desk, msgspec.structs.replace(EDIT, n=n))

    assert (type(error), error.is_final) == (UpstreamRateLimitError, is_final)


async def test_edit_without_a_picture_is_final(desk: Desk) -> None:
    desk.site.answers[TURN] = lines(streamed(50))

    error = await fail(desk, EDIT)

    assert (error.code, error.is_final) == ("image_edit_incomplete", True)


async def test_picture_of_somebody_else_is_no_edit(desk: Desk) -> None:
    desk.site.answers[TURN] = lines({"token": "![image](https://evil.example/a.png)"})

    assert (await fail(desk, EDIT)).code == "image_edit_incomplete"


async def test_edit_that_is_withheld_is_the_content_rules_answer(desk: Desk) -> None:
    desk.site.answers[TURN] = lines(streamed(100, moderated=True))
    out: list[ImageEvent] = []

    with pytest.raises(ContentRejectedError):
        await make_into(desk, EDIT, out)

    assert out == [ImageWithheld(0)]


async def test_older_edit_makes_a_post_first(desk: Desk) -> None:
    desk.set(edit_form="older")
    content = f"{ASSETS}/users/{desk.user_id}/a-1/content"
    post = b'{"post":{"id":"post-1","originalPrompt":"greener"}}'
    desk.site.answers |= {
        "/rest/media/post/create": PlayedStream([post]),
        TURN: lines(streamed(100, assetId="a-1"), streamed(100, "e-2", 1)),
        content: picture(),
        generated("e-2"): picture(b"\x89two"),
    }

    events = await make(desk, msgspec.structs.replace(EDIT, n=2))

    assert [e.url for e in events if isinstance(e, ImageMade)] == [content, generated("e-2")]
    made, asked, *_ = desk.site.requests
    assert msgspec.json.decode(made.body)["prompt"] == "make @f-1 green"
    assert dict(asked.headers)["Referer"] == "https://grok.com/imagine/post/post-1"
    assert msgspec.json.decode(asked.body)["message"] == "greener"


async def test_post_that_is_refused_costs_nothing(desk: Desk) -> None:
    desk.set(edit_form="older")
    desk.site.answers["/rest/media/post/create"] = refusal(500)

    assert not (await fail(desk, EDIT)).was_sent


def chat_image(percent: int, **changes: Any) -> bytes:
    chunk = {
        "imageUuid": "e-1",
        "imageUrl": "users/u-1/generated/e-1/image.jpg",
        "progress": percent,
        **changes,
    }
    card = {"id": "c", "type": "render_generated_image", "image_chunk": chunk}
    output = {"card_attachment": {"jsonData": msgspec.json.encode(card).decode()}}
    return to_socket_event("response.grok.output", output=output)


async def test_chat_draws_and_is_left_as_soon_as_it_has(desk: Desk) -> None:
    socket = PlayedSocket([chat_image(40)], [chat_image(100)], None)
    desk.site.socket = socket
    desk.site.answers[generated()] = picture()
    desk.set(custom_instruction="Speak like a pirate.")

    events = await make(desk, LITE)

    assert events == [ImageStep(0, 40), ImageMade(0, PNG, generated()), ImagesDone()]
    assert socket.is_closed
    (item,) = [said["event"]["item"] for said in socket.sent if "item" in said["event"]]
    assert item["x_grok"]["input_chunks"] == [{"text": {"text": "Drawing: a lighthouse"}}]


async def test_picture_may_stand_in_the_text_of_the_chat(desk: Desk) -> None:
    said = text_chunk(f"Like ![a](https://example.org/a.png): ![image]({generated()})")
    desk.site.socket = PlayedSocket([said, CHAT_DONE])
    desk.site.answers[generated()] = picture()

    assert await make(desk, LITE) == [ImageMade(0, PNG, generated()), ImagesDone()]


@pytest.mark.parametrize(
    ("messages", "expected", "code"),
    [
        ([text_chunk("No."), CHAT_DONE], UpstreamProtocolError, "image_generation_incomplete"),
        (
            [text_chunk("No."), chat_image(100, moderated=True), CHAT_DONE],
            ContentRejectedError,
            "content_policy_violation",
        ),
    ],
)
async def test_chat_that_draws_nothing_says_why(
    desk: Desk, messages: list[bytes], expected: type[UpstreamError], code: str
) -> None:
    desk.site.socket = PlayedSocket(messages)

    error = await fail(desk, LITE)

    assert (type(error), error.code) == (expected, code)


class Twice(PlayedStream):
    """Two answers, one after the other, at the same address."""

    def __init__(self, *streams: PlayedStream) -> None:
        super().__init__([step for one in streams for step in (*one.steps, b"")])
