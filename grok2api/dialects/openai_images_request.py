"""Requests for pictures: wire Struct to domain. All that can be refused is refused here."""

import re
from collections.abc import Iterable
from typing import Final

import msgspec
from msgspec import Struct

from grok2api.dialects.fields import header_names, is_given, missing, refusal
from grok2api.dialects.named_images import NamedImage, find_images
from grok2api.dialects.openai_image_sizes import find_ratio
from grok2api.domain.catalogue import CATALOGUE
from grok2api.domain.images import (
    MAX_PICTURES,
    MAX_PROMPT_CHARS,
    MAX_REFERENCES,
    ImageRequest,
    ImageWay,
)
from grok2api.domain.model import Capability, Route
from grok2api.wire.openai.images import EditBody, GenerationBody, ImageOptions

GENERATION_DECODER: msgspec.json.Decoder[GenerationBody] = msgspec.json.Decoder(GenerationBody)
EDIT_DECODER: msgspec.json.Decoder[EditBody] = msgspec.json.Decoder(EditBody)
GENERATION_MODEL: Final = "grok-imagine-image"
EDIT_MODEL: Final = "grok-imagine-image-edit"

MAX_PREVIEWS: Final = 3

_ANY_QUALITY: Final = ("auto", "standard")
_LOW_QUALITY: Final = ("low", "medium")
_HIGH_QUALITY: Final = ("high", "hd", "xhigh", "max")
_FORMATS: Final = ("url", "b64_json")

_IMAGE_FIELD = re.compile(r"images?(\[[0-9]{0,3}\])?")
_OPTIONS: Final = frozenset(field.encode_name for field in msgspec.structs.fields(ImageOptions))
_UNSUPPORTED: Final = ("mask", "markup")


class ImageOrder(Struct, frozen=True, kw_only=True):
    """What a client wants, and how it wants it.

    `request` has no references yet. `quality` is what it will be, "" for the model's own.
    `warnings` say what is served otherwise than asked, `ignored` name what has no effect.
    """

    request: ImageRequest
    wants_url: bool
    is_stream: bool
    quality: str
    warnings: tuple[str, ...]
    ignored: tuple[str, ...] = ()


def check_model(route: Route, wanted: Capability) -> ImageWay:
    """Return how the model makes pictures.

    Raises:
        InvalidRequestError: it makes something else, or from something else.
    """
    model = route.model
    if model.capability is wanted and model.way is not None:
        return model.way
    fitting = ", ".join(row.name for row in CATALOGUE if row.capability is wanted)
    what = "edits no pictures" if wanted is Capability.IMAGE_EDIT else "makes no pictures from text"
    raise refusal(
        f"The model '{model.name}' {what}. These do: {fitting}.", "model", "model_not_supported"
    )


def parse_options(wire: ImageOptions, route: Route, way: ImageWay) -> ImageOrder:
    """Return what the client asks for.

    Raises:
        InvalidRequestError: something cannot be served as it stands; `param` names it.
    """
    wants_url = _parse_format(wire.response_format)
    prompt = wire.prompt or ""
    if not prompt.strip():
        raise missing("prompt")
    if len(prompt) > MAX_PROMPT_CHARS:
        raise refusal(f"'prompt' has at most {MAX_PROMPT_CHARS} characters.", "prompt")
    n = _check_range("n", wire.n, 1, MAX_PICTURES[way], default=1)
    previews = _check_range("partial_images", wire.partial_images, 0, MAX_PREVIEWS, default=0)
    is_stream = wire.stream is True
    warnings: list[str] = []
    final_way = _choose_way(wire.quality, way, warnings)
    if is_stream and wire.response_format and wants_url:
        warnings.append("response_format: a stream always holds the pictures themselves")
    return ImageOrder(
        request=ImageRequest(
            model=route.requested,
            way=final_way,
            prompt=prompt,
            n=n,
            aspect_ratio=_choose_ratio(wire, way, warnings),
            previews=previews if is_stream else 0,
        ),
        wants_url=wants_url and not is_stream,
        is_stream=is_stream,
        quality="high" if final_way is ImageWay.QUALITY else "",
        warnings=tuple(warnings),
        ignored=("partial_images",) if previews and not is_stream else (),
    )


def refuse_images(wire: GenerationBody) -> None:
    """Refuse pictures where none are looked at: made without them, others would be paid for.

    Raises:
        InvalidRequestError: there are some.
    """
    for name in ("image", "images"):
        if is_given(getattr(wire, name)):
            raise refusal(
                "Pictures are made from others by POST /v1/images/edits.", name, "unsupported_value"
            )


def parse_references(wire: EditBody) -> tuple[NamedImage, ...]:
    """Return the pictures that an edit begins with.

    Raises:
        InvalidRequestError: there are none, too many, or some that cannot be had.
    """
    refuse_unsupported(name for name in _UNSUPPORTED if is_given(getattr(wire, name)))
    found = find_images(wire, ("image", "images"))
    check_count(len(found))
    return found


def check_count(references: int) -> None:
    """Refuse no picture, and too many.

    Raises:
        InvalidRequestError: so many cannot be edited.
    """
    if not references:
        raise missing("image")
    if references > MAX_REFERENCES:
        raise refusal(f"At most {MAX_REFERENCES} images can be given.", "image", "too_many_images")


def refuse_unsupported(given: Iterable[str]) -> None:
    """Refuse what would change the picture, and cannot.

    Raises:
        InvalidRequestError: there is something.
    """
    for name in given:
        if name in _UNSUPPORTED:
            raise refusal(
                f"'{name}' is not supported: say in the prompt what shall change, and where.",
                name,
                "unsupported_value",
            )


def is_image_field(name: str) -> bool:
    """Whether a field of a form is for pictures, as any client spells it."""
    return _IMAGE_FIELD.fullmatch(name) is not None


def ignored_form_fields(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names of fields that change nothing and that a header can hold."""
    unknown = [name for name in names if name not in _OPTIONS and not is_image_field(name)]
    return header_names(unknown)


def _parse_format(named: str | None) -> bool:
    """Return whether links are wanted rather than the pictures themselves."""
    text = (named or "url").strip().lower()
    if text not in _FORMATS:
        raise refusal(f"'response_format' is one of: {', '.join(_FORMATS)}.", "response_format")
    return text == "url"


def _check_range(name: str, given: int | None, least: int, most: int, *, default: int) -> int:
    number = default if given is None else given
    if not least <= number <= most:
        raise refusal(f"'{name}' must be from {least} to {most} here.", name)
    return number


def _choose_way(named: str | None, way: ImageWay, warnings: list[str]) -> ImageWay:
    quality = (named or "auto").strip().lower()
    if quality in _ANY_QUALITY:
        return way
    if quality not in _LOW_QUALITY + _HIGH_QUALITY:
        words = ", ".join(_ANY_QUALITY + _LOW_QUALITY + _HIGH_QUALITY)
        raise refusal(f"'quality' is one of: {words}.", "quality")
    is_high = quality in _HIGH_QUALITY
    match way:
        case ImageWay.SPEED:
            return ImageWay.QUALITY if is_high else way
        case ImageWay.QUALITY if is_high:
            return way
        case _:
            warnings.append(f"quality: '{quality}' has no effect with this model")
            return way


def _choose_ratio(wire: ImageOptions, way: ImageWay, warnings: list[str]) -> str:
    param, named = ("aspect_ratio", wire.aspect_ratio) if wire.aspect_ratio else ("size", wire.size)
    found = find_ratio(named or "", param)
    if way is ImageWay.LITE and found.ratio:
        warnings.append(f"{param}: this model chooses the aspect ratio itself")
        return ""
    if found.warning:
        warnings.append(found.warning)
    return found.ratio
