"""Pictures in the OpenAI API: the answer, and the events of a stream."""

import base64
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
from msgspec import Struct

from grok2api.dialects.errors import render_openai_error
from grok2api.dialects.openai_images_request import ImageOrder
from grok2api.dialects.prompt_size import OVERHEAD_TOKENS, count_image_tokens
from grok2api.domain.image_size import Size, read_image_size
from grok2api.domain.images import ImageEvent, ImageMade, ImagePreview, ImageWay
from grok2api.domain.media import sniff_media_type
from grok2api.errors import GatewayError
from grok2api.wire.openai.images import (
    ImageOut,
    ImagesOut,
    ImageUsage,
    InputDetails,
    PictureEvent,
)
from grok2api.wire.sse import KEEP_ALIVE, format_event

_encode = msgspec.json.Encoder().encode
_AUTO: Final = "auto"
_NO_TOKENS: Final = InputDetails(0, 0)
_JPEG: Final = "jpeg"
_MAGIC_BYTES: Final = 64


class ShownImage(Struct, frozen=True):
    """A finished picture; `link` is where a client can fetch it, "" to give it in the answer."""

    content: bytes
    link: str = ""


class _Look(Struct, frozen=True):
    """What a picture's bytes tell of it; "" and None for nothing."""

    size: Size | None
    output_format: str

    @classmethod
    def of(cls, content: bytes) -> "_Look":
        return cls(
            read_image_size(content),
            sniff_media_type(content[:_MAGIC_BYTES]).removeprefix("image/"),
        )

    @property
    def size_text(self) -> str:
        return f"{self.size[0]}x{self.size[1]}" if self.size else ""

    @property
    def background(self) -> str:
        """JPEG has no transparency; of the others nothing is known."""
        return "opaque" if self.output_format == _JPEG else ""


def count_input(prompt_tokens: int, references: Iterable[bytes]) -> InputDetails:
    """Return what a request for pictures holds, in tokens."""
    images = sum(count_image_tokens(read_image_size(content)) for content in references)
    return InputDetails(OVERHEAD_TOKENS + prompt_tokens, images)


def measure_images(inputs: InputDetails, pictures: Iterable[bytes]) -> ImageUsage:
    """Return the usage of a request that made `pictures`."""
    output = sum(count_image_tokens(read_image_size(content)) for content in pictures)
    given = inputs.text_tokens + inputs.image_tokens
    return ImageUsage(
        input_tokens=given,
        output_tokens=output,
        total_tokens=given + output,
        input_tokens_details=inputs,
    )


def render_images(
    pictures: Sequence[ShownImage], order: ImageOrder, *, created_s: int, usage: ImageUsage
) -> bytes:
    """Return the answer; costs CPU in proportion to the size of the pictures in it."""
    looks = [_Look.of(picture.content) for picture in pictures]
    return _encode(
        ImagesOut(
            created=created_s,
            data=[
                ImageOut(url=picture.link)
                if picture.link
                else ImageOut(b64_json=_to_base64(picture.content))
                for picture in pictures
            ],
            background=_common(look.background for look in looks),
            output_format=_common(look.output_format for look in looks),
            quality=order.quality,
            size=_common(look.size_text for look in looks),
            usage=usage,
        )
    )


class ImageStreamRenderer:
    """Renders the pictures of one request as they come.

    Every picture has its own completed event, with its own share of the usage: what the request
    holds is counted with the first of them.
    """

    KEEP_ALIVE = KEEP_ALIVE

    def __init__(self, order: ImageOrder, *, created_s: int, inputs: InputDetails) -> None:
        is_edit = order.request.way is ImageWay.EDIT
        self._object = "image_edit" if is_edit else "image_generation"
        self._quality = order.quality or _AUTO
        self._previews = order.request.previews
        self._created_s = created_s
        self._inputs = inputs
        self._shown = Counter[int]()
        self.output_tokens = 0

    def render(self, events: Iterable[ImageEvent]) -> bytes:
        """Return the frames of `events`; costs CPU in proportion to the size of their pictures."""
        return b"".join(self._render_one(event) for event in events)

    def fail(self, error: GatewayError, request_id: str) -> bytes:
        """Return the end of a stream that broke off: the error."""
        return format_event(render_openai_error(error, request_id).body, "error")

    def _render_one(self, event: ImageEvent) -> bytes:
        match event:
            case ImagePreview() if self._shown[event.slot] < self._previews:
                place = self._shown[event.slot]
                self._shown[event.slot] += 1
                return self._frame("partial_image", event, place, None)
            case ImageMade():
                usage = measure_images(self._inputs, [event.content])
                self._inputs = _NO_TOKENS
                self.output_tokens += usage.output_tokens
                return self._frame("completed", event, None, usage)
            case _:
                return b""

    def _frame(
        self,
        stage: str,
        event: ImagePreview | ImageMade,
        place: int | None,
        usage: ImageUsage | None,
    ) -> bytes:
        look, name = _Look.of(event.content), f"{self._object}.{stage}"
        data = PictureEvent(
            type=name,
            index=event.slot,
            partial_image_index=place,
            b64_json=_to_base64(event.content),
            created_at=self._created_s,
            size=look.size_text or _AUTO,
            quality=self._quality,
            background=look.background or _AUTO,
            output_format=look.output_format or _JPEG,
            usage=usage,
        )
        return format_event(_encode(data), name)


def _to_base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _common(words: Iterable[str]) -> str:
    """Return what all say, "" where they differ."""
    said = set(words)
    return said.pop() if len(said) == 1 else ""
