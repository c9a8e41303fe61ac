"""All kinds of upstream, one line each, and what the settings say about them."""

from typing import Final

from grok2api.clock import Clock
from grok2api.config.schema import Settings
from grok2api.domain.account import ProviderKind
from grok2api.providers.base import Provider
from grok2api.providers.grok_web.options import GrokWebOptions
from grok2api.providers.grok_web.provider import build_grok_web
from grok2api.upstream.transport import Timeouts, Transport

__all__ = ["GrokWebOptions", "build_providers", "read_options"]

_MB: Final = 1024 * 1024


def build_providers(
    transport: Transport, options: GrokWebOptions, clock: Clock
) -> dict[ProviderKind, Provider]:
    """Build every kind of upstream that this release knows."""
    kinds = (build_grok_web(transport, options, clock),)
    return {provider.kind: provider for provider in kinds}


def read_options(settings: Settings) -> GrokWebOptions:
    """Return what the settings say about grok.com."""
    upstream, features, chat = settings.upstream, settings.features, settings.chat
    image = settings.image
    return GrokWebOptions(
        grok_url=upstream.grok_url.rstrip("/"),
        assets_url=upstream.assets_url.rstrip("/"),
        public_url=upstream.imagine_public_url.rstrip("/"),
        chat_transport=upstream.chat_transport,
        user_agent=upstream.user_agent,
        profile=upstream.browser,
        accept_language=upstream.accept_language,
        statsig_mode=upstream.statsig_mode,
        statsig_value=upstream.statsig_value,
        temporary=features.temporary,
        memory=features.memory,
        custom_instruction=features.custom_instruction,
        cf_cookies=settings.proxy.cf_cookies,
        proxy_url=settings.proxy.url,
        timeouts=Timeouts(
            connect_s=chat.connect_timeout_s,
            header_s=chat.first_event_timeout_s,
            idle_s=chat.idle_timeout_s,
        ),
        total_timeout_s=chat.total_timeout_s,
        upload_form=settings.files.upload_form,
        upload_timeout_s=settings.files.upload_timeout_s,
        image_timeouts=Timeouts(
            connect_s=chat.connect_timeout_s,
            header_s=image.first_event_timeout_s,
            idle_s=image.idle_timeout_s,
        ),
        image_timeout_s=image.timeout_s,
        image_final_chars=image.final_min_bytes,
        image_final_timeout_s=image.final_timeout_s,
        image_max_bytes=image.max_mb * _MB,
        video_max_bytes=settings.video.max_mb * _MB,
        edit_form="older" if image.edit_protocol == "older" else "current",
        video_protocol=settings.video.protocol,
        video_timeout_s=settings.video.timeout_s,
        video_idle_timeout_s=settings.video.idle_timeout_s,
    )
