"""Requests for videos: wire Struct to domain. All that can be refused is refused here."""

import re
from collections.abc import Iterable, Mapping
from typing import Final, TypeVar

import msgspec
from msgspec import Struct

from grok2api.dialects.fields import header_names, missing, no_uploads, refusal
from grok2api.dialects.named_images import NamedImage, find_images
from grok2api.dialects.openai_image_sizes import find_ratio
from grok2api.domain.catalogue import CATALOGUE
from grok2api.domain.model import Capability, Route
from grok2api.domain.video import (
    MAX_PROMPT_CHARS,
    MAX_REFERENCES,
    Preset,
    Resolution,
    VideoRequest,
    VideoWish,
)
from grok2api.domain.video_lengths import allowed_lengths, choose_segments
from grok2api.wire.openai.media_config import VideoConfig
from grok2api.wire.openai.videos import VideoBody, VideoOptions

VIDEO_DECODER: msgspec.json.Decoder[VideoBody] = msgspec.json.Decoder(VideoBody)
VIDEO_MODEL: Final = "grok-imagine-video"
DEFAULT_SECONDS: Final = 6
DEFAULT_SIZE: Final = "720x1280"
DEFAULT_RATIO: Final = "9:16"

_RATIO_OF_SIZE: Final = {"1024x1792": "9:16", "1792x1024": "16:9"}
"""Videos come no taller and no wider than this, unlike pictures of these sizes."""
_QUALITIES: Final = ("standard", "auto", "low", "medium")
_HIGH_QUALITIES: Final = ("high", "hd")
_SHORT_SIDE: Final = {Resolution.P480: 480, Resolution.P720: 720}
_REFERENCE_FIELDS: Final = ("input_reference", "input_references", "image", "images", "image_url")
_REFERENCE_FIELD = re.compile(
    r"(input_references?|images?|image_url)(\[[0-9]{0,3}\])?(\[(image_url|url|b64_json|file_id)\])?"
)
_BY_ID: Final = "[file_id]"
_OPTIONS: Final = frozenset(field.encode_name for field in msgspec.structs.fields(VideoOptions))
_WHOLE = re.compile(r"[0-9]{1,4}")

Word = TypeVar("Word", Preset, Resolution)


class VideoOrder(Struct, frozen=True, kw_only=True):
    """What a client wants, and what is repeated to it. `request` has no references yet.

    `warnings` say what is served otherwise than asked.
    """

    request: VideoRequest
    shown: Mapping[str, str]
    warnings: tuple[str, ...] = ()


def check_video_model(route: Route) -> None:
    """Refuse a model that makes something else.

    Raises:
        InvalidRequestError: it does.
    """
    if route.model.capability is Capability.VIDEO:
        return
    fitting = ", ".join(row.name for row in CATALOGUE if row.capability is Capability.VIDEO)
    raise refusal(
        f"The model '{route.model.name}' makes no videos. These do: {fitting}.",
        "model",
        "model_not_supported",
    )


def parse_video(
    wire: VideoOptions, route: Route, *, has_references: bool, is_older: bool = False
) -> VideoOrder:
    """Return what the client asks for.

    `is_older`: the operator wants the protocol that makes few lengths only.

    Raises:
        InvalidRequestError: something cannot be served as it stands; `param` names it.
    """
    prompt = (wire.prompt or "").strip()
    if not prompt:
        raise missing("prompt")
    if len(prompt) > MAX_PROMPT_CHARS:
        raise refusal(f"'prompt' has at most {MAX_PROMPT_CHARS} characters.", "prompt")
    warnings: list[str] = []
    wish = parse_video_wish(wire, warnings)
    is_limited = has_references or is_older or wish.preset is not Preset.CUSTOM
    segments = choose_segments(wish.seconds, is_limited=is_limited)
    which = wish.length_field
    if segments is None:
        lengths = ", ".join(str(each) for each in allowed_lengths(is_limited=is_limited))
        why = " with pictures to begin with, or a preset" if is_limited else ""
        raise refusal(f"'{which}' is one of {lengths}{why}.", which)
    if sum(segments) != wish.seconds:
        warnings.append(f"{which}: {wish.seconds} became {sum(segments)}")
    request = VideoRequest(
        model=route.requested,
        prompt=prompt,
        segments=segments,
        aspect_ratio=wish.aspect_ratio,
        resolution=wish.resolution,
        preset=wish.preset,
        upscale=wish.upscale,
    )
    shown = {
        "seconds": str(request.seconds),
        "size": _size_text(wish.aspect_ratio, wish.resolution),
        "quality": "hd" if request.upscale else "standard",
        "model": route.requested,
    }
    return VideoOrder(request=request, shown=shown, warnings=tuple(warnings))


def parse_video_wish(
    wire: VideoOptions | VideoConfig, warnings: list[str], prefix: str = ""
) -> VideoWish:
    """Return what is wanted of a video besides its prompt; its length is not yet checked.

    What is served otherwise than asked is added to `warnings`; `prefix` stands before the fields'
    names in errors.

    Raises:
        InvalidRequestError: a value is none that is known; `param` names it.
    """
    which = "resolution_name" if wire.resolution_name else "resolution"
    named = wire.resolution_name or wire.resolution
    is_high = _wants_high(wire.quality, f"{prefix}quality")
    seconds, length_field = _read_length(wire, prefix)
    return VideoWish(
        seconds=seconds,
        length_field=length_field,
        aspect_ratio=_choose_ratio(wire, prefix, warnings),
        resolution=_choose(Resolution, named, Resolution.P720, f"{prefix}{which}"),
        preset=_choose(Preset, wire.preset, Preset.CUSTOM, f"{prefix}preset"),
        upscale=wire.upscale is True or is_high,
    )


def parse_video_references(wire: VideoBody) -> tuple[NamedImage, ...]:
    """Return the pictures that a video begins with.

    Raises:
        InvalidRequestError: there are too many, or some that cannot be had.
    """
    found = find_images(wire, _REFERENCE_FIELDS)
    check_reference_count(len(found))
    return found


def check_reference_count(count: int) -> None:
    """Refuse too many pictures.

    Raises:
        InvalidRequestError: there are.
    """
    if count > MAX_REFERENCES:
        raise refusal(
            f"At most {MAX_REFERENCES} images can be given.",
            "input_reference",
            "too_many_images",
        )


def is_reference_field(name: str) -> bool:
    """Whether a field of a form is for pictures, as any client spells it."""
    return _REFERENCE_FIELD.fullmatch(name) is not None


def parse_form_references(texts: Iterable[tuple[str, str]]) -> tuple[NamedImage, ...]:
    """Return the pictures that a form gives as text: addresses, data URLs or base64.

    `texts` are names and values, a name perhaps several times.

    Raises:
        InvalidRequestError: one is only named by an id.
    """
    given = [
        NamedImage(name, text) for name, text in texts if is_reference_field(name) and text.strip()
    ]
    for named in given:
        if named.param.endswith(_BY_ID):
            raise no_uploads(named.param, "itself")
    return tuple(given)


def ignored_video_fields(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names of a form's fields that change nothing and that a header can hold."""
    return header_names(
        name for name in names if name not in _OPTIONS and not is_reference_field(name)
    )


def _choose(words: type[Word], named: str | None, default: Word, param: str) -> Word:
    text = (named or "").strip().lower()
    if not text:
        return default
    try:
        return words(text)
    except ValueError:
        raise refusal(f"'{param}' is one of: {', '.join(words)}.", param) from None


def _read_length(wire: VideoOptions | VideoConfig, prefix: str) -> tuple[int, str]:
    """Return the length, and where it stands."""
    is_other = wire.seconds is None and wire.video_length is not None
    which = f"{prefix}{'video_length' if is_other else 'seconds'}"
    given = wire.video_length if is_other else wire.seconds
    text = str(DEFAULT_SECONDS if given is None else given).strip()
    if not _WHOLE.fullmatch(text):
        raise refusal(f"'{which}' is a whole number of seconds.", which)
    return int(text), which


def _choose_ratio(wire: VideoOptions | VideoConfig, prefix: str, warnings: list[str]) -> str:
    which = "aspect_ratio" if wire.aspect_ratio else "size"
    named = (wire.aspect_ratio or wire.size or DEFAULT_SIZE).strip()
    if which == "size" and named.lower() in _RATIO_OF_SIZE:
        return _RATIO_OF_SIZE[named.lower()]
    found = find_ratio(named, f"{prefix}{which}")
    if found.warning:
        warnings.append(found.warning)
    return found.ratio or DEFAULT_RATIO


def _wants_high(named: str | None, param: str) -> bool:
    quality = (named or _QUALITIES[0]).strip().lower()
    if quality not in _QUALITIES + _HIGH_QUALITIES:
        words = ", ".join(_QUALITIES + _HIGH_QUALITIES)
        raise refusal(f"'{param}' is one of: {words}.", param)
    return quality in _HIGH_QUALITIES


def _size_text(ratio: str, resolution: Resolution) -> str:
    """Return width and height of a video, as near as a ratio and the lines tell."""
    short = _SHORT_SIDE[resolution]
    left, _, right = ratio.partition(":")
    width, height = float(left), float(right)
    scale = short / min(width, height)
    return f"{_even(width * scale)}x{_even(height * scale)}"


def _even(pixels: float) -> int:
    return 2 * round(pixels / 2)
