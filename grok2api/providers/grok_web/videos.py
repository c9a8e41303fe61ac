"""Videos from grok.com, part by part: what is posted before, the long stream, what comes after."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import structlog

from grok2api.clock import Clock
from grok2api.domain.video import VideoPart, VideoPlan, VideoRequest
from grok2api.errors import (
    EgressBlockedError,
    Scope,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamRejectedError,
)
from grok2api.providers.grok_web.caller import Caller
from grok2api.providers.grok_web.calls import Calls, check_answer
from grok2api.providers.grok_web.codec import video
from grok2api.providers.grok_web.codec.edits import read_post
from grok2api.providers.grok_web.codec.identity import canonical_uuid
from grok2api.providers.grok_web.codec.video_decoder import VideoDecoder
from grok2api.providers.grok_web.deadline import Deadline
from grok2api.providers.grok_web.options import GrokWebOptions
from grok2api.providers.grok_web.video_stream import VideoBatches
from grok2api.providers.grok_web.whoami import Whoami
from grok2api.providers.session import UploadedFile, UpstreamSession
from grok2api.upstream.transport import Timeouts, Transport

log = structlog.get_logger(__name__)

POST_TIMEOUT_S: Final = 30.0


class GrokWebVideos:
    """Makes videos at grok.com. Keeps nothing between the steps."""

    __slots__ = (
        "_caller",
        "_clock",
        "_options",
        "_posts",
        "_timeouts",
        "_transport",
        "_upscales",
        "_whoami",
    )

    def __init__(self, transport: Transport, options: GrokWebOptions, clock: Clock) -> None:
        self._transport = transport
        self._options = options
        self._clock = clock
        self._caller = Caller(options)
        connect_s, idle_s = options.timeouts.connect_s, options.video_idle_timeout_s
        self._timeouts = Timeouts(connect_s, idle_s, idle_s)
        build = partial(Calls, transport, self._caller.exit, clock, connect_s=connect_s)
        self._whoami = Whoami(transport, self._caller, clock, connect_s)
        self._posts: Calls = build(timeout_s=POST_TIMEOUT_S)
        self._upscales: Calls = build(timeout_s=idle_s)

    async def prepare(self, request: VideoRequest, session: UpstreamSession) -> VideoPlan:
        """Choose the protocol and make its posts; see `VideoBackend.prepare`.

        A plan with a parent post is for the older protocol.
        """
        try:
            # What lies at the site counts: a job does not carry its pictures with it.
            is_older = _choose_older(
                request,
                self._options.video_protocol,
                has_references=bool(session.attachments),
            )
            owner = await self._find_owner(session)
            if not is_older:
                return VideoPlan(prompt=request.prompt, owner=owner)
            references = [self._url_of(file, owner) for file in session.attachments]
            posts = [await self._post_image(url, session) for url in references] or [
                await self._post_video(request.prompt, session)
            ]
        except UpstreamError as error:
            error.was_sent = False  # a post perhaps, but not the video
            raise
        return VideoPlan(
            prompt=request.prompt,
            owner=owner,
            parent_post=posts[0],
            references=tuple(references),
        )

    @asynccontextmanager
    async def render(
        self,
        request: VideoRequest,
        plan: VideoPlan,
        parts: tuple[VideoPart, ...],
        session: UpstreamSession,
    ) -> AsyncIterator[VideoBatches]:
        """Ask for the next part; see `VideoBackend.render`."""
        decoder = VideoDecoder(assets_url=self._options.assets_url, owner=plan.owner)
        asked = self._caller.video(session, request, plan, parts)
        deadline = Deadline(self._clock, self._options.video_timeout_s)
        status: int | None = None
        is_taken = False
        try:
            async with self._transport.open(asked, self._caller.exit, self._timeouts) as stream:
                status = stream.status
                await check_answer(stream, now_s=self._clock.now_s())
                is_taken = True
                yield VideoBatches(stream, decoder, deadline)
        except UpstreamError as error:
            if not is_taken:
                error.may_be_running = _may_run(error, status)
            raise
        finally:
            if decoder.unknown_frames:
                log.info("upstream_frames_left_out", count=decoder.unknown_frames, protocol="video")

    async def upscale(self, part: VideoPart, session: UpstreamSession) -> str:
        """Ask for a higher resolution; see `VideoBackend.upscale`."""
        video_id = video.find_video_id(part)
        if not video_id:
            raise UpstreamProtocolError(
                "The upstream did not name the video.", code="upstream_protocol_error"
            )
        return await self._upscales.ask(
            partial(self._caller.upscaling, session, video_id),
            lambda answer: video.read_upscaled(answer.body, self._options.assets_url),
        )

    def guess_url(self, part: VideoPart, session: UpstreamSession) -> str:
        """Say where a lost part will lie; see `VideoBackend.guess_url`."""
        owner = canonical_uuid(session.user_id) or part.owner
        return video.generated_url(self._options.assets_url, owner, part.video_id)

    async def _find_owner(self, session: UpstreamSession) -> str:
        """Return whose videos these are, "" where the site does not tell now.

        It is asked once per account, and early: with it a lost video can be found again.

        Raises:
            UpstreamError: asking showed that the account or the way out is at fault.
        """
        known = canonical_uuid(session.user_id)
        if known:
            return known
        try:
            return await self._whoami.ask(session)
        except UpstreamError as error:
            if error.scope is not Scope.UPSTREAM:
                raise
            log.info("user_id_not_found", error=error.kind, detail=error.detail)
            return ""

    def _url_of(self, file: UploadedFile, owner: str) -> str:
        url = file.url or video.uploaded_url(self._options.assets_url, owner, file.id)
        if not url:
            raise UpstreamProtocolError(
                "The upstream took a file and did not say where it is.",
                code="upstream_upload_unnamed",
            )
        return url

    async def _post_image(self, url: str, session: UpstreamSession) -> str:
        build = partial(self._caller.image_post, session, url)
        return await self._posts.ask(build, lambda answer: read_post(answer.body, "").id)

    async def _post_video(self, prompt: str, session: UpstreamSession) -> str:
        build = partial(self._caller.video_post, session, prompt)
        return await self._posts.ask(build, lambda answer: read_post(answer.body, "").id)


def _choose_older(request: VideoRequest, protocol: str, *, has_references: bool) -> bool:
    """Say whether the older protocol is to be used.

    Raises:
        UpstreamRejectedError: the one that is to be used cannot do what is asked.
    """
    needs_older = video.needs_older(request, has_references=has_references)
    if protocol == "older" or (protocol == "auto" and needs_older):
        return True
    if needs_older:
        raise UpstreamRejectedError(
            "Videos with references, several parts or presets are switched off here.",
            code="video_not_supported",
        )
    if not 1 <= request.seconds <= video.MAX_SECONDS:
        raise UpstreamRejectedError(
            f"A video in one part has 1 to {video.MAX_SECONDS} seconds.",
            code="video_not_supported",
        )
    return False


def _may_run(error: UpstreamError, status: int | None) -> bool:
    """Whether the video may be under way although asking for it failed; `status` as it came.

    A second one may be paid for twice, so only a plain refusal says no.
    """
    if status is None:
        return error.was_sent
    is_refusal = 300 <= status <= 499  # noqa: PLR2004 - redirects, and faults that it finds with us
    return not (is_refusal or isinstance(error, EgressBlockedError))
