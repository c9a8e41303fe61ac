"""What a provider kind can do with pictures, videos and the files that its accounts keep."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from msgspec import Struct

from grok2api.domain.images import ImageBatch, ImageRequest
from grok2api.domain.video import VideoEvent, VideoPart, VideoPlan, VideoRequest
from grok2api.providers.session import UpstreamSession


class Asset(Struct, frozen=True, kw_only=True):
    """A file that an account keeps at the upstream.

    "" and 0 stand for what its list does not tell; `created_at` is the upstream's own text.
    """

    id: str
    name: str = ""
    media_type: str = ""
    size_bytes: int = 0
    created_at: str = ""


class AssetPage(Struct, frozen=True):
    """Some assets of an account. `next_token` is "" on the last page."""

    assets: tuple[Asset, ...]
    next_token: str = ""


class Download(Protocol):
    """A file of the upstream that is being fetched."""

    @property
    def media_type(self) -> str:
        """What its server calls it, "" for nothing."""
        ...

    @property
    def size_bytes(self) -> int | None:
        """How large its server says that it is."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """Its content as it comes; a reader that does not read slows the sender.

        Raises:
            UpstreamError: it broke off.
        """
        ...


class AssetBackend(Protocol):
    """What an account keeps at an upstream: uploaded files, generated pictures and videos."""

    async def list_page(self, session: UpstreamSession, token: str = "") -> AssetPage:
        """Return the first page, or the one that `token` names.

        Raises:
            UpstreamError: the upstream refused or could not be asked.
        """
        ...

    async def delete(self, asset_id: str, session: UpstreamSession) -> None:
        """Delete an asset; one that is not there any more is no error.

        Raises:
            UpstreamError: the upstream refused or could not be asked.
        """
        ...

    def download(
        self, url: str, session: UpstreamSession, *, is_video: bool = False
    ) -> AbstractAsyncContextManager[Download]:
        """Fetch a generated file.

        Only hosts of this upstream are asked, with the account's session only where it is needed.
        Failures that pass are tried three times.

        Raises:
            UpstreamError: it cannot be had; `is_final`, for it lies with this account only.
        """
        ...


class ImageBackend(Protocol):
    """Makes pictures."""

    def make_images(
        self, request: ImageRequest, session: UpstreamSession
    ) -> AbstractAsyncContextManager[AsyncIterator[ImageBatch]]:
        """Open one generation or edit. Leaving the context stops the upstream at once.

        `session.attachments` are the references, in their order. The last event is `ImagesDone`;
        an iterator never ends without it. A slot has one `ImageMade` or one `ImageWithheld`.

        Raises:
            UpstreamError: before or while streaming; nothing is retried here. `code` is
                `image_generation_incomplete` when fewer came than asked for.
            ContentRejectedError: all pictures were withheld, or the prompt was refused.
        """
        ...


class VideoBackend(Protocol):
    """Makes videos, part by part; a job survives its process, so each step stands for itself."""

    async def prepare(self, request: VideoRequest, session: UpstreamSession) -> VideoPlan:
        """Do what comes before the first part; may be repeated, costs no query.

        `session.attachments` are the references, in their order.

        Raises:
            UpstreamError: with `was_sent` False.
        """
        ...

    def render(
        self,
        request: VideoRequest,
        plan: VideoPlan,
        parts: tuple[VideoPart, ...],
        session: UpstreamSession,
    ) -> AbstractAsyncContextManager[AsyncIterator[list[VideoEvent]]]:
        """Ask for the part that follows `parts`, which are finished.

        Entering the context means that the upstream took it on. The last event is `VideoMade`; an
        iterator never ends without it.

        Raises:
            UpstreamError: `may_be_running` tells whether the upstream may work on it all the same:
                where it did not say that there will be no video.
            ContentRejectedError: the video was withheld.
        """
        ...

    async def upscale(self, part: VideoPart, session: UpstreamSession) -> str:
        """Return the URL of a finished video in a higher resolution.

        Raises:
            UpstreamError: there is none.
        """
        ...

    def guess_url(self, part: VideoPart, session: UpstreamSession) -> str:
        """Return where a part will lie whose stream was lost, "" if that cannot be told."""
        ...
