"""What only the parts that settings are for know of them: whether these could work with them."""

from msgspec import structs

from grok2api.config.schema import Settings
from grok2api.config.sources import Sources
from grok2api.media.bucket import open_bucket
from grok2api.services.models import check_aliases
from grok2api.upstream.handle import check_exit
from grok2api.upstream.transport import Exit


def check_settings(settings: Settings) -> None:
    """Return if every part of the gateway could be built from `settings`.

    What this refuses can be neither saved nor taken: else it would stop processes that start.

    Raises:
        SettingsError: one could not.
    """
    check_aliases(settings.models.aliases)
    check_exit(Exit(settings.proxy.url, settings.upstream.browser))
    if settings.media.url:
        open_bucket(settings.media)


def with_check(sources: Sources) -> Sources:
    """Return sources of which nothing comes that this process could not be built from."""
    return structs.replace(sources, judge=check_settings)
