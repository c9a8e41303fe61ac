"""Messages of grok.com about pictures: what it is asked, and the fields of its answers we read."""

from typing import Any

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from grok2api.providers.grok_web.wire import ENCODER

__all__ = [
    "ENCODER",
    "IMAGINE_MESSAGE",
    "EditConfig",
    "EditPayload",
    "ImageToImage",
    "ImagineMessage",
    "ImagineProperties",
    "OlderEditPayload",
    "PostPayload",
]


class ImagineMessage(Struct, gc=False):
    """One message of the Imagine socket; `blob` stays as it came until somebody wants it."""

    type: Any = None
    current_status: Any = None
    image_id: Any = None
    job_id: Any = None
    id: Any = None
    url: Any = None
    blob: Raw = Raw(b"")
    percentage_complete: Any = None
    side_by_side_index: Any = None
    order: Any = None
    grid_index: Any = None
    moderated: Any = None
    err_code: Any = None
    err_msg: Any = None


IMAGINE_MESSAGE = msgspec.json.Decoder(ImagineMessage)


class ImagineProperties(Struct, frozen=True, kw_only=True):
    """`properties` of a request on the Imagine socket."""

    section_count: int = 0
    is_kids_mode: bool = False
    enable_nsfw: bool
    skip_upsampler: bool = False
    enable_side_by_side: bool = True
    is_initial: bool = False
    aspect_ratio: str
    enable_pro: bool
    num_generations: int


class ImageToImage(Struct, frozen=True, kw_only=True, rename="camel"):
    """What the current form of an edit is made from; `input_assets` are ids of uploaded files."""

    prompt: str
    input_assets: tuple[str, ...]
    aspect_ratio: str | UnsetType = UNSET


class EditPayload(Struct, frozen=True, kw_only=True, rename="camel"):
    """Body of an edit as the page sends it: these six members and no other."""

    model_name: str = "imagine-image-edit"
    message: str
    enable_image_streaming: bool = True
    enable_side_by_side: bool = True
    send_final_metadata: bool = True
    media_gen_input: dict[str, ImageToImage]


class EditConfig(Struct, frozen=True, kw_only=True, rename="camel"):
    """What the older form of an edit is made from; `image_references` are URLs."""

    image_references: tuple[str, ...]
    parent_post_id: str
    aspect_ratio: str | UnsetType = UNSET


class OlderEditPayload(Struct, frozen=True, kw_only=True, rename="camel"):
    """Body of an edit as the page sent it before."""

    temporary: bool = True
    model_name: str = "imagine-image-edit"
    message: str
    enable_image_generation: bool = True
    return_image_bytes: bool = False
    return_raw_grok_in_xai_request: bool = False
    enable_image_streaming: bool = True
    image_generation_count: int = 2
    force_concise: bool = False
    enable_side_by_side: bool = True
    send_final_metadata: bool = True
    is_reasoning: bool = False
    disable_text_follow_ups: bool = True
    response_metadata: dict[str, Any]
    disable_memory: bool = True
    force_side_by_side: bool = False


class PostPayload(Struct, frozen=True, kw_only=True, rename="camel"):
    """Body of `POST /rest/media/post/create` for a picture."""

    media_type: str = "MEDIA_POST_TYPE_IMAGE"
    prompt: str
