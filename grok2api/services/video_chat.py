"""Videos asked for in a chat: a job like any other, followed until there is a video."""

import asyncio
import html
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import Final

import msgspec
import structlog

from grok2api.config.features import VideoFormat
from grok2api.domain.chat import (
    ChatRequest,
    EventBatch,
    Finished,
    ImagePart,
    Message,
    ReasoningDelta,
    Role,
    TextDelta,
    TextPart,
)
from grok2api.domain.client_key import ANONYMOUS, ClientKey
from grok2api.domain.ids import ClientKeyId
from grok2api.domain.media import MediaKind
from grok2api.domain.model import Route
from grok2api.domain.video import (
    MAX_PROMPT_CHARS,
    MAX_REFERENCES,
    MODE_OF_RESOLUTION,
    Preset,
    VideoRequest,
    VideoState,
    VideoWish,
)
from grok2api.domain.video_job import NO_ACCOUNT_CODE, REJECTED_CODE, STORE_CODE, VideoJob
from grok2api.domain.video_lengths import allowed_lengths, choose_segments
from grok2api.errors import (
    ContentRejectedError,
    GatewayError,
    InvalidRequestError,
    MediaStoreError,
    NoAccountAvailableError,
    NotFoundError,
    StoreUnavailableError,
    UpstreamProtocolError,
)
from grok2api.services.cleanup import Cleanup
from grok2api.services.dispatch import TurnRecord
from grok2api.services.files import FileDesk, GivenImage
from grok2api.services.media_links import MediaLinks
from grok2api.services.videos import Videos

log = structlog.get_logger(__name__)

CANCEL_TRIES: Final = 5
CANCEL_PAUSE_S: Final = 1.0
_SITES: Final = frozenset({"grok_url", "grok_html"})
_PLAYERS: Final = frozenset({"grok_html", "local_html"})


class VideoChat:
    """Answers chats with models of videos: progress as reasoning, then the video.

    When the client leaves, its job is cancelled: nobody could ask for the video.
    """

    __slots__ = ("_anonymous", "_cleanup", "_files", "_format", "_is_older", "_links", "_videos")

    def __init__(
        self,
        videos: Videos,
        files: FileDesk,
        links: MediaLinks,
        cleanup: Cleanup,
        video_format: VideoFormat,
        *,
        is_older: bool,
    ) -> None:
        """`is_older`: videos are made by the protocol that knows few lengths only."""
        self._videos = videos
        self._files = files
        self._links = links
        self._cleanup = cleanup
        self._format = video_format
        self._is_older = is_older

    async def stream(
        self,
        request: ChatRequest,
        route: Route,
        record: TurnRecord,
        caller: ClientKey | None = None,
    ) -> AsyncGenerator[EventBatch, None]:
        """Yield the answer to `request`; iterate it under `aclosing`.

        Raises:
            InvalidRequestError: there is nothing to make a video of.
            GatewayError: as `Videos.create`; or there will be no video.
        """
        prompt, given = _read_messages(request)
        order = self._build(request.video, route, prompt, has_references=bool(given))
        owner = caller.id if caller else ANONYMOUS
        record.mode = MODE_OF_RESOLUTION[order.resolution]
        with await self._files.take_images(given) as intake:
            order = msgspec.structs.replace(order, references=intake.files)
            job = await self._create(owner, order, caller)
        told = 0
        try:
            async with aclosing(self._videos.follow(owner, job.id)) as changes:
                async for job in changes:
                    if job.percent > told:
                        told = job.percent
                        yield [ReasoningDelta(f"{told} %\n")]
        except NotFoundError:
            raise UpstreamProtocolError("The video was deleted.", code="cancelled") from None
        finally:
            if not job.has_ended:
                self._cleanup.start(self._give_up(owner, job))
        yield [TextDelta(await self._show(job, request.public_url)), Finished()]

    async def _create(
        self, owner: ClientKeyId, order: VideoRequest, caller: ClientKey | None
    ) -> VideoJob:
        """Return a new job. A client that leaves meanwhile does not leave one behind."""
        made: list[VideoJob] = []

        async def create() -> None:
            begun = await self._videos.create(owner, order, shown={}, caller=caller)
            made.append(begun.job)

        try:
            await self._cleanup.run(create())
        except asyncio.CancelledError:
            for job in made:
                self._cleanup.start(self._give_up(owner, job))
            raise
        return made[0]

    async def _give_up(self, owner: ClientKeyId, job: VideoJob) -> None:
        """Cancel a job that nobody follows any more; a store that is away is tried some times."""
        for _ in range(CANCEL_TRIES):
            try:
                await self._videos.cancel(owner, job.id)
            except StoreUnavailableError as error:
                log.warning("video_not_cancelled", video=job.id, detail=error.detail)
                await asyncio.sleep(CANCEL_PAUSE_S)
            except NotFoundError:
                return
            else:
                return

    async def _show(self, job: VideoJob, base: str) -> str:
        """Return the text that shows a finished video.

        Raises:
            GatewayError: it has none.
        """
        if job.state is not VideoState.DONE or job.media is None:
            raise _explain(job)
        if self._format in _SITES and job.upstream_url:
            url = job.upstream_url
        else:
            url = self._links.link_to(MediaKind.VIDEO, job.media, base)
        return f'<video controls src="{html.escape(url)}"></video>' if self._is_player else url

    @property
    def _is_player(self) -> bool:
        return self._format in _PLAYERS

    def _build(
        self, wish: VideoWish, route: Route, prompt: str, *, has_references: bool
    ) -> VideoRequest:
        is_limited = has_references or self._is_older or wish.preset is not Preset.CUSTOM
        segments = choose_segments(wish.seconds, is_limited=is_limited)
        if segments is None:
            lengths = ", ".join(str(each) for each in allowed_lengths(is_limited=is_limited))
            raise InvalidRequestError(
                f"'{wish.length_field}' is one of {lengths} here.",
                param=wish.length_field,
                code="invalid_value",
            )
        return VideoRequest(
            model=route.requested,
            prompt=prompt,
            segments=segments,
            aspect_ratio=wish.aspect_ratio,
            resolution=wish.resolution,
            preset=wish.preset,
            upscale=wish.upscale,
        )


def _read_messages(request: ChatRequest) -> tuple[str, list[GivenImage]]:
    """Return the user's last prompt, and the pictures that stand with it or after it.

    Raises:
        InvalidRequestError: nobody says what the video shall show, or with too many pictures.
    """
    given: list[GivenImage] = []
    for index in range(len(request.messages) - 1, -1, -1):
        message = request.messages[index]
        if message.role is not Role.USER:
            continue
        given = [*_pictures_of(message, index), *given]
        if len(given) > MAX_REFERENCES:
            raise InvalidRequestError(
                f"At most {MAX_REFERENCES} pictures can be given for a video.",
                param=given[MAX_REFERENCES].param,
                code="too_many_images",
            )
        texts = [part.text.strip() for part in message.parts if isinstance(part, TextPart)]
        if prompt := " ".join(text for text in texts if text):
            return _checked(prompt, index), given
    raise InvalidRequestError(
        "No message says what the video shall show.",
        param="messages",
        code="missing_required_parameter",
    )


def _checked(prompt: str, index: int) -> str:
    if len(prompt) > MAX_PROMPT_CHARS:
        raise InvalidRequestError(
            f"What a video shall show is said in at most {MAX_PROMPT_CHARS} characters.",
            param=f"messages[{index}].content",
            code="invalid_value",
        )
    return prompt


def _pictures_of(message: Message, index: int) -> Iterator[GivenImage]:
    for place, part in enumerate(message.parts):
        if isinstance(part, ImagePart):
            yield GivenImage(f"messages[{index}].content[{place}]", url=part.url)


def _explain(job: VideoJob) -> GatewayError:
    message = job.error_message or "The video was cancelled."
    match job.error_code:
        case code if code == REJECTED_CODE:
            return ContentRejectedError(message, code=code)
        case code if code == NO_ACCOUNT_CODE:
            return NoAccountAvailableError(message)
        case code if code == STORE_CODE:
            return MediaStoreError(message)
        case code:
            return UpstreamProtocolError(message, code=code or "cancelled")
