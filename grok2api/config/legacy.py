"""Names and values of older configuration files, as data: what each is called today."""

from collections.abc import Callable, Mapping

from msgspec import Struct

PLACEHOLDERS = frozenset({"grok2api", "CHANGE_ME_NOW"})
"""Values that example files carry where a secret belongs: everybody knows them."""

IGNORED_VARIABLES = (
    "ACCOUNT_MYSQL_URL",
    "ACCOUNT_POSTGRESQL_URL",
    "ACCOUNT_LOCAL_PATH",
    "CONFIG_LOCAL_PATH",
)
"""Variables of older versions that have no counterpart: reported when they are set."""


LOG_SWITCH, LOG_FOLDER, LOG_NAME = "LOG_FILE_ENABLED", "LOG_DIR", "grok2api.log"
"""Variables of older versions, and how the file in that folder is called."""
DEFAULT_LOG_FOLDER = "logs"

_OLD_BASIC_INTERVAL_S = 36_000


def _same(value: object, _file: Mapping[str, object]) -> object:
    return value


def _one_more(value: object, _file: Mapping[str, object]) -> object:
    """Repeats become attempts."""
    return value + 1 if isinstance(value, int) and not isinstance(value, bool) else value


def _not(value: object, _file: Mapping[str, object]) -> object:
    return not value if isinstance(value, bool) else value


def _clearance(value: object, _file: Mapping[str, object]) -> object:
    """Older files held the bare value of this one cookie."""
    is_bare = isinstance(value, str) and "=" not in value
    return f"cf_clearance={value}" if is_bare else value


def _single_proxy_only(value: object, file: Mapping[str, object]) -> object:
    """The address counted only in this mode; it must not come into force by itself."""
    return value if file.get("proxy.egress.mode") == "single_proxy" else ""


def _not_the_old_default(value: object, _file: Mapping[str, object]) -> object:
    """Older versions wrote their default into the file, and moved it to a day themselves."""
    return "" if value == _OLD_BASIC_INTERVAL_S else value


def _old_image_format(value: object, _file: Mapping[str, object]) -> object:
    """Other words of older files; `url` was a link to the gateway."""
    return {"url": "local_url", "markdown": "local_md"}.get(str(value), value)


def _old_video_format(value: object, _file: Mapping[str, object]) -> object:
    return {"url": "local_url", "html": "local_html", "markdown": "local_url"}.get(
        str(value), value
    )


def _not_negative(value: object, _file: Mapping[str, object]) -> object:
    """Below zero meant no limit."""
    return max(value, 0) if isinstance(value, int) else value


class Alias(Struct, frozen=True):
    """An old key, its key of today, and how its value reads today.

    `translate` gets the value and all old keys beside it. An empty text counts as not set.
    """

    old: str
    new: str
    translate: Callable[[object, Mapping[str, object]], object] = _same


# In rising order of weight: where two old keys mean one new key, the later one wins.
ALIASES = (
    Alias("account.selection.max_inflight", "account.max_concurrency"),
    Alias("token.selection_strategy", "account.selection.strategy"),
    Alias(
        "account.refresh.basic_interval_sec",
        "account.refresh.basic_interval_s",
        _not_the_old_default,
    ),
    Alias("account.refresh.super_interval_sec", "account.refresh.super_interval_s"),
    Alias("account.refresh.heavy_interval_sec", "account.refresh.heavy_interval_s"),
    Alias("account.refresh.usage_concurrency", "account.refresh.concurrency"),
    Alias("account.refresh.on_demand_min_interval_sec", "account.refresh.on_demand_min_interval_s"),
    Alias("app.app_password", "app.app_key"),
    Alias("app.disable_memory", "features.memory", _not),
    Alias("app.stream", "features.stream"),
    Alias("app.temporary", "features.temporary"),
    Alias("app.thinking", "features.thinking"),
    Alias("app.image_format", "features.image_format", _old_image_format),
    Alias("app.video_format", "features.video_format", _old_video_format),
    Alias("image.timeout", "image.timeout_s"),
    Alias("image.stream_timeout", "image.idle_timeout_s"),
    Alias("image.nsfw", "features.enable_nsfw"),
    Alias("image.image_ws_nsfw", "features.enable_nsfw"),
    Alias("image.image_ws_final_min_bytes", "image.final_min_bytes"),
    Alias("image.image_ws_blocked_seconds", "image.final_timeout_s"),
    Alias("image.final_timeout", "image.final_timeout_s"),
    Alias("video.timeout", "video.idle_timeout_s"),
    Alias("video.stream_timeout", "video.idle_timeout_s"),
    Alias("timeout.video_idle_timeout", "video.idle_timeout_s"),
    Alias("cache.image_limit_mb", "cache.local.image_max_mb", _not_negative),
    Alias("cache.video_limit_mb", "cache.local.video_max_mb", _not_negative),
    Alias("cache.cleanup_target_ratio", "cache.local.low_water"),
    Alias("cache.cleanup_interval_sec", "cache.local.clean_interval_s"),
    Alias("asset.upload_timeout", "files.upload_timeout_s"),
    Alias("batch.asset_upload_concurrency", "files.upload_concurrency"),
    Alias("batch.refresh_concurrency", "batch.concurrency"),
    Alias("chat.disable_memory", "features.memory", _not),
    Alias("chat.stream", "features.stream"),
    Alias("chat.temporary", "features.temporary"),
    Alias("chat.thinking", "features.thinking"),
    Alias("timeout.stream_idle_timeout", "chat.idle_timeout_s"),
    Alias("chat.timeout", "chat.idle_timeout_s"),
    Alias("chat.stream_timeout", "chat.idle_timeout_s"),
    Alias("chat.stream_first_timeout", "chat.first_event_timeout_s"),
    Alias("chat.stream_total_timeout", "chat.total_timeout_s"),
    Alias("network.base_proxy_url", "proxy.url"),
    Alias("proxy.base_proxy_url", "proxy.url"),
    Alias("proxy.proxy_url", "proxy.url"),
    Alias("proxy.egress.proxy_url", "proxy.url", _single_proxy_only),
    Alias("security.cf_clearance", "proxy.cf_cookies", _clearance),
    Alias("proxy.clearance.cf_clearance", "proxy.cf_cookies", _clearance),
    Alias("proxy.clearance.cf_cookies", "proxy.cf_cookies"),
    Alias("proxy.cf_clearance", "proxy.cf_cookies", _clearance),
    Alias("security.browser", "upstream.browser"),
    Alias("proxy.clearance.browser", "upstream.browser"),
    Alias("proxy.browser", "upstream.browser"),
    Alias("security.user_agent", "upstream.user_agent"),
    Alias("proxy.clearance.user_agent", "upstream.user_agent"),
    Alias("proxy.user_agent", "upstream.user_agent"),
    Alias("retry.max_retries", "retry.max_attempts", _one_more),
    Alias("retry.max_retry", "retry.max_attempts"),
    Alias("retry.retry_backoff_base", "retry.base_delay_s"),
    Alias("retry.retry_backoff_max", "retry.max_delay_s"),
    Alias("retry.retry_budget", "retry.budget_s"),
    Alias("security.cors_allow_origins", "security.cors_origins"),
    Alias("security.max_body_size_mb", "security.max_body_mb"),
    Alias("security.trusted_proxy_ips", "server.forwarded_allow_ips"),
    Alias("logging.file_level", "logging.level"),
    Alias("logging.max_files", "logging.file_backups"),
    Alias("logs.max_len", "stats.log_max_entries"),
    Alias("stats.hourly_keep", "stats.hourly_retention_h"),
    Alias("stats.hourly_retention", "stats.hourly_retention_h"),
    Alias("stats.daily_keep", "stats.daily_retention_d"),
    Alias("stats.daily_retention", "stats.daily_retention_d"),
    Alias("stats.flush_interval_sec", "stats.flush_interval_s"),
    Alias("performance.sse_keepalive_sec", "stream.keep_alive_s"),
)
