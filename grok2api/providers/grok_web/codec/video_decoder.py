"""Decoder of the stream in which grok.com makes a video: bytes in, events out."""

from typing import Final

from msgspec import structs

from grok2api.domain.video import VideoEvent, VideoMade, VideoPart, VideoStep
from grok2api.errors import UpstreamError, UpstreamProtocolError, UpstreamUnavailableError
from grok2api.providers.grok_web import wire
from grok2api.providers.grok_web.codec import refusal
from grok2api.providers.grok_web.codec.failure import parse_failure
from grok2api.providers.grok_web.codec.json_scanner import MAX_OBJECT_BYTES, JsonScanner
from grok2api.providers.grok_web.codec.loose import (
    Loose,
    as_list,
    as_mapping,
    as_percent,
    first_text,
)
from grok2api.providers.grok_web.codec.urls import asset_url
from grok2api.providers.grok_web.codec.video import uploaded_url

_URL_NAMES: Final = (
    "videoUrl",
    "contentUrl",
    "contentURL",
    "assetUrl",
    "assetURL",
    "fileUri",
    "fileURL",
)
_DONE: Final = 100


class VideoDecoder:
    """Turns the bytes of a video's stream into events; `VideoMade` is the last one.

    `owner` is the account's id at the site, "" where it is not known. `is_ended` says that nothing
    more need be read: then, or at the end of the stream, comes `close`. `error` is set when there
    is no video; `is_over` after either. It says that the video `may_be_running`, unless the site
    said why there will be none.
    """

    __slots__ = (
        "_assets_url",
        "_is_complete",
        "_is_moderated",
        "_last",
        "_part",
        "_scanner",
        "_unknown",
        "error",
        "is_ended",
        "is_over",
    )

    def __init__(
        self, *, assets_url: str, owner: str = "", limit_bytes: int = MAX_OBJECT_BYTES
    ) -> None:
        self._assets_url = assets_url
        self._scanner = JsonScanner(wire.VIDEO_FRAME.decode, limit_bytes=limit_bytes)
        self._part = VideoPart(owner=owner)
        self._last = VideoStep(0, self._part)
        self._is_complete = False
        self._is_moderated = False
        self._unknown = 0
        self.error: UpstreamError | None = None
        self.is_ended = False
        self.is_over = False

    @property
    def unknown_frames(self) -> int:
        """Frames that were left out."""
        return self._unknown + self._scanner.malformed

    def feed(self, data: bytes) -> list[VideoEvent]:
        """Return the events that `data` completes."""
        out: list[VideoEvent] = []
        for frame in self._scanner.feed(data):
            if not self.is_over:
                self._take_frame(frame, out)
        self.is_ended = self._scanner.has_end_mark or self._scanner.is_too_large
        return out

    def close(self) -> list[VideoEvent]:
        """Return what is left at the end of the stream: the video, where only its id was told."""
        out: list[VideoEvent] = []
        if self.is_over:
            return out
        url = uploaded_url(self._assets_url, self._part.owner, self._part.asset_id)
        if self._scanner.is_too_large:
            self._lose(refusal.too_large())
        elif self._is_moderated:
            self._fail(refusal.content_rejected(status=None, detail="the video was withheld"))
        elif self._scanner.is_inside:
            self._lose(_truncated())
        elif self._is_complete and url:
            self._finish(url, out)
        else:
            self._lose(_incomplete(self._last.percent))
        return out

    def _take_frame(self, frame: wire.VideoFrame, out: list[VideoEvent]) -> None:
        result = as_mapping(frame.result)
        response = as_mapping(result.get("response"))
        error = response.get("error") if frame.error is None else frame.error
        if error is not None:
            self._fail(refusal.classify_in_band(parse_failure(error)))
            return
        self._unknown += not result
        progress = as_mapping(response.get("streamingVideoGenerationResponse"))
        if progress:
            self._take_progress(progress, out)
        if not self.is_over:
            self._take_envelope(as_mapping(response.get("modelResponse")), out)

    def _take_progress(self, progress: Loose, out: list[VideoEvent]) -> None:
        percent = as_percent(progress.get("progress")) or 0
        self._is_complete |= percent == _DONE
        part = self._part = _merge(self._part, progress)
        step = VideoStep(max(percent, self._last.percent), part)
        verdict = progress.get("moderated")
        if isinstance(verdict, bool):
            self._is_moderated = verdict
        for name in () if verdict is True else _URL_NAMES:
            if url := self._video_url(progress.get(name)):
                self._finish(url, out)
                return
        if step != self._last:
            self._last = step
            out.append(step)

    def _take_envelope(self, envelope: Loose, out: list[VideoEvent]) -> None:
        """Take the model response, which may be the only frame that names the video."""
        for entry in as_list(envelope.get("streamErrors")):
            failure = parse_failure(entry)
            if failure.code or failure.message:
                self._fail(refusal.classify_in_band(failure))
                return
        files = [file for file in as_list(envelope.get("fileAttachments")) if isinstance(file, str)]
        if not files or self._is_moderated:
            return
        for path in files:
            if url := self._video_url(path):
                self._finish(url, out)
                return
        if not self._part.asset_id:
            self._part = structs.replace(self._part, asset_id=files[0].strip())
            self._is_complete = True

    def _video_url(self, path: object) -> str:
        """Return the URL of a finished video, "" where `path` leads to something else."""
        if not isinstance(path, str):
            return ""
        is_video = path.strip().partition("?")[0].lower().endswith(".mp4")
        return asset_url(self._assets_url, path) if is_video or "/content" in path else ""

    def _finish(self, url: str, out: list[VideoEvent]) -> None:
        self.is_over = True
        out.append(VideoMade(structs.replace(self._part, url=url)))

    def _lose(self, error: UpstreamError) -> None:
        error.may_be_running = True
        self._fail(error)

    def _fail(self, error: UpstreamError) -> None:
        self.is_over = True
        self.error = error


def _merge(known: VideoPart, progress: Loose) -> VideoPart:
    """Return the ids of a part; a frame about another video has nothing in common with `known`."""
    video_id = first_text(progress, "videoId")
    if video_id and known.video_id not in {"", video_id}:
        known = VideoPart(owner=known.owner)
    return VideoPart(
        owner=known.owner,
        video_id=video_id or known.video_id,
        post_id=first_text(progress, "videoPostId") or known.post_id,
        asset_id=first_text(progress, "assetId") or known.asset_id,
    )


def _truncated() -> UpstreamError:
    return UpstreamUnavailableError(
        "The upstream broke off its answer.",
        code="upstream_stream_truncated",
        detail="the stream ended inside an object",
    )


def _incomplete(percent: int) -> UpstreamError:
    return UpstreamProtocolError(
        "The upstream ended its answer without a video.",
        code="video_incomplete",
        detail=f"{percent} percent were done",
    )
