"""What a chat with a model of pictures or videos may say of them besides its messages."""

from msgspec import Struct


class ImageConfig(Struct, frozen=True, kw_only=True):
    """How pictures shall be; everything may be left out."""

    n: int | None = None
    size: str | None = None
    aspect_ratio: str | None = None
    response_format: str | None = None
