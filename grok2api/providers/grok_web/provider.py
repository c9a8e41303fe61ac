"""The grok.com kind of upstream as one record."""

from grok2api.clock import Clock
from grok2api.domain.account import ProviderKind
from grok2api.providers.base import Provider
from grok2api.providers.grok_web.assets import GrokWebAssets
from grok2api.providers.grok_web.client import GrokWebChat
from grok2api.providers.grok_web.credentials import GrokWebCredentials
from grok2api.providers.grok_web.files import GrokWebFiles
from grok2api.providers.grok_web.images import GrokWebImages
from grok2api.providers.grok_web.options import GrokWebOptions
from grok2api.providers.grok_web.quota import GrokWebQuota
from grok2api.providers.grok_web.settings import GrokWebSettings
from grok2api.providers.grok_web.videos import GrokWebVideos
from grok2api.upstream.transport import Transport


def build_grok_web(transport: Transport, options: GrokWebOptions, clock: Clock) -> Provider:
    """Build the record of this kind."""
    assets = GrokWebAssets(transport, options, clock)
    return Provider(
        kind=ProviderKind.GROK_WEB,
        credentials=GrokWebCredentials(),
        chat=GrokWebChat(transport, options, clock),
        quota=GrokWebQuota(transport, options, clock),
        settings=GrokWebSettings(transport, options, clock),
        files=GrokWebFiles(transport, options, clock),
        assets=assets,
        images=GrokWebImages(transport, options, clock, assets),
        videos=GrokWebVideos(transport, options, clock),
    )
