"""What a client may post to have pictures edited and videos made, key by key, in both forms."""

import msgspec
from msgspec import UNSET, Struct, UnsetType

from grok2api.simulator.frames.edit_payloads import (
    EditPost,
    OlderEditPost,
    check_edit,
    check_older_edit,
)
from grok2api.simulator.frames.video_payloads import (
    OlderVideoPost,
    VideoPost,
    check_older_video,
    check_video,
)

MediaPost = EditPost | OlderEditPost | VideoPost | OlderVideoPost


class _Glance(Struct):
    """What tells the forms apart."""

    modelName: str = ""  # noqa: N815
    mediaGenInput: msgspec.Raw | UnsetType = UNSET  # noqa: N815


_GLANCE = msgspec.json.Decoder(_Glance)
_EDIT = msgspec.json.Decoder(EditPost)
_OLDER_EDIT = msgspec.json.Decoder(OlderEditPost)
_VIDEO = msgspec.json.Decoder(VideoPost)
_OLDER_VIDEO = msgspec.json.Decoder(OlderVideoPost)


def is_media_post(body: bytes) -> bool:
    """Whether a new conversation is about a picture or a video."""
    try:
        return _GLANCE.decode(body).modelName.startswith("imagine-")
    except msgspec.DecodeError:
        return False


def read_media_post(body: bytes) -> MediaPost:
    """Read a body of one of the four forms.

    Raises:
        msgspec.DecodeError: it has a key too many or too few.
    """
    glance = _GLANCE.decode(body)
    is_current = glance.mediaGenInput is not UNSET
    if glance.modelName == "imagine-image-edit":
        return _EDIT.decode(body) if is_current else _OLDER_EDIT.decode(body)
    return _VIDEO.decode(body) if is_current else _OLDER_VIDEO.decode(body)


def check_media_post(post: MediaPost) -> list[str]:
    """Return what is wrong with a body whose keys are right, whoever sends it."""
    problems = [] if post.message.strip() else ["message is empty"]
    match post:
        case EditPost():
            return problems + check_edit(post)
        case OlderEditPost():
            return problems + check_older_edit(post)
        case VideoPost():
            return problems + check_video(post)
        case OlderVideoPost():
            return problems + check_older_video(post)
