"""What clients may do at the edge."""

from typing import Annotated

from msgspec import Meta, Struct


class SecuritySettings(Struct, frozen=True, kw_only=True):
    """What a client may do."""

    allow_anonymous_api: Annotated[
        bool,
        Meta(title="Anonymous API", description="Answer requests without any client key."),
    ] = False
    max_body_mb: Annotated[
        int, Meta(title="Body size", description="Largest request body.", ge=1, le=1024)
    ] = 32
    header_timeout_s: Annotated[
        float, Meta(title="Headers", description="Until request headers are in.", gt=0, le=600)
    ] = 10.0
    body_idle_timeout_s: Annotated[
        float, Meta(title="Body pause", description="Longest pause in a body.", gt=0, le=600)
    ] = 30.0
    cors_origins: Annotated[
        tuple[str, ...],
        Meta(
            title="CORS origins",
            description="Web pages that may call the API, as https://host; empty: none.",
        ),
    ] = ()
    rate_limit_enabled: Annotated[
        bool,
        Meta(title="Limit by address", description="Limit the requests of each client address."),
    ] = False
    rate_limit_per_minute: Annotated[
        int,
        Meta(
            title="Requests by address",
            description="Requests of one client address in the long run.",
            ge=1,
            le=1_000_000,
        ),
    ] = 120
    rate_limit_burst: Annotated[
        int,
        Meta(
            title="Burst by address",
            description="Requests that an address may send at once after a pause.",
            ge=1,
            le=1_000_000,
        ),
    ] = 60
    metrics_token: Annotated[
        str,
        Meta(
            title="Metrics token",
            description=(
                "Opens /metrics as a Bearer token; empty: only the administrator's password does."
            ),
            pattern=r"^(\S{16,})?$",
            extra={"secret": True, "form": "at least 16 characters without spaces"},
        ),
    ] = ""

    def __repr__(self) -> str:
        return "SecuritySettings(…)"
