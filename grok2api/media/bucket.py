"""The bucket of an S3-compatible store that settings name."""

from datetime import timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from obstore.exceptions import BaseError
from obstore.store import S3Store

from grok2api.config.media import MediaSettings
from grok2api.errors import SettingsError

if TYPE_CHECKING:
    from obstore.store import S3Config

_SHORT_S: Final = 60.0


def open_bucket(settings: MediaSettings) -> S3Store:
    """Return the bucket that `media.url` names; it is not asked.

    Raises:
        SettingsError: the address makes no sense.
    """
    try:
        return _open_s3(settings)
    except (BaseError, ValueError) as error:
        raise SettingsError("media.url and media.s3_* do not name a bucket.") from error


def _open_s3(settings: MediaSettings) -> S3Store:
    parts = urlsplit(settings.url)
    config: S3Config = {"region": settings.s3_region, "virtual_hosted_style_request": False}
    if settings.s3_access_key:  # else those of the host that we run on
        config["access_key_id"] = settings.s3_access_key
        config["secret_access_key"] = settings.s3_secret_key
    if settings.s3_endpoint:
        config["endpoint"] = settings.s3_endpoint
    return S3Store(
        parts.netloc,
        prefix=parts.path.strip("/") or None,
        config=config,
        client_options={
            "allow_http": settings.s3_endpoint.startswith("http://"),
            "connect_timeout": timedelta(seconds=5),
            "read_timeout": timedelta(seconds=_SHORT_S),
            "timeout": timedelta(days=1),  # of a whole stream, however slow its reader is
        },
        retry_config={
            "max_retries": 3,
            "retry_timeout": timedelta(seconds=_SHORT_S),
            "backoff": {"max_backoff": timedelta(seconds=2)},
        },
    )
