"""Every setting: name, type, bounds, default and what it is for. The only place for any of these.

`Settings` is everything that shapes behaviour; `BootSettings` is what a process needs to exist. A
unit is part of the name (`_s` seconds, `_mb` megabytes). Secrets carry `extra={"secret": True}`.
"""

from typing import Annotated

from msgspec import Meta, Struct, field

from grok2api.config.accounts import AccountSettings, RefreshSettings, SelectionSettings
from grok2api.config.attachments import FileSettings
from grok2api.config.boot import BootSettings
from grok2api.config.features import FeatureSettings
from grok2api.config.logs import LoggingSettings
from grok2api.config.media import CacheSettings, ImageSettings, MediaSettings, VideoSettings
from grok2api.config.responses import ResponsesSettings
from grok2api.config.security import SecuritySettings
from grok2api.config.site import ProxySettings, UpstreamSettings
from grok2api.config.stats import StatsSettings

__all__ = [
    "AccountSettings",
    "AppSettings",
    "BatchSettings",
    "BootSettings",
    "CacheSettings",
    "ChatSettings",
    "FeatureSettings",
    "FileSettings",
    "ImageSettings",
    "LoggingSettings",
    "MaintenanceSettings",
    "MediaSettings",
    "ModelSettings",
    "PerformanceSettings",
    "ProxySettings",
    "RefreshSettings",
    "ResponsesSettings",
    "RetrySettings",
    "SecuritySettings",
    "SelectionSettings",
    "Settings",
    "StatsSettings",
    "StreamSettings",
    "UpstreamSettings",
    "VideoSettings",
]


class AppSettings(Struct, frozen=True, kw_only=True):
    """Who may use the gateway, and where it is reached from outside."""

    api_key: Annotated[
        tuple[str, ...],
        Meta(
            title="Client keys",
            description="Client keys set here, besides those made with `grok2api keys create`.",
            extra={"secret": True},
        ),
    ] = ()
    app_key: Annotated[
        str,
        Meta(
            title="Administrator password",
            description="Password of the pages; empty: the one made at the first start.",
            extra={"secret": True},
        ),
    ] = ""
    app_url: Annotated[
        str,
        Meta(
            title="Public address",
            description="Address clients reach the gateway at, for pages and links.",
            pattern=r"^(https?://\S+)?$",
            extra={"form": "an http or https address"},
        ),
    ] = ""

    def __repr__(self) -> str:
        return "AppSettings(…)"


class ModelSettings(Struct, frozen=True, kw_only=True):
    """By which names models are offered."""

    aliases: Annotated[
        dict[str, str],
        Meta(
            title="Aliases",
            description=(
                "More names of models, as alias = model; they are listed too. An alias that ends "
                'in "*" stands for all names that begin so, and is not listed.'
            ),
        ),
    ] = {}


class RetrySettings(Struct, frozen=True, kw_only=True):
    """Failover between accounts, up to the first byte of the answer."""

    max_attempts: Annotated[
        int, Meta(title="Attempts", description="Accounts tried for one request.", ge=1, le=20)
    ] = 3
    budget_s: Annotated[
        float,
        Meta(
            title="Budget",
            description="No further attempt begins this long after the request came.",
            ge=0,
            le=3600,
        ),
    ] = 60.0
    base_delay_s: Annotated[
        float,
        Meta(title="First pause", description="Longest pause before the 2nd attempt.", ge=0, le=60),
    ] = 0.2
    max_delay_s: Annotated[
        float, Meta(title="Longest pause", description="Pauses double up to this.", ge=0, le=300)
    ] = 5.0


class ChatSettings(Struct, frozen=True, kw_only=True):
    """Deadlines of one chat turn."""

    connect_timeout_s: Annotated[
        float, Meta(title="Connect", description="Until the connection stands.", gt=0, le=600)
    ] = 20.0
    first_event_timeout_s: Annotated[
        float,
        Meta(title="First event", description="Until the first visible event.", gt=0, le=3600),
    ] = 60.0
    idle_timeout_s: Annotated[
        float, Meta(title="Silence", description="Longest silence of the upstream.", gt=0, le=3600)
    ] = 90.0
    total_timeout_s: Annotated[
        float, Meta(title="Total", description="Longest whole answer.", gt=0, le=86_400)
    ] = 600.0


class StreamSettings(Struct, frozen=True, kw_only=True):
    """How streamed answers begin and stay alive."""

    commit_after_s: Annotated[
        float,
        Meta(
            title="Commit",
            description="The status line waits this long for the first event.",
            ge=0,
            le=600,
        ),
    ] = 10.0
    keep_alive_s: Annotated[
        float,
        Meta(
            title="Keep-alive",
            description="A comment, or a ping, is sent after this much silence.",
            ge=1,
            le=600,
        ),
    ] = 10.0


class PerformanceSettings(Struct, frozen=True, kw_only=True):
    """Sizes, per worker process. Read at start."""

    upstream_connections: Annotated[
        int,
        Meta(title="Upstream connections", description="Open upstream calls.", ge=1, le=65_535),
    ] = 512
    redis_connections: Annotated[
        int, Meta(title="Store connections", description="Open store calls.", ge=1, le=4096)
    ] = 64


class MaintenanceSettings(Struct, frozen=True, kw_only=True):
    """Work that goes on by itself. Any number of processes may do it; one leads."""

    leader_ttl_s: Annotated[
        float,
        Meta(
            title="Leader lifetime",
            description="After a crash of the leading process another one leads this soon.",
            ge=1,
            le=300,
        ),
    ] = 10.0
    lease_reap_interval_s: Annotated[
        float,
        Meta(
            title="Freeing of slots",
            description="How often lost slots and rested accounts are freed when no request comes.",
            ge=0.1,
            le=300,
        ),
    ] = 5.0


class BatchSettings(Struct, frozen=True, kw_only=True):
    """Operations over many accounts, such as removing thousands of them."""

    concurrency: Annotated[
        int,
        Meta(
            title="Concurrent accounts",
            description="Accounts worked on at the same time, over all batches.",
            ge=1,
            le=1000,
        ),
    ] = 50
    keep_s: Annotated[
        float,
        Meta(
            title="Kept for",
            description="How long a batch that has ended is kept, with what it exported.",
            ge=60,
            le=2_592_000,
        ),
    ] = 86_400.0


class Settings(Struct, frozen=True, kw_only=True):
    """Everything that shapes behaviour; a request takes it once and uses it to its end."""

    logging: LoggingSettings = field(default_factory=LoggingSettings)
    app: AppSettings = field(default_factory=AppSettings)
    features: FeatureSettings = field(default_factory=FeatureSettings)
    models: ModelSettings = field(default_factory=ModelSettings)
    retry: RetrySettings = field(default_factory=RetrySettings)
    account: AccountSettings = field(default_factory=AccountSettings)
    chat: ChatSettings = field(default_factory=ChatSettings)
    upstream: UpstreamSettings = field(default_factory=UpstreamSettings)
    proxy: ProxySettings = field(default_factory=ProxySettings)
    stream: StreamSettings = field(default_factory=StreamSettings)
    security: SecuritySettings = field(default_factory=SecuritySettings)
    performance: PerformanceSettings = field(default_factory=PerformanceSettings)
    maintenance: MaintenanceSettings = field(default_factory=MaintenanceSettings)
    batch: BatchSettings = field(default_factory=BatchSettings)
    responses: ResponsesSettings = field(default_factory=ResponsesSettings)
    files: FileSettings = field(default_factory=FileSettings)
    image: ImageSettings = field(default_factory=ImageSettings)
    video: VideoSettings = field(default_factory=VideoSettings)
    media: MediaSettings = field(default_factory=MediaSettings)
    cache: CacheSettings = field(default_factory=CacheSettings)
    stats: StatsSettings = field(default_factory=StatsSettings)
