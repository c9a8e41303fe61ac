"""Pictures on demand: what is asked, and the events that answer it."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from msgspec import Struct

from grok2api.domain.files import InputFile


class ImageWay(StrEnum):
    """How the upstream makes pictures."""

    LITE = "lite"
    """A chat turn for each, in mode fast; the ratio cannot be chosen."""
    SPEED = "speed"
    QUALITY = "quality"
    EDIT = "edit"
    """From pictures that are given."""


MAX_PROMPT_CHARS: Final = 32_000
MAX_REFERENCES: Final = 5
MAX_PICTURES: Mapping[ImageWay, int] = MappingProxyType(
    {ImageWay.LITE: 4, ImageWay.SPEED: 10, ImageWay.QUALITY: 10, ImageWay.EDIT: 2}
)
"""What one request may ask for."""


class ImageRequest(Struct, frozen=True, kw_only=True):
    """What a client asks for, in no dialect.

    `aspect_ratio` is one of the upstream's own words, "" for its choice. `previews` is how many
    unfinished pictures are wanted of each, 0 to 3. `references` are what an edit begins with.
    """

    model: str
    way: ImageWay
    prompt: str
    n: int = 1
    aspect_ratio: str = ""
    previews: int = 0
    is_sensitive: bool = True
    references: tuple[InputFile, ...] = ()


class ImageWish(Struct, frozen=True):
    """What a chat wants of its pictures; `is_inline`: in the answer itself, not behind links.

    `warning` says in one line what is served otherwise than asked.
    """

    n: int = 1
    aspect_ratio: str = ""
    is_inline: bool = False
    warning: str = ""


class ImageStep(Struct, frozen=True, tag="step", gc=False):
    """The picture at `slot` (0 is the first) is `percent` done, below 100."""

    slot: int
    percent: int


class ImagePreview(Struct, frozen=True, tag="preview", gc=False):
    """How the picture at `slot` looks so far."""

    slot: int
    percent: int
    content: bytes


class ImageMade(Struct, frozen=True, tag="made", gc=False):
    """A finished picture that was not withheld. `url` is the upstream's, "" where it has none."""

    slot: int
    content: bytes
    url: str = ""


class ImageWithheld(Struct, frozen=True, tag="withheld", gc=False):
    """The upstream's content rules keep back the picture at `slot`."""

    slot: int


class ImagesDone(Struct, frozen=True, tag="done", gc=False):
    """Nothing follows; as many pictures were made as were asked for."""


ImageEvent = ImageStep | ImagePreview | ImageMade | ImageWithheld | ImagesDone
ImageBatch = list[ImageEvent]
"""Events that arrived together."""
