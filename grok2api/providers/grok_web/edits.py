"""Edits of pictures at grok.com, in the page's own form and in the older one."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from typing import Final

from msgspec import Struct

from grok2api.clock import Clock
from grok2api.domain.images import (
    ImageBatch,
    ImageMade,
    ImagePreview,
    ImageRequest,
    ImagesDone,
    ImageStep,
    ImageWithheld,
)
from grok2api.domain.upstream import UpstreamRequest
from grok2api.errors import UpstreamError
from grok2api.providers.grok_web.assets import GrokWebAssets
from grok2api.providers.grok_web.caller import Caller
from grok2api.providers.grok_web.calls import Calls, check_answer
from grok2api.providers.grok_web.codec import image_failure
from grok2api.providers.grok_web.codec.edit_decoder import EditDecoder, EditStep
from grok2api.providers.grok_web.codec.edits import (
    Post,
    current_edit,
    older_edit,
    older_prompt,
    post_page,
    read_post,
)
from grok2api.providers.grok_web.codec.identity import canonical_uuid
from grok2api.providers.grok_web.codec.media_quota import IMAGINE_PAGE
from grok2api.providers.grok_web.codec.picture_urls import which_picture
from grok2api.providers.grok_web.deadline import Deadline
from grok2api.providers.grok_web.options import GrokWebOptions
from grok2api.providers.session import UpstreamSession
from grok2api.upstream.transport import Transport

POST_TIMEOUT_S: Final = 25.0
PREVIEW_TIMEOUT_S: Final = 10.0
OLDER_TURNS: Final = 2
"""How often the older form, which makes two pictures at a time, is asked."""


class _Made:
    """What one request has so far."""

    __slots__ = ("deadline", "has_withheld", "pictures", "previews")

    def __init__(self, deadline: Deadline) -> None:
        self.deadline = deadline
        self.pictures: set[str] = set()
        self.previews: dict[int, int] = {}
        self.has_withheld = False


class _Turn(Struct, frozen=True):
    """One call to the site: `first` is the slot of its first picture."""

    request: UpstreamRequest
    decoder: EditDecoder
    first: int


class GrokWebEdits:
    """Edits pictures. Keeps nothing between requests."""

    __slots__ = ("_assets", "_caller", "_clock", "_options", "_posts", "_transport")

    def __init__(
        self, transport: Transport, options: GrokWebOptions, clock: Clock, assets: GrokWebAssets
    ) -> None:
        self._transport = transport
        self._options = options
        self._clock = clock
        self._assets = assets
        self._caller = Caller(options)
        self._posts = Calls(
            transport,
            self._caller.exit,
            clock,
            connect_s=options.timeouts.connect_s,
            timeout_s=POST_TIMEOUT_S,
        )

    async def edit(
        self, request: ImageRequest, session: UpstreamSession
    ) -> AsyncGenerator[ImageBatch, None]:
        """Make the pictures, call by call; see `ImageBackend.make_images`."""
        made = _Made(Deadline(self._clock, self._options.image_timeout_s))
        is_older = self._options.edit_form == "older"
        post = await self._make_post(request, session) if is_older else None
        for _ in range(OLDER_TURNS if is_older else request.n):
            turn = self._prepare(request, session, post, len(made.pictures))
            try:
                async with aclosing(self._stream(turn, request, session, made)) as batches:
                    async for batch in batches:
                        yield batch
            except UpstreamError as error:
                # What is made is paid for; another account would make all of it anew.
                error.is_final = error.is_final or bool(made.pictures)
                raise
            results = turn.decoder.results
            made.has_withheld = made.has_withheld or turn.decoder.has_withheld
            async for batch in self._fetch(results, request, session, made):
                yield batch
            if not results or len(made.pictures) == request.n:
                break
        missing = range(len(made.pictures), request.n)
        if not missing:
            yield [ImagesDone()]
            return
        if made.has_withheld:
            yield [ImageWithheld(slot) for slot in missing]
        raise _explain(made, request)

    async def _make_post(self, request: ImageRequest, session: UpstreamSession) -> Post:
        prompt = older_prompt(request.prompt, session.attachments)
        build = partial(self._caller.picture_post, session, prompt)
        try:
            return await self._posts.ask(build, lambda answer: read_post(answer.body, prompt))
        except UpstreamError as error:
            error.was_sent = False
            raise

    def _prepare(
        self, request: ImageRequest, session: UpstreamSession, post: Post | None, first: int
    ) -> _Turn:
        files, ratio = session.attachments, request.aspect_ratio
        if post is None:
            body, page = current_edit(request.prompt, files, ratio), IMAGINE_PAGE
        else:
            body, page = older_edit(post, files, ratio), post_page(post)
        decoder = EditDecoder(
            self._options.assets_url,
            canonical_uuid(session.user_id),
            by_asset=post is not None,
        )
        return _Turn(self._caller.edit(session, body, page=page), decoder, first)

    async def _stream(
        self, turn: _Turn, request: ImageRequest, session: UpstreamSession, made: _Made
    ) -> AsyncGenerator[ImageBatch, None]:
        """Read one answer to its end; give out its progress."""
        decoder = turn.decoder
        async with self._transport.open(
            turn.request, self._caller.exit, self._options.image_timeouts
        ) as stream:
            await check_answer(stream, now_s=self._clock.now_s())
            while not decoder.is_over:
                data = await stream.read()
                made.deadline.check()
                steps = decoder.feed(data)
                if not data:
                    decoder.close()
                for step in steps:
                    slot = turn.first + step.index
                    if slot < request.n:
                        yield await self._show(step, slot, request, session, made)
        if decoder.error is not None:
            raise decoder.error

    async def _show(
        self,
        step: EditStep,
        slot: int,
        request: ImageRequest,
        session: UpstreamSession,
        made: _Made,
    ) -> ImageBatch:
        """Return a step, with the picture so far if that is wanted and can be had."""
        out: ImageBatch = [ImageStep(slot, step.percent)]
        shown = made.previews.get(slot, 0)
        if step.url and shown < request.previews:
            try:
                async with asyncio.timeout(PREVIEW_TIMEOUT_S):
                    content = await self._assets.fetch_image(step.url, session)
            except (TimeoutError, UpstreamError):
                return out  # the result is what counts
            made.previews[slot] = shown + 1
            out.append(ImagePreview(slot, step.percent, content))
        return out

    async def _fetch(
        self,
        urls: tuple[str, ...],
        request: ImageRequest,
        session: UpstreamSession,
        made: _Made,
    ) -> AsyncGenerator[ImageBatch, None]:
        for url in urls:
            which = which_picture(url)
            is_enough = len(made.pictures) == request.n
            if is_enough or which in made.pictures or not self._assets.knows(url):
                continue
            content = await self._assets.fetch_image(url, session)
            slot = len(made.pictures)
            made.pictures.add(which)
            yield [ImageMade(slot, content, url)]


def _explain(made: _Made, request: ImageRequest) -> UpstreamError:
    if made.pictures:
        return image_failure.incomplete(len(made.pictures), request.n)
    return image_failure.withheld() if made.has_withheld else image_failure.no_edit()
