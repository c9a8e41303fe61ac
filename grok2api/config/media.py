"""Settings of pictures and videos: making them, keeping them, linking to them."""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

LinkMode = Literal["signed", "key", "open"]
MediaProtocol = Literal["auto", "current", "older"]


class ImageSettings(Struct, frozen=True, kw_only=True):
    """Making pictures."""

    timeout_s: Annotated[
        float, Meta(title="Total", description="Until all pictures are made.", gt=0, le=3600)
    ] = 180.0
    first_event_timeout_s: Annotated[
        float, Meta(title="First sign", description="Until work has begun.", gt=0, le=3600)
    ] = 60.0
    idle_timeout_s: Annotated[
        float, Meta(title="Silence", description="Longest silence of the site.", gt=0, le=3600)
    ] = 60.0
    edit_protocol: Annotated[
        MediaProtocol,
        Meta(
            title="Edit protocol",
            description="current: as the site's page does it; older: as before; auto: current.",
        ),
    ] = "auto"
    final_min_bytes: Annotated[
        int,
        Meta(
            title="Final picture",
            description="Base64 characters that make a picture final where its state is not told.",
            ge=1,
        ),
    ] = 100_000
    final_timeout_s: Annotated[
        float,
        Meta(
            title="Blocked",
            description="Where no state is told, a picture unfinished for so long is blocked.",
            gt=0,
            le=600,
        ),
    ] = 15.0
    max_mb: Annotated[
        int, Meta(title="Picture size", description="Largest picture fetched.", ge=1, le=1024)
    ] = 32


class VideoSettings(Struct, frozen=True, kw_only=True):
    """Making videos; each is a job that outlives the process which began it."""

    timeout_s: Annotated[
        float, Meta(title="Total", description="Longest making of one part.", gt=0, le=7200)
    ] = 900.0
    idle_timeout_s: Annotated[
        float, Meta(title="Silence", description="Longest silence of the site.", gt=0, le=3600)
    ] = 180.0
    find_timeout_s: Annotated[
        float,
        Meta(
            title="Search",
            description="How long the video of a process that died is looked for.",
            ge=0,
            le=7200,
        ),
    ] = 600.0
    protocol: Annotated[
        MediaProtocol,
        Meta(
            title="Protocol",
            description=(
                "auto: the site's current one, and the older one where only that can do what is "
                "asked (references, long videos)."
            ),
        ),
    ] = "auto"
    max_mb: Annotated[
        int, Meta(title="Video size", description="Largest video fetched.", ge=1, le=65_536)
    ] = 1024
    keep_s: Annotated[
        float,
        Meta(
            title="Kept for",
            description="How long a job can be asked about after its end.",
            ge=60,
            le=31_536_000,
        ),
    ] = 604_800.0
    max_jobs_per_key: Annotated[
        int,
        Meta(
            title="Jobs of a key",
            description="Unfinished videos of one client key at the same time.",
            ge=1,
            le=10_000,
        ),
    ] = 20
    concurrency: Annotated[
        int,
        Meta(title="Jobs at once", description="Videos made at once, per worker.", ge=1, le=1000),
    ] = 20


class MediaSettings(Struct, frozen=True, kw_only=True):
    """Where pictures and videos are kept, and who may open their links."""

    url: Annotated[
        str,
        Meta(
            title="Store",
            description="Folder in a bucket of any S3-compatible store; empty: the data folder.",
            pattern=r"^(s3://[a-z0-9][a-z0-9.-]+(/[A-Za-z0-9._/-]*)?)?$",
            extra={"form": "an s3://bucket/folder address"},
        ),
    ] = ""
    s3_endpoint: Annotated[
        str,
        Meta(
            title="S3 address",
            description="Address of the S3 service; empty: Amazon's.",
            pattern=r"^(https?://\S+)?$",
            extra={"form": "an http or https address"},
        ),
    ] = ""
    s3_region: Annotated[
        str, Meta(title="S3 region", description="Region of the bucket.", pattern=r"^[a-z0-9-]+$")
    ] = "us-east-1"
    s3_access_key: Annotated[
        str,
        Meta(title="S3 access key", description="Name of the S3 key.", extra={"secret": True}),
    ] = ""
    s3_secret_key: Annotated[
        str,
        Meta(title="S3 secret key", description="Secret of the S3 key.", extra={"secret": True}),
    ] = ""
    link_mode: Annotated[
        LinkMode,
        Meta(
            title="Links",
            description=(
                "signed: a link opens by itself until it expires; key: only with a client key; "
                "open: for everybody who has it, without end."
            ),
        ),
    ] = "signed"
    link_ttl_s: Annotated[
        float,
        Meta(
            title="Link lifetime",
            description="How long a signed link opens; 0: without end.",
            ge=0,
            le=31_536_000,
        ),
    ] = 604_800.0

    def __repr__(self) -> str:
        return f"MediaSettings(url={self.url!r}, link_mode={self.link_mode!r})"


class LocalCacheSettings(Struct, frozen=True, kw_only=True):
    """How much is kept. Over a limit, what was unused for longest goes."""

    image_max_mb: Annotated[
        int, Meta(title="Images", description="Limit of all images; 0: none.", ge=0)
    ] = 0
    video_max_mb: Annotated[
        int, Meta(title="Videos", description="Limit of all videos; 0: none.", ge=0)
    ] = 0
    low_water: Annotated[
        float,
        Meta(
            title="Low water",
            description="A clean-up goes down to this share of the limit.",
            ge=0.1,
            le=1,
        ),
    ] = 0.6
    clean_interval_s: Annotated[
        float,
        Meta(title="Clean-up", description="How often limits are looked at.", ge=1, le=86_400),
    ] = 30.0
    reconcile_interval_s: Annotated[
        float,
        Meta(
            title="Reconciliation",
            description="How often index and store are compared, after a crash for example.",
            ge=10,
            le=604_800,
        ),
    ] = 3600.0


class CacheSettings(Struct, frozen=True, kw_only=True):
    """What is kept of pictures and videos."""

    local: LocalCacheSettings = field(default_factory=LocalCacheSettings)
