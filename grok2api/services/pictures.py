"""Pictures in answers: kept and linked, named by the site's own URL, or put in whole."""

import asyncio
import base64
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Final
from urllib.parse import urlsplit

import structlog

from grok2api.config.features import FeatureSettings, ImageFormat
from grok2api.domain.chat import EventBatch, ImageReady
from grok2api.domain.images import ImageMade
from grok2api.domain.media import MediaKind, sniff_media_type
from grok2api.errors import GatewayError, UpstreamProtocolError
from grok2api.providers.media import AssetBackend
from grok2api.providers.session import UpstreamSession
from grok2api.services.media import MediaLibrary
from grok2api.services.media_links import MediaLinks

log = structlog.get_logger(__name__)

BYTES_PER_MB: Final = 1024 * 1024
_INLINE_BYTES: Final = 64 * 1024
_MAGIC_BYTES: Final = 64
_SITES: Final = frozenset({"grok_url", "grok_md"})
_BARE: Final = frozenset({"grok_url", "local_url"})


class Pictures:
    """Shows generated pictures as the operator wants them shown.

    A picture that cannot be had or kept is shown by the site's own URL: the answer goes on.
    """

    __slots__ = ("_features", "_library", "_links", "_max_bytes", "_public_host")

    def __init__(
        self,
        library: MediaLibrary,
        links: MediaLinks,
        features: FeatureSettings,
        *,
        public_url: str,
        max_mb: int,
    ) -> None:
        """`public_url` is the host whose pictures anybody may see; others need a session."""
        self._library = library
        self._links = links
        self._features = features
        self._public_host = urlsplit(public_url).netloc
        self._max_bytes = max_mb * BYTES_PER_MB

    @asynccontextmanager
    async def shown(
        self,
        batches: AsyncIterator[EventBatch],
        assets: AssetBackend | None,
        session: UpstreamSession,
        base: str,
    ) -> AsyncIterator[AsyncIterator[EventBatch]]:
        """Iterate `batches` with pictures as they are to be shown; `base` begins their links."""
        async with aclosing(self._show_all(batches, assets, session, base)) as shown:
            yield shown

    async def show(self, made: ImageMade, base: str, *, is_inline: bool = False) -> ImageReady:
        """Return a picture that is at hand, as an answer shows it, or `is_inline` whole."""
        image = ImageReady(str(made.slot), made.url)
        media_type = sniff_media_type(made.content[:_MAGIC_BYTES])
        if is_inline and media_type:
            return ImageReady(image.image_id, await _data_url(made.content, media_type))
        return await self._show_content(image, made.content, base)

    async def _show_all(
        self,
        batches: AsyncIterator[EventBatch],
        assets: AssetBackend | None,
        session: UpstreamSession,
        base: str,
    ) -> AsyncGenerator[EventBatch, None]:
        async for batch in batches:
            if any(isinstance(event, ImageReady) for event in batch):
                yield [
                    await self._fetch_and_show(event, assets, session, base)
                    if isinstance(event, ImageReady)
                    else event
                    for event in batch
                ]
            else:
                yield batch

    async def _fetch_and_show(
        self, image: ImageReady, assets: AssetBackend | None, session: UpstreamSession, base: str
    ) -> ImageReady:
        if assets is None or self._is_shown_by_site(image):
            return self._by_site(image)
        try:
            content = await self._fetch(image.url, assets, session)
        except GatewayError as error:
            log.warning("picture_not_fetched", error=error.kind, detail=error.detail)
            return self._by_site(image)
        return await self._show_content(image, content, base)

    async def _fetch(self, url: str, assets: AssetBackend, session: UpstreamSession) -> bytes:
        content = bytearray()
        async with assets.download(url, session) as download:
            async for piece in download.chunks():
                content += piece
                if len(content) > self._max_bytes:
                    raise UpstreamProtocolError(
                        "A picture is larger than it may be.", code="picture_too_large"
                    )
        return bytes(content)

    async def _show_content(self, image: ImageReady, content: bytes, base: str) -> ImageReady:
        media_type = sniff_media_type(content[:_MAGIC_BYTES])
        if self._is_shown_by_site(image) or not media_type:
            return self._by_site(image)
        if self._features.image_format == "base64":
            return ImageReady(image.image_id, await _data_url(content, media_type))
        try:
            media = await self._library.put(MediaKind.IMAGE, content, media_type)
        except GatewayError as error:
            log.warning("picture_not_kept", error=error.kind, detail=error.detail)
            if image.url:
                return self._by_site(image)
            return ImageReady(image.image_id, await _data_url(content, media_type))
        url = self._links.link(media, base)
        return ImageReady(image.image_id, url, is_bare=self._is_bare)

    def _is_shown_by_site(self, image: ImageReady) -> bool:
        if self._features.image_format not in _SITES or not image.url:
            return False
        is_public = urlsplit(image.url).netloc == self._public_host
        return not (is_public and self._features.imagine_public_image_proxy)

    def _by_site(self, image: ImageReady) -> ImageReady:
        return ImageReady(image.image_id, image.url, is_bare=self._is_bare)

    @property
    def _is_bare(self) -> bool:
        image_format: ImageFormat = self._features.image_format
        return image_format in _BARE


async def _data_url(content: bytes, media_type: str) -> str:
    if len(content) < _INLINE_BYTES:
        encoded = base64.b64encode(content)
    else:
        encoded = await asyncio.to_thread(base64.b64encode, content)
    return f"data:{media_type};base64,{encoded.decode()}"
