"""What a process needs to exist, fixed for its life."""

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

LogFormat = Literal["auto", "json", "console"]


class BootSettings(Struct, frozen=True, kw_only=True):
    """What a process needs to exist: where it listens, its folder, its store, its secrets.

    `extra["key"]` is the key in config.toml; `extra["env"]` the variables read for it besides
    `GROK_<SECTION>_<KEY>`, the first that is set wins.
    """

    host: Annotated[
        str,
        Meta(
            title="Listen address",
            description="Address the gateway listens on; 0.0.0.0 lets other machines in.",
            min_length=1,
            extra={"key": "server.host", "env": ("SERVER_HOST", "HOST")},
        ),
    ] = "127.0.0.1"
    port: Annotated[
        int,
        Meta(
            title="Port",
            description="TCP port the gateway listens on.",
            ge=1,
            le=65535,
            extra={"key": "server.port", "env": ("SERVER_PORT", "PORT")},
        ),
    ] = 8000
    workers: Annotated[
        int,
        Meta(
            title="Worker processes",
            description="Web workers; limits stay exact at any number of them.",
            ge=1,
            le=256,
            extra={"key": "server.workers", "env": ("SERVER_WORKERS", "WEB_CONCURRENCY")},
        ),
    ] = 2
    graceful_timeout_s: Annotated[
        int,
        Meta(
            title="Drain time",
            description="How long running answers may go on after a stop was asked for.",
            ge=6,
            le=3600,
            extra={"key": "server.graceful_timeout_s", "env": ()},
        ),
    ] = 60
    forwarded_allow_ips: Annotated[
        tuple[str, ...],
        Meta(
            title="Trusted proxies",
            description=(
                "Proxies whose X-Forwarded-For, -Proto and -Host count: addresses or networks; "
                '"*": whoever connects, and only the last address he names.'
            ),
            extra={"key": "server.forwarded_allow_ips", "env": ("FORWARDED_ALLOW_IPS",)},
        ),
    ] = ("127.0.0.1", "::1")
    data_dir: Annotated[
        Path,
        Meta(
            title="Data folder",
            description="Folder for config.toml, the secret key and the embedded store.",
            extra={"key": "", "env": ("DATA_DIR",)},
        ),
    ] = Path("data")
    redis_url: Annotated[
        str,
        Meta(
            title="Redis or Valkey",
            description="URL of the store; empty: `serve` starts a private one in the data folder.",
            pattern=r"^((rediss?(\+(sentinel|cluster))?|unix)://\S+)?$",
            extra={
                "secret": True,
                "form": "a redis://, rediss://, unix://, redis+sentinel:// or redis+cluster:// URL",
                "key": "store.redis_url",
                "env": (
                    "GROK2API_REDIS_URL",
                    "REDIS_URL",
                    "ACCOUNT_REDIS_URL",
                    "SERVER_STORAGE_URL",
                ),
            },
        ),
    ] = ""
    secret_keys: Annotated[
        tuple[bytes, ...],
        Meta(
            title="Secret keys",
            description="Keys that encrypt account secrets, newest first; 32 bytes each.",
            extra={"secret": True, "key": "", "env": ("GROK2API_SECRET_KEY",)},
        ),
    ] = ()
    log_format: Annotated[
        LogFormat,
        Meta(
            title="Log format",
            description="auto: readable text on a terminal, JSON elsewhere.",
            extra={"key": "logging.format", "env": ("LOG_FORMAT",)},
        ),
    ] = "auto"
    log_file: Annotated[
        str,
        Meta(
            title="Log file",
            description=(
                "File that all processes write their lines to as well, as JSON; in the data folder "
                "unless it begins with a slash. Empty: none."
            ),
            extra={"key": "logging.file", "env": ("LOG_FILE",)},
        ),
    ] = ""
    tracing_endpoint: Annotated[
        str,
        Meta(
            title="Trace collector",
            description=(
                "Address of an OTLP collector (HTTP) that gets spans of every request; needs "
                "`pip install '.[tracing]'`. Empty: none are made."
            ),
            pattern=r"^(https?://\S+)?$",
            extra={
                "form": "an http or https address",
                "key": "tracing.endpoint",
                "env": ("OTEL_EXPORTER_OTLP_ENDPOINT",),
            },
        ),
    ] = ""

    def __repr__(self) -> str:
        return (
            f"BootSettings(host={self.host!r}, port={self.port}, data_dir={str(self.data_dir)!r})"
        )
