"""Pictures from grok.com, whichever way they are made."""

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

from grok2api.clock import Clock
from grok2api.domain.images import ImageBatch, ImageRequest, ImageWay
from grok2api.providers.grok_web.assets import GrokWebAssets
from grok2api.providers.grok_web.edits import GrokWebEdits
from grok2api.providers.grok_web.imagine import GrokWebImagine
from grok2api.providers.grok_web.lite import GrokWebLite
from grok2api.providers.grok_web.options import GrokWebOptions
from grok2api.providers.session import UpstreamSession
from grok2api.upstream.transport import Transport


class GrokWebImages:
    """Makes pictures at grok.com."""

    __slots__ = ("_edits", "_imagine", "_lite")

    def __init__(
        self, transport: Transport, options: GrokWebOptions, clock: Clock, assets: GrokWebAssets
    ) -> None:
        self._imagine = GrokWebImagine(transport, options, clock, assets)
        self._lite = GrokWebLite(transport, options, clock, assets)
        self._edits = GrokWebEdits(transport, options, clock, assets)

    @asynccontextmanager
    async def make_images(
        self, request: ImageRequest, session: UpstreamSession
    ) -> AsyncIterator[AsyncIterator[ImageBatch]]:
        """Open one generation or edit; see `ImageBackend.make_images`.

        A chat draws one picture: there `request.n` is 1.
        """
        match request.way:
            case ImageWay.SPEED | ImageWay.QUALITY:
                async with self._imagine.open(request, session) as batches:
                    yield batches
            case ImageWay.LITE:
                async with aclosing(self._lite.draw(request, session)) as batches:
                    yield batches
            case ImageWay.EDIT:
                async with aclosing(self._edits.edit(request, session)) as batches:
                    yield batches
