"""Decoder of the stream in which pictures are edited: bytes in, progress and addresses out."""

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from grok2api.errors import UpstreamError
from grok2api.providers.grok_web import wire
from grok2api.providers.grok_web.codec import refusal
from grok2api.providers.grok_web.codec.cards import image_chunk, parse_cards
from grok2api.providers.grok_web.codec.failure import parse_failure
from grok2api.providers.grok_web.codec.json_scanner import JsonScanner
from grok2api.providers.grok_web.codec.loose import (
    Loose,
    as_list,
    as_mapping,
    as_percent,
    as_text,
    first_text,
)
from grok2api.providers.grok_web.codec.picture_urls import (
    MAX_PICTURES,
    find_markdown,
    scan,
    which_picture,
)
from grok2api.providers.grok_web.codec.urls import asset_url, content_url

MAX_TEXT_CHARS: Final = 64 * 1024
_DONE: Final = 100


class EditStep(Struct, frozen=True):
    """The picture at `index` is `percent` done, below 100; `url` shows it so far, "" nowhere."""

    index: int
    percent: int
    url: str


class _Picture:
    __slots__ = ("is_final", "percent", "url")

    def __init__(self) -> None:
        self.percent = -1
        self.url = ""
        self.is_final = False


class EditDecoder:
    """Turns the bytes of the stream into steps, and in the end into the addresses of pictures.

    `error` is set when the stream reported one; `is_over` says that nothing follows.
    `has_withheld`: the content rules kept back at least one picture.
    """

    __slots__ = (
        "_assets_url",
        "_by_asset",
        "_found",
        "_has_envelope",
        "_has_metadata",
        "_ids",
        "_moderated",
        "_named",
        "_pictures",
        "_scanner",
        "_text",
        "_user_id",
        "error",
        "has_withheld",
        "is_over",
    )

    def __init__(self, assets_url: str, user_id: str, *, by_asset: bool) -> None:
        """Start a stream; `by_asset`: results are addressed by asset id where that is possible."""
        self._assets_url = assets_url
        self._user_id = user_id
        self._by_asset = by_asset
        self._scanner = JsonScanner(wire.ANY_JSON.decode)
        self._pictures: dict[int, _Picture] = {}
        self._ids: dict[str, int] = {}
        self._named: list[str] = []
        self._found: list[str] = []
        self._moderated: set[str] = set()
        self._text = ""
        self._has_envelope = False
        self._has_metadata = False
        self.error: UpstreamError | None = None
        self.has_withheld = False
        self.is_over = False

    def feed(self, data: bytes) -> list[EditStep]:
        """Return the steps that `data` completes."""
        out: list[EditStep] = []
        if self.is_over:
            return out
        for value in self._scanner.feed(data):
            self._take_frame(as_mapping(value), out)
            if self.error is not None:
                return out
        if self._scanner.is_too_large:
            self._fail(refusal.too_large())
        elif self._scanner.has_end_mark or (self._has_envelope and self._has_metadata):
            self.is_over = True
        return out

    def close(self) -> None:
        """Note that the stream has ended."""
        self.is_over = True

    @property
    def results(self) -> tuple[str, ...]:
        """The addresses of finished pictures, each picture once, in their order."""
        finals = [picture.url for _, picture in sorted(self._pictures.items()) if picture.is_final]
        in_text = [asset_url(self._assets_url, path) for path in find_markdown(self._text)]
        for urls in ([*finals, *self._named], in_text, self._found):
            known: dict[str, str] = {}
            for url in urls:
                which = which_picture(url)
                if url and which not in self._moderated:
                    known.setdefault(which, url)
            if known:
                return tuple(known.values())
        return ()

    def _take_frame(self, frame: Loose, out: list[EditStep]) -> None:
        if frame.get("error") is not None:
            self._fail(refusal.classify_in_band(parse_failure(frame["error"])))
            return
        response = as_mapping(as_mapping(frame.get("result")).get("response"))
        if response.get("error") is not None:
            self._fail(refusal.classify_in_band(parse_failure(response["error"])))
            return
        for chunk in _chunks(response):
            self._take_chunk(chunk, out)
        self._scan(response)
        if response.get("isThinking") is not True and len(self._text) < MAX_TEXT_CHARS:
            self._text += as_text(response.get("token"))
        if response.get("modelResponse") is not None:
            self._take_envelope(as_mapping(response["modelResponse"]))
        self._has_metadata = self._has_metadata or response.get("finalMetadata") is not None

    def _take_chunk(self, chunk: Loose, out: list[EditStep]) -> None:
        url = asset_url(self._assets_url, first_text(chunk, "imageUrl", "image_url", "url"))
        if chunk.get("moderated") is True:
            self.has_withheld = True
            self._forbid(url)
            return
        index = self._index_of(chunk)
        if index is None:
            return
        picture = self._pictures.setdefault(index, _Picture())
        percent = as_percent(chunk.get("progress"))
        if percent == _DONE or chunk.get("isFinal") is True:
            asset_id = first_text(chunk, "assetId")
            own = content_url(self._assets_url, self._user_id, asset_id) if self._by_asset else ""
            picture.url = own or url or content_url(self._assets_url, self._user_id, asset_id)
            picture.is_final = bool(picture.url)
        elif percent is not None and percent > picture.percent and not picture.is_final:
            picture.percent = percent
            out.append(EditStep(index, percent, url))

    def _take_envelope(self, envelope: Loose) -> None:
        self._has_envelope = True
        for entry in as_list(envelope.get("streamErrors")):
            failure = parse_failure(entry)
            if failure.code or failure.message:
                self._fail(refusal.classify_in_band(failure))
                return
        made = [
            asset_url(self._assets_url, path)
            for path in as_list(envelope.get("generatedImageUrls"))
        ]
        kept = [
            content_url(self._assets_url, self._user_id, as_text(asset_id).strip())
            for asset_id in as_list(envelope.get("fileAttachments"))
        ]
        self._named = ([*kept, *made] if self._by_asset else [*made, *kept])[:MAX_PICTURES]
        message = as_text(envelope.get("message"))
        if len(message) > len(self._text):
            self._text = message[:MAX_TEXT_CHARS]

    def _scan(self, response: Loose) -> None:
        for path, is_withheld in scan(response):
            url = asset_url(self._assets_url, path)
            if is_withheld:
                self._forbid(url)
            elif url and len(self._found) < MAX_PICTURES:
                self._found.append(url)

    def _forbid(self, url: str) -> None:
        if url and len(self._moderated) < MAX_PICTURES:
            self._moderated.add(which_picture(url))

    def _index_of(self, chunk: Loose) -> int | None:
        """Return the place of a picture: its own, or for those without one, in order of coming."""
        index = chunk.get("imageIndex")
        if isinstance(index, int) and not isinstance(index, bool):
            return index if 0 <= index < MAX_PICTURES else None
        name = first_text(chunk, "imageUuid", "imageId", "image_id", "assetId")
        if name not in self._ids and len(self._ids) < MAX_PICTURES:
            self._ids[name] = len(self._ids)
        return self._ids.get(name)

    def _fail(self, error: UpstreamError) -> None:
        self.error = error
        self.is_over = True


def _chunks(response: Loose) -> Iterator[Loose]:
    """Yield the reports on pictures in a frame, whichever way they came."""
    streamed = as_mapping(response.get("streamingImageGenerationResponse"))
    if streamed:
        yield streamed
    for attachment in (response.get("cardAttachment"), *as_list(response.get("cardAttachments"))):
        for card in parse_cards(attachment):
            if image_chunk(card):
                yield image_chunk(card)
