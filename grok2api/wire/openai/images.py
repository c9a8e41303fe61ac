"""Images as on the wire: requests, the answer, the events of a stream."""

from msgspec import Raw, Struct

_NOTHING = Raw(b"")


# -- the requests. Unknown fields are ignored, and null is as good as absent.


class ImageOptions(Struct, frozen=True, kw_only=True):
    """What can be said of pictures in either request. `aspect_ratio` is no field of OpenAI's."""

    model: str | None = None
    prompt: str | None = None
    n: int | None = None
    size: str | None = None
    aspect_ratio: str | None = None
    quality: str | None = None
    response_format: str | None = None
    stream: bool | None = None
    partial_images: int | None = None


class GenerationBody(ImageOptions, frozen=True, kw_only=True):
    """A request for pictures from words; `image` and `images` are none of its fields."""

    image: Raw = _NOTHING
    images: Raw = _NOTHING


class EditBody(ImageOptions, frozen=True, kw_only=True):
    """A request for pictures from others, as JSON."""

    image: Raw = _NOTHING
    images: Raw = _NOTHING
    mask: Raw = _NOTHING
    markup: Raw = _NOTHING


class UrlBody(Struct, frozen=True):
    """An address, as Chat Completions writes it."""

    url: str


class ReferenceBody(Struct, frozen=True):
    """A picture that is given, or named."""

    image_url: str | UrlBody | None = None
    url: str | None = None
    b64_json: str | None = None
    file_id: str | None = None


# -- the answer.


class InputDetails(Struct, frozen=True):
    """Tokens of the prompt and of the pictures given."""

    text_tokens: int
    image_tokens: int


class ImageUsage(Struct, frozen=True, kw_only=True):
    """Tokens, estimated."""

    input_tokens: int
    output_tokens: int
    total_tokens: int
    input_tokens_details: InputDetails


class ImageOut(Struct, frozen=True, omit_defaults=True):
    """A picture: one of the two."""

    url: str = ""
    b64_json: str = ""


class ImagesOut(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer. Left out is what is not known, or not the same of all pictures."""

    created: int
    data: list[ImageOut]
    background: str = ""
    output_format: str = ""
    quality: str = ""
    size: str = ""
    usage: ImageUsage


class PictureEvent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A picture in a stream. `index` tells which, `partial_image_index` how many came before."""

    type: str
    index: int
    partial_image_index: int | None = None
    b64_json: str
    created_at: int
    size: str
    quality: str
    background: str
    output_format: str
    usage: ImageUsage | None = None
