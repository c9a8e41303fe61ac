import base64
import struct
from typing import Any

import msgspec
from openai.types import (
    ImageEditCompletedEvent,
    ImageEditPartialImageEvent,
    ImageGenCompletedEvent,
    ImageGenPartialImageEvent,
    ImagesResponse,
)

from grok2api.dialects.openai_images import (
    ImageStreamRenderer,
    ShownImage,
    count_input,
    measure_images,
    render_images,
)
from grok2api.dialects.openai_images_request import ImageOrder
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
from grok2api.errors import UpstreamUnavailableError
from grok2api.wire.openai.images import InputDetails
from grok2api.wire.sse import SSEParser

INPUTS = InputDetails(7, 0)


def png(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + bytes(8) + struct.pack(">II", width, height)


JPEG = bytes.fromhex("ffd8ffc0001108") + struct.pack(">HH", 64, 48) + bytes(12)


def order_of(way: ImageWay = ImageWay.SPEED, previews: int = 0, quality: str = "") -> ImageOrder:
    request = ImageRequest(model="m", way=way, prompt="p", previews=previews)
    return ImageOrder(request=request, wants_url=True, is_stream=True, quality=quality, warnings=())


def answer(*pictures: ShownImage, quality: str = "") -> ImagesResponse:
    usage = measure_images(INPUTS, [picture.content for picture in pictures])
    body = render_images(pictures, order_of(quality=quality), created_s=5, usage=usage)
    return ImagesResponse.model_validate_json(body, strict=True)


def test_answer_is_what_the_sdk_expects() -> None:
    shown = answer(ShownImage(png(30, 20)), ShownImage(png(30, 20), "https://x/1"), quality="high")

    assert shown.created == 5
    assert shown.data is not None
    assert shown.data[0].b64_json == base64.b64encode(png(30, 20)).decode()
    assert shown.data[0].url is None
    assert (shown.data[1].url, shown.data[1].b64_json) == ("https://x/1", None)
    assert (shown.size, shown.output_format, shown.quality) == ("30x20", "png", "high")
    assert shown.background is None
    assert shown.usage is not None
    assert shown.usage.total_tokens == 7 + shown.usage.output_tokens
    assert shown.usage.input_tokens_details.text_tokens == 7


def test_what_differs_between_pictures_is_left_out() -> None:
    shown = answer(ShownImage(png(30, 20)), ShownImage(JPEG))

    assert (shown.size, shown.output_format, shown.background) == (None, None, None)
    assert answer(ShownImage(JPEG)).background == "opaque"


def test_golden_answer() -> None:
    usage = measure_images(InputDetails(6, 2), [png(30, 50)])
    body = render_images([ShownImage(png(30, 50), "/v1/x")], order_of(), created_s=9, usage=usage)

    assert body == (
        b'{"created":9,"data":[{"url":"/v1/x"}],"output_format":"png","size":"30x50",'
        b'"usage":{"input_tokens":8,"output_tokens":2,"total_tokens":10,'
        b'"input_tokens_details":{"text_tokens":6,"image_tokens":2}}}'
    )


def test_input_counts_the_prompt_and_every_reference() -> None:
    assert count_input(3, []) == InputDetails(7, 0)
    assert count_input(3, [png(75, 100), png(75, 100)]) == InputDetails(7, 20)


def play(renderer: ImageStreamRenderer, *batches: list[ImageEvent]) -> list[dict[str, Any]]:
    data = b"".join(renderer.render(batch) for batch in batches)
    events = SSEParser().feed(data)
    bodies = [msgspec.json.decode(event.data) for event in events]
    assert [event.event for event in events] == [body["type"] for body in bodies]
    return bodies


def test_stream_of_a_generation_is_what_the_sdk_expects() -> None:
    renderer = ImageStreamRenderer(order_of(previews=2), created_s=5, inputs=INPUTS)

    previews = [ImagePreview(0, percent, png(3, percent)) for percent in (30, 60, 90)]
    bodies = play(renderer, [ImageStep(0, 10), *previews], [ImageMade(0, JPEG)], [ImagesDone()])

    first, second, last = bodies
    partial = ImageGenPartialImageEvent.model_validate(first, strict=True)
    assert (partial.partial_image_index, partial.size, partial.quality) == (0, "3x30", "auto")
    assert ImageGenPartialImageEvent.model_validate(second, strict=True).partial_image_index == 1
    done = ImageGenCompletedEvent.model_validate(last, strict=True)
    assert base64.b64decode(done.b64_json) == JPEG
    assert (done.size, done.output_format, done.background) == ("48x64", "jpeg", "opaque")
    assert done.usage.input_tokens == 7
    assert renderer.output_tokens == done.usage.output_tokens > 0


def test_stream_of_an_edit_has_names_of_its_own() -> None:
    renderer = ImageStreamRenderer(order_of(ImageWay.EDIT, 1), created_s=5, inputs=INPUTS)

    first, last = play(renderer, [ImagePreview(0, 50, png(1, 2)), ImageMade(0, png(3, 4))])

    ImageEditPartialImageEvent.model_validate(first, strict=True)
    assert ImageEditCompletedEvent.model_validate(last, strict=True).size == "3x4"


def test_pictures_are_told_apart_and_input_is_counted_once() -> None:
    renderer = ImageStreamRenderer(order_of(previews=1), created_s=5, inputs=INPUTS)

    bodies = play(
        renderer,
        [ImagePreview(1, 20, JPEG), ImagePreview(0, 20, JPEG), ImagePreview(1, 40, JPEG)],
        [ImageMade(1, JPEG), ImageWithheld(2), ImageMade(0, JPEG)],
    )

    assert [body["index"] for body in bodies] == [1, 0, 1, 0]
    assert [body.get("partial_image_index") for body in bodies] == [0, 0, None, None]
    usages = [body["usage"]["input_tokens"] for body in bodies if "usage" in body]
    assert usages == [7, 0]


def test_no_unfinished_picture_is_shown_that_nobody_asked_for() -> None:
    renderer = ImageStreamRenderer(order_of(), created_s=5, inputs=INPUTS)

    assert play(renderer, [ImagePreview(0, 50, JPEG), ImageStep(0, 60)]) == []


def test_stream_that_breaks_off_ends_with_the_error() -> None:
    renderer = ImageStreamRenderer(order_of(), created_s=5, inputs=INPUTS)

    (event,) = SSEParser().feed(renderer.fail(UpstreamUnavailableError("It broke."), "req_1"))

    assert event.event == "error"
    assert msgspec.json.decode(event.data)["error"]["message"] == "It broke."
