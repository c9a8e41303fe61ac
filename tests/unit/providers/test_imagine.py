"""Pictures over the Imagine socket as messages: any order, any style, what is withheld or fails."""

import base64
from typing import Any

import msgspec
import pytest
from hypothesis import given, strategies as st

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
from grok2api.error_kinds import LimitExtent
from grok2api.errors import (
    AntiBotError,
    ContentRejectedError,
    CredentialRejectedError,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamRateLimitError,
    UpstreamUnavailableError,
)
from grok2api.providers.grok_web.codec.imagine import ImagineDecoder, ImagineLimits
from grok2api.providers.grok_web.codec.imagine_requests import (
    imagine_handshake,
    request_message,
    reset_message,
)

LIMITS = ImagineLimits(previews=0, max_bytes=100_000, final_min_chars=100)
HOST = "https://imagine-public.x.ai/imagine-public/images"
Message = dict[str, Any]


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def image_id(slot: int) -> str:
    return f"aaaa1111-0000-4000-8000-00000000000{slot}"


def start(slot: int) -> Message:
    own = image_id(slot)
    return {
        "type": "json",
        "current_status": "start_stage",
        "image_id": own,
        "job_id": own,
        "order": slot,
    }


def image(slot: int, content: bytes, percent: int | None = 100, **changes: Any) -> Message:
    said: Message = {
        "type": "image",
        "id": image_id(slot),
        "url": f"{HOST}/{image_id(slot)}.png",
        "blob": b64(content),
        "side_by_side_index": slot,
    }
    if percent is not None:
        said["percentage_complete"] = percent
    return {**said, **changes}


def completed(slot: int, *, moderated: bool = False, **changes: Any) -> Message:
    said = {"type": "json", "current_status": "completed", "image_id": image_id(slot)}
    return {**said, "order": slot, "moderated": moderated, "r_rated": False, **changes}


def read(decoder: ImagineDecoder, *messages: Message) -> list[ImageEvent]:
    return [event for said in messages for event in decoder.feed(msgspec.json.encode(said))]


def play(n: int, *messages: Message, limits: ImagineLimits = LIMITS) -> list[ImageEvent]:
    decoder = ImagineDecoder(n, limits)
    events = [*read(decoder, *messages), *decoder.close()]
    assert decoder.error is None
    return events


def fail(n: int, *messages: Message) -> UpstreamError:
    decoder = ImagineDecoder(n, LIMITS)
    read(decoder, *messages)
    decoder.close()
    assert decoder.error is not None
    assert decoder.is_over
    assert decoder.feed(msgspec.json.encode(image(0, b"late"))) == []
    return decoder.error


def test_transcript_of_one_picture() -> None:
    events = play(
        1,
        start(0),
        image(0, b"small", 33),
        image(0, b"bigger", 66),
        image(0, b"whole", 100, url=f"{HOST}/{image_id(0)}.jpg"),
        completed(0),
        limits=msgspec.structs.replace(LIMITS, previews=1),
    )

    assert events == [
        ImageStep(0, 0),
        ImageStep(0, 33),
        ImagePreview(0, 33, b"small"),
        ImageStep(0, 66),
        ImageMade(0, b"whole", f"{HOST}/{image_id(0)}.jpg"),
        ImagesDone(),
    ]


def test_preview_that_cannot_be_decoded_is_left_out() -> None:
    limits = msgspec.structs.replace(LIMITS, previews=1)

    events = play(1, image(0, b"", 20, blob="*"), image(0, b"f"), completed(0), limits=limits)

    assert [type(event) for event in events] == [ImageStep, ImageMade, ImagesDone]


def test_previews_nobody_wants_are_not_decoded() -> None:
    events = play(1, image(0, b"small", 33), image(0, b"whole"), completed(0))

    assert [type(event) for event in events] == [ImageStep, ImageMade, ImagesDone]


@given(data=st.data(), n=st.integers(1, 4))
def test_any_order_makes_the_same_pictures(data: st.DataObject, n: int) -> None:
    messages = [
        said
        for slot in range(n)
        for said in (
            start(slot),
            image(slot, b"early%d" % slot, 40),
            image(slot, b"final%d" % slot),
            completed(slot),
        )
    ]

    events = play(n, *data.draw(st.permutations(messages)))

    made = {event for event in events if isinstance(event, ImageMade)}
    assert {(event.slot, event.content) for event in made} == {
        (slot, b"final%d" % slot) for slot in range(n)
    }
    assert events[-1] == ImagesDone()
    assert events.count(ImagesDone()) == 1


@given(data=st.data(), n=st.integers(1, 4), withheld=st.sets(st.integers(0, 3)))
def test_every_slot_ends_once_whatever_comes(
    data: st.DataObject, n: int, withheld: set[int]
) -> None:
    messages = [
        said
        for slot in range(6)
        for said in (start(slot), image(slot, b"x"), completed(slot, moderated=slot in withheld))
    ]
    decoder = ImagineDecoder(n, LIMITS)

    events = read(decoder, *data.draw(st.permutations(messages)))

    ended = [event.slot for event in events if isinstance(event, ImageMade | ImageWithheld)]
    assert sorted(ended) == list(range(n))
    assert decoder.is_over
    assert (decoder.error is None) == (events[-1] == ImagesDone())


@given(
    st.binary()
    | st.recursive(st.none() | st.booleans() | st.text(), st.lists).map(msgspec.json.encode)
)
def test_what_is_not_understood_says_nothing(message: bytes) -> None:
    assert ImagineDecoder(1, LIMITS).feed(message) == []


@given(
    st.fixed_dictionaries(
        {"type": st.sampled_from(["json", "image", "other"])},
        optional={
            name: st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.none())
            for name in (
                "current_status",
                "image_id",
                "id",
                "url",
                "blob",
                "percentage_complete",
                "order",
                "moderated",
            )
        },
    )
)
def test_odd_members_break_nothing(message: Message) -> None:
    decoder = ImagineDecoder(2, LIMITS)

    read(decoder, message)
    decoder.close()

    assert decoder.is_over


@pytest.mark.parametrize(
    "said",
    [
        {"image_id": image_id(0)},
        {"job_id": image_id(0)},
        {"id": image_id(0)},
        {"url": f"{HOST}/{image_id(0)}.png?x=1"},
    ],
)
def test_slot_is_known_by_any_of_its_names(said: Message) -> None:
    picture = {"type": "image", "blob": b64(b"whole"), **said}

    events = play(2, start(1), start(0), picture, completed(0), image(1, b"other"), completed(1))

    assert ImageMade(0, b"whole", said.get("url", "")) in events


@pytest.mark.parametrize("name", ["side_by_side_index", "order", "grid_index"])
def test_position_of_the_upstream_counts(name: str) -> None:
    picture = image(1, b"second")
    del picture["side_by_side_index"]

    events = play(2, {**picture, name: 1}, completed(1), image(0, b"first"), completed(0))

    assert [(e.slot, e.content) for e in events if isinstance(e, ImageMade)] == [
        (1, b"second"),
        (0, b"first"),
    ]


def test_positions_that_count_from_one_lose_nothing() -> None:
    events = play(2, *(said for at in (1, 2) for said in (image(at, b"%d" % at), completed(at))))

    assert {e.content for e in events if isinstance(e, ImageMade)} == {b"1", b"2"}


@pytest.mark.parametrize(
    "blob",
    [
        b64(b"12345"),
        b64(b"12345").rstrip("="),
        "data:image/png;base64," + b64(b"12345"),
        "data:image/jpeg;base64," + b64(b"12345").rstrip("="),
    ],
)
def test_content_is_read_in_each_of_its_forms(blob: str) -> None:
    events = play(1, image(0, b"", blob=blob), completed(0))

    assert isinstance(events[0], ImageMade)
    assert events[0].content == b"12345"


def test_large_content_survives_whole() -> None:
    content = bytes(range(256)) * 10_000
    limits = msgspec.structs.replace(LIMITS, max_bytes=len(content))

    events = play(1, image(0, content), completed(0), limits=limits)

    assert isinstance(events[0], ImageMade)
    assert events[0].content == content


@pytest.mark.parametrize("blob", ["", "***", "QQ", None, 7, "A" * 200_000, "é"])
def test_what_cannot_be_decoded_is_left_to_its_address(blob: object) -> None:
    events = play(1, image(0, b"", blob=blob), completed(0))

    assert isinstance(events[0], ImageMade)
    assert events[0].url.startswith(HOST)
    assert len(events[0].content) == (1 if blob == "QQ" else 0)


@pytest.mark.parametrize("blob", ["", "***"])
def test_without_content_and_address_nothing_is_final(blob: str) -> None:
    error = fail(1, start(0), image(0, b"", blob=blob, url=""), completed(0))

    assert error.code == "image_generation_incomplete"


def test_completed_with_an_address_is_final_if_nothing_else_is() -> None:
    events = play(1, start(0), completed(0, url=f"{HOST}/a.jpg"))

    assert events[1:] == [ImageMade(0, b"", f"{HOST}/a.jpg"), ImagesDone()]


def test_final_picture_comes_before_that_of_completed() -> None:
    events = play(1, image(0, b"final", None), completed(0, url=f"{HOST}/a.jpg", blob=b64(b"no")))

    assert isinstance(events[0], ImageMade)
    assert events[0].content == b"final"


def test_extra_slots_are_nobodys() -> None:
    events = play(
        2,
        *(said for at in range(6) for said in (start(at), image(at, b"%d" % at), completed(at))),
    )

    assert [e.content for e in events if isinstance(e, ImageMade)] == [b"0", b"1"]


def test_states_of_something_else_take_no_slot() -> None:
    other = {"type": "json", "current_status": "warming_up"}

    assert ImageMade(0, b"a", f"{HOST}/{image_id(0)}.png") in play(
        1, other, start(0), image(0, b"a"), completed(0)
    )


def test_withheld_picture_gives_nothing() -> None:
    decoder = ImagineDecoder(2, LIMITS)

    events = read(
        decoder, image(0, b"a"), completed(0), image(1, b"secret"), completed(1, moderated=True)
    )

    assert [type(event) for event in events] == [ImageMade, ImageWithheld]
    assert isinstance(decoder.error, UpstreamProtocolError)
    assert decoder.error.code == "image_generation_incomplete"
    assert decoder.error.message == "The upstream made 1 of 2 pictures."
    assert decoder.error.is_final


def test_all_withheld_is_the_content_rules_answer() -> None:
    error = fail(2, *(completed(slot, moderated=True) for slot in range(2)))

    assert isinstance(error, ContentRejectedError)
    assert error.code == "content_policy_violation"


@pytest.mark.parametrize(
    ("code", "message", "expected"),
    [
        ("rate_limit_exceeded", "Image rate limit reached", UpstreamRateLimitError),
        ("image_limit", "", UpstreamRateLimitError),
        ("", "Too many requests", UpstreamRateLimitError),
        ("content-moderated", "rejected", ContentRejectedError),
        ("moderation_failed", "", ContentRejectedError),
        ("7", "Request rejected by anti-bot rules.", AntiBotError),
        ("rate_x", "[WKE=unauthenticated:bad-credentials]", CredentialRejectedError),
        ("generation_failed", "generated nothing", UpstreamUnavailableError),
        ("", "", UpstreamUnavailableError),
    ],
)
def test_errors_have_their_meaning(code: str, message: str, expected: type[UpstreamError]) -> None:
    error = fail(1, start(0), {"type": "error", "err_code": code, "err_msg": message})

    assert type(error) is expected
    assert not error.is_final
    if isinstance(error, UpstreamRateLimitError):
        assert error.extent is LimitExtent.WINDOW


def test_error_after_a_picture_is_not_tried_elsewhere() -> None:
    error = fail(2, image(0, b"a"), completed(0), {"type": "error", "err_code": "internal"})

    assert error.is_final


@pytest.mark.parametrize(
    "messages",
    [
        (start(0),),
        (start(0), image(0, b"early", 50)),
        (start(0), image(0, b"final")),
        (start(0), completed(0)),
    ],
)
def test_socket_closed_in_the_middle_may_be_tried_elsewhere(messages: tuple[Message, ...]) -> None:
    error = fail(1, *messages)

    assert error.code == "image_generation_incomplete"
    assert not error.is_final


def test_socket_closed_after_one_was_withheld_is_not_tried_elsewhere() -> None:
    error = fail(2, start(0), start(1), completed(0, moderated=True))

    assert error.code == "image_generation_incomplete"
    assert error.is_final


def test_socket_closed_before_anything_may_be_tried_elsewhere() -> None:
    error = fail(1)

    assert error.code == "upstream_stream_empty"
    assert not error.is_final


def test_without_states_size_and_ending_decide() -> None:
    large, small = bytes(120), bytes(10)

    events = play(
        3,
        image(0, small, None),
        image(0, large, None),
        image(1, small, None, url=f"{HOST}/b.JPG"),
        image(2, small, 10, url=f"{HOST}/c.jpeg"),
    )

    made = [(e.slot, e.content) for e in events if isinstance(e, ImageMade)]
    assert made == [(0, large), (1, small), (2, small)]
    assert events[-1] == ImagesDone()


def test_without_states_nothing_is_given_out_early() -> None:
    """A state may still come, and say that the picture is withheld."""
    decoder = ImagineDecoder(1, LIMITS)

    events = read(decoder, image(0, bytes(120), None))

    assert events == []
    assert decoder.hints == (1, 1)
    assert read(decoder, completed(0, moderated=True)) == [ImageWithheld(0)]
    assert decoder.hints is None


def test_half_made_picture_without_a_state_is_blocked() -> None:
    decoder = ImagineDecoder(1, msgspec.structs.replace(LIMITS, final_min_chars=100_000))
    read(decoder, image(0, bytes(30_000), None))
    decoder.close()

    assert isinstance(decoder.error, UpstreamUnavailableError)
    assert decoder.error.code == "image_blocked"
    assert not decoder.error.is_final


def test_preview_without_a_state_leaves_other_slots_alone() -> None:
    error = fail(2, image(0, bytes(120), None), image(1, b"", None, blob="", url=""))

    assert error.code == "image_generation_incomplete"


def test_small_pictures_without_a_state_are_too_few() -> None:
    error = fail(1, image(0, b"x", None))

    assert error.code == "image_generation_incomplete"


def test_request_says_what_the_site_wants_to_know() -> None:
    asked = ImageRequest(model="m", way=ImageWay.QUALITY, prompt="a lighthouse", n=3)

    sent = msgspec.json.decode(request_message(asked, "img_1", 5))

    assert sent == {
        "type": "conversation.item.create",
        "timestamp": 5,
        "item": {
            "type": "message",
            "content": [
                {
                    "requestId": "img_1",
                    "text": "a lighthouse",
                    "type": "input_text",
                    "properties": {
                        "section_count": 0,
                        "is_kids_mode": False,
                        "enable_nsfw": True,
                        "skip_upsampler": False,
                        "enable_side_by_side": True,
                        "is_initial": False,
                        "aspect_ratio": "auto",
                        "enable_pro": True,
                        "num_generations": 3,
                    },
                }
            ],
        },
    }


def test_wishes_of_the_client_are_passed_on() -> None:
    asked = ImageRequest(
        model="m", way=ImageWay.SPEED, prompt="p", aspect_ratio="2:3", is_sensitive=False
    )

    sent = msgspec.json.decode(request_message(asked, "img_1", 5))

    properties = sent["item"]["content"][0]["properties"]
    assert (properties["aspect_ratio"], properties["enable_pro"]) == ("2:3", False)
    assert properties["enable_nsfw"] is False


def test_reset_is_a_message_of_its_own() -> None:
    assert msgspec.json.decode(reset_message(7)) == {
        "type": "conversation.item.create",
        "timestamp": 7,
        "item": {"type": "message", "content": [{"type": "reset"}]},
    }


@pytest.mark.parametrize(("base", "url"), [("https://g", "wss://g"), ("http://g", "ws://g")])
def test_socket_follows_the_sites_scheme(base: str, url: str) -> None:
    assert imagine_handshake(base, ()).url == f"{url}/ws/imagine/listen"
