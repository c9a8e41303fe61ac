"""All kinds of upstream, one line each."""

from grok2api.clock import Clock
from grok2api.domain.account import ProviderKind
from grok2api.providers.base import Provider
from grok2api.providers.grok_web.options import GrokWebOptions
from grok2api.providers.grok_web.provider import build_grok_web
from grok2api.upstream.transport import Transport

__all__ = ["GrokWebOptions", "build_providers"]


def build_providers(
    transport: Transport, options: GrokWebOptions, clock: Clock
) -> dict[ProviderKind, Provider]:
    """Build every kind of upstream that this release knows."""
    kinds = (build_grok_web(transport, options, clock),)
    return {provider.kind: provider for provider in kinds}
