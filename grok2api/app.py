"""What gunicorn calls: the application of one worker, with its settings read."""

from pathlib import Path

from starlette.applications import Starlette

from grok2api.bootstrap import begin_logging, load_boot_settings, open_gateway
from grok2api.config.schema import BootSettings
from grok2api.web.application import build_app


def create_app(metrics_folder: str = "", boot: BootSettings | None = None) -> Starlette:
    """Build the application of one worker; nothing is opened before its lifespan begins.

    `metrics_folder` is where the workers of this machine join their numbers; "" keeps them apart.
    Without `boot`, the settings are read from environment and file.

    Raises:
        SettingsError: a setting does not hold.
    """
    settings = load_boot_settings() if boot is None else boot
    folder = Path(metrics_folder) if metrics_folder else None
    begin_logging(settings)
    return build_app(lambda: open_gateway(settings, metrics_folder=folder))
