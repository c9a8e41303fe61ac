"""`image_config` and `video_config` of a chat: what is wanted, checked."""

from typing import Final

import msgspec

from grok2api.dialects.fields import refusal
from grok2api.dialects.openai_image_sizes import find_ratio
from grok2api.dialects.openai_videos_request import parse_video_wish
from grok2api.domain.images import MAX_PICTURES, ImageWay, ImageWish
from grok2api.domain.video import VideoWish
from grok2api.wire.openai.media_config import ImageConfig, VideoConfig

_MOST_PICTURES: Final = max(MAX_PICTURES.values())
_FORMATS: Final = {"url": False, "b64_json": True}


def parse_image_config(wire: ImageConfig | None) -> ImageWish:
    """Return what a chat wants of its pictures; what the model can do is checked later.

    Raises:
        InvalidRequestError: a value is out of bounds; `param` names it.
    """
    if wire is None:
        return ImageWish()
    n = 1 if wire.n is None else wire.n
    if not 1 <= n <= _MOST_PICTURES:
        raise refusal(f"'image_config.n' is 1 to {_MOST_PICTURES}.", "image_config.n")
    named = (wire.response_format or "").strip().lower()
    if named and named not in _FORMATS:
        raise refusal(
            f"'image_config.response_format' is one of: {', '.join(_FORMATS)}.",
            "image_config.response_format",
        )
    which = "aspect_ratio" if wire.aspect_ratio else "size"
    found = find_ratio(wire.aspect_ratio or wire.size or "", f"image_config.{which}")
    return ImageWish(
        n=n,
        aspect_ratio=found.ratio,
        is_inline=_FORMATS.get(named, False),
        warning=found.warning,
    )


def fit_images(wish: ImageWish, way: ImageWay | None) -> ImageWish:
    """Return what becomes of `wish` with a model that makes pictures in this way."""
    match way:
        case None:
            return msgspec.structs.replace(wish, warning="")
        case ImageWay.LITE if wish.aspect_ratio:
            warning = "image_config: this model chooses the aspect ratio itself"
            return msgspec.structs.replace(wish, aspect_ratio="", warning=warning)
        case _:
            return wish


def parse_video_config(wire: VideoConfig | None) -> VideoWish:
    """Return what a chat wants of its video; whether it can be so long is checked later.

    Raises:
        InvalidRequestError: a value is none that is known; `param` names it.
    """
    return VideoWish() if wire is None else parse_video_wish(wire, [], "video_config.")
