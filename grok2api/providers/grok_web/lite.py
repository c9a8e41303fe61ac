"""One picture through a chat turn at grok.com."""

from collections.abc import AsyncGenerator
from typing import Final

from msgspec import structs

from grok2api.clock import Clock
from grok2api.domain.account import Mode
from grok2api.domain.chat import EventBatch, ImageProgress, ImageReady, TextDelta
from grok2api.domain.images import ImageBatch, ImageMade, ImageRequest, ImagesDone, ImageStep
from grok2api.providers.grok_web.assets import GrokWebAssets
from grok2api.providers.grok_web.client import GrokWebChat
from grok2api.providers.grok_web.codec import image_failure
from grok2api.providers.grok_web.codec.picture_urls import find_markdown
from grok2api.providers.grok_web.options import GrokWebOptions
from grok2api.providers.session import UpstreamSession
from grok2api.upstream.transport import Transport

PREFIX: Final = "Drawing: "
"""What tells the chat to make a picture."""
_DONE: Final = 100


class _Sketch:
    """What a chat turn has shown of its pictures; the site makes two and we take the first."""

    __slots__ = ("_percent", "_text", "url")

    def __init__(self) -> None:
        self.url = ""
        self._percent = -1
        self._text: list[str] = []

    def take(self, events: EventBatch) -> ImageBatch:
        """Return the progress in `events`."""
        out: ImageBatch = []
        for event in events:
            match event:
                case ImageReady():
                    self.url = self.url or event.url
                case ImageProgress() if self._percent < event.percent < _DONE:
                    self._percent = event.percent
                    out.append(ImageStep(0, event.percent))
                case TextDelta():
                    self._text.append(event.text)
                case _:
                    pass
        return out

    def find_in_text(self) -> list[str]:
        """Return the addresses of the pictures that the answer shows."""
        return find_markdown("".join(self._text))


class GrokWebLite:
    """Has a chat draw. Keeps nothing between requests."""

    __slots__ = ("_assets", "_chat")

    def __init__(
        self, transport: Transport, options: GrokWebOptions, clock: Clock, assets: GrokWebAssets
    ) -> None:
        # A personality of the operator's would come before the word that makes a picture.
        changed = structs.replace(
            options,
            custom_instruction="",
            timeouts=options.image_timeouts,
            total_timeout_s=options.image_timeout_s,
        )
        self._chat = GrokWebChat(transport, changed, clock)
        self._assets = assets

    async def draw(
        self, request: ImageRequest, session: UpstreamSession
    ) -> AsyncGenerator[ImageBatch, None]:
        """Make the one picture of `request`; see `ImageBackend.make_images`."""
        sketch = _Sketch()
        prompt = f"{PREFIX}{request.prompt}"
        async with self._chat.open_turn(prompt, Mode.FAST, session) as answer:
            async for events in answer:
                if steps := sketch.take(events):
                    yield steps
                if sketch.url:
                    break  # the second picture is not waited for
            has_withheld = answer.has_withheld
        # An answer may also show pictures that were found elsewhere.
        shown = (url for url in sketch.find_in_text() if self._assets.knows(url))
        url = sketch.url or next(shown, "")
        if not url:
            raise image_failure.withheld() if has_withheld else image_failure.incomplete(0, 1)
        yield [ImageMade(0, await self._assets.fetch_image(url, session), url), ImagesDone()]
