"""Videos as on the wire: the request, the job, the list."""

from msgspec import UNSET, Raw, Struct, UnsetType

_NOTHING = Raw(b"")


# -- the request. Unknown fields are ignored, and null is as good as absent.


class VideoOptions(Struct, frozen=True, kw_only=True):
    """What can be said of a video, by names of several APIs; the first four are OpenAI's.

    `video_length` and `resolution` are other names of `seconds` and `resolution_name`.
    """

    model: str | None = None
    prompt: str | None = None
    seconds: int | str | None = None
    size: str | None = None
    video_length: int | str | None = None
    aspect_ratio: str | None = None
    resolution_name: str | None = None
    resolution: str | None = None
    preset: str | None = None
    quality: str | None = None
    upscale: bool | None = None


class VideoBody(VideoOptions, frozen=True, kw_only=True):
    """A request as JSON; the fields that are `Raw` hold pictures that it begins with."""

    input_reference: Raw = _NOTHING
    input_references: Raw = _NOTHING
    image: Raw = _NOTHING
    images: Raw = _NOTHING
    image_url: Raw = _NOTHING


# -- the answers.


class VideoErrorOut(Struct, frozen=True):
    """Why there is no video."""

    code: str
    message: str


class VideoOut(Struct, frozen=True, kw_only=True):
    """A job. `url` is a link to the finished video, which OpenAI's API does not have."""

    id: str
    object: str = "video"
    created_at: int
    status: str
    model: str
    progress: int
    prompt: str
    seconds: str
    size: str
    quality: str
    completed_at: int | None = None
    expires_at: int | None = None
    error: VideoErrorOut | None = None
    remixed_from_video_id: str | None = None
    url: str | UnsetType = UNSET


class VideoListOut(Struct, frozen=True, kw_only=True):
    """A page of jobs."""

    object: str = "list"
    data: list[VideoOut]
    first_id: str | None
    last_id: str | None
    has_more: bool


class VideoDeletedOut(Struct, frozen=True, kw_only=True):
    """A job that is not there any more."""

    id: str
    object: str = "video.deleted"
    deleted: bool = True
