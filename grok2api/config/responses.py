"""Settings of responses that are kept."""

from typing import Annotated

from msgspec import Meta, Struct


class ResponsesSettings(Struct, frozen=True, kw_only=True):
    """Responses that clients may read again, continue, or have made in the background."""

    keep_s: Annotated[
        float,
        Meta(
            title="Kept for",
            description="How long a response is kept, and after it was continued; "
            "`store: false` in a request keeps nothing.",
            ge=60,
            le=2_592_000,
        ),
    ] = 86_400.0
    max_count: Annotated[
        int,
        Meta(
            title="Responses of a key",
            description="More of one client key make the oldest go.",
            ge=1,
            le=100_000,
        ),
    ] = 1000
    max_mb: Annotated[
        int,
        Meta(
            title="Size for a key",
            description="More than this of one client key makes the oldest go.",
            ge=1,
            le=4096,
        ),
    ] = 32
    max_background: Annotated[
        int,
        Meta(
            title="In the background",
            description="Background responses that one worker process makes at the same time.",
            ge=1,
            le=10_000,
        ),
    ] = 64
