"""What a chat with a model of pictures or videos may say of them besides its messages."""

from msgspec import Struct


class ImageConfig(Struct, frozen=True, kw_only=True):
    """How pictures shall be; everything may be left out."""

    n: int | None = None
    size: str | None = None
    aspect_ratio: str | None = None
    response_format: str | None = None


class VideoConfig(Struct, frozen=True, kw_only=True):
    """How a video shall be; `video_length` and `resolution` are other names."""

    seconds: int | str | None = None
    video_length: int | str | None = None
    size: str | None = None
    aspect_ratio: str | None = None
    resolution_name: str | None = None
    resolution: str | None = None
    preset: str | None = None
    quality: str | None = None
    upscale: bool | None = None
