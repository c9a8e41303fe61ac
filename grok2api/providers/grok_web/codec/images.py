"""Pictures that the upstream makes: progress, result, and those it withholds."""

from grok2api.domain.chat import EventBatch, ImageProgress, ImageReady
from grok2api.providers.grok_web.codec.loose import Loose, as_percent, first_text
from grok2api.providers.grok_web.codec.urls import asset_url

MAX_IMAGES = 256
_DONE = 100


class ImageLog:
    """The pictures of one answer.

    `is_moderated` says that at least one was withheld, `has_images` that one was given out.
    """

    __slots__ = ("_base", "_known", "_moderated", "_percents", "has_images", "is_moderated")

    def __init__(self, assets_url: str) -> None:
        self._base = assets_url
        self._known: set[str] = set()
        self._moderated: set[str] = set()
        self._percents: dict[str, int] = {}
        self.has_images = False
        self.is_moderated = False

    def take_chunk(self, chunk: Loose, out: EventBatch) -> None:
        """Take one report on a picture, of a card or of the image stream."""
        url = asset_url(self._base, first_text(chunk, "imageUrl", "image_url", "url"))
        image_id = first_text(chunk, "imageUuid", "imageId", "image_id") or url
        if chunk.get("moderated") is True:
            self.is_moderated = True
            if url and len(self._moderated) < MAX_IMAGES:
                self._moderated.add(url)
            return
        percent = as_percent(chunk.get("progress"))
        is_final = percent == _DONE or chunk.get("isFinal") is True
        if is_final:
            percent = _DONE
        if percent is not None and image_id and self._is_news(image_id, percent):
            out.append(ImageProgress(image_id, percent))
        if is_final:
            self._give_out(image_id, url, out)

    def take_url(self, path: object, out: EventBatch) -> None:
        """Take a finished picture of which only the address is known."""
        url = asset_url(self._base, path)
        self._give_out(url, url, out)

    def _is_news(self, image_id: str, percent: int) -> bool:
        known = self._percents.get(image_id)
        if known is None and len(self._percents) >= MAX_IMAGES:
            return False
        self._percents[image_id] = percent
        return known != percent

    def _give_out(self, image_id: str, url: str, out: EventBatch) -> None:
        if not url or url in self._known or url in self._moderated:
            return
        if len(self._known) >= MAX_IMAGES:
            return
        self._known.add(url)
        self.has_images = True
        out.append(ImageReady(image_id, url))
