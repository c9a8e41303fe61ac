"""What accounts keep at grok.com: listed, deleted, fetched."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Final

from grok2api.clock import Clock
from grok2api.errors import CredentialRejectedError, UpstreamError, UpstreamTimeoutError
from grok2api.providers.grok_web.caller import Caller
from grok2api.providers.grok_web.calls import Calls, check_answer
from grok2api.providers.grok_web.codec import image_failure
from grok2api.providers.grok_web.codec.assets import (
    MAX_PAGE_BYTES,
    Place,
    Places,
    is_fit,
    media_type_of,
    read_page,
    size_of,
)
from grok2api.providers.grok_web.deletions import Deletions
from grok2api.providers.grok_web.options import GrokWebOptions
from grok2api.providers.media import AssetPage
from grok2api.providers.session import UpstreamSession
from grok2api.upstream.transport import Transport, UpstreamStream

LIST_TIMEOUT_S: Final = 60.0
FETCH_TIMEOUT_S: Final = 60.0
"""How long a picture may take, all attempts together."""
PAUSES_S: Final = (0.2, 0.75)
"""What comes between the attempts to fetch a file."""

_PASSING: Final = frozenset({403, 408, 425, 429})
_FIRST_SERVER_ERROR: Final = 500


class GrokWebDownload:
    """A file that is on its way; see `Download`."""

    __slots__ = ("_head", "_limit_bytes", "_stream", "media_type", "size_bytes")

    def __init__(self, stream: UpstreamStream, head: bytes, limit_bytes: int) -> None:
        self.media_type = media_type_of(stream.headers)
        self.size_bytes = size_of(stream.headers)
        self._stream = stream
        self._head = head
        self._limit_bytes = limit_bytes

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Yield the content; see `Download.chunks`."""
        size, data = 0, self._head
        while data:
            size += len(data)
            if size > self._limit_bytes:
                raise image_failure.unfetched("larger than allowed")
            yield data
            try:
                data = await self._stream.read()
            except UpstreamError as error:
                error.is_final = True
                raise


class GrokWebAssets:
    """Lists, deletes and fetches files at grok.com."""

    __slots__ = ("_caller", "_clock", "_deletions", "_lists", "_options", "_places", "_transport")

    def __init__(self, transport: Transport, options: GrokWebOptions, clock: Clock) -> None:
        self._transport = transport
        self._options = options
        self._clock = clock
        self._caller = Caller(options)
        self._places = Places(assets_url=options.assets_url, public_url=options.public_url)
        connect_s = options.timeouts.connect_s
        self._deletions = Deletions(transport, self._caller, clock, connect_s=connect_s)
        self._lists = Calls(
            transport,
            self._caller.exit,
            clock,
            connect_s=connect_s,
            timeout_s=LIST_TIMEOUT_S,
            limit_bytes=MAX_PAGE_BYTES,
        )

    async def list_page(self, session: UpstreamSession, token: str = "") -> AssetPage:
        """List some files; see `AssetBackend.list_page`."""
        build = partial(self._caller.asset_query, session, token)
        return await self._lists.ask(build, lambda answer: read_page(answer.body))

    async def delete(self, asset_id: str, session: UpstreamSession) -> None:
        """Delete one file; see `AssetBackend.delete`."""
        await self._deletions.delete(asset_id, session)

    @asynccontextmanager
    async def download(
        self, url: str, session: UpstreamSession, *, is_video: bool = False
    ) -> AsyncIterator[GrokWebDownload]:
        """Fetch a file; see `AssetBackend.download`."""
        place = self._places.find(url)
        if place is None:
            raise image_failure.unfetched("not a host of the upstream")
        opened, stack = await self._open(place, session, is_video=is_video)
        async with stack:
            yield opened

    def knows(self, url: str) -> bool:
        """Whether a file at `url` could be fetched."""
        return self._places.find(url) is not None

    async def fetch_image(self, url: str, session: UpstreamSession) -> bytes:
        """Return a picture, whole.

        Raises:
            UpstreamError: as `download`.
        """
        try:
            async with (
                asyncio.timeout(FETCH_TIMEOUT_S),
                self.download(url, session) as opened,
            ):
                return b"".join([chunk async for chunk in opened.chunks()])
        except TimeoutError:
            raise image_failure.unfetched(f"not there after {FETCH_TIMEOUT_S:g} s") from None

    async def _open(
        self, place: Place, session: UpstreamSession, *, is_video: bool
    ) -> tuple[GrokWebDownload, AsyncExitStack]:
        for pause_s in PAUSES_S:
            try:
                return await self._try(place, session, is_video=is_video)
            except UpstreamError as error:
                if not _may_pass(error):
                    raise _explain(error, place) from None
            await asyncio.sleep(pause_s)
        try:
            return await self._try(place, session, is_video=is_video)
        except UpstreamError as error:
            raise _explain(error, place) from None

    async def _try(
        self, place: Place, session: UpstreamSession, *, is_video: bool
    ) -> tuple[GrokWebDownload, AsyncExitStack]:
        """Ask once; the connection stays open until the stack that is returned is closed."""
        options = self._options
        limit_bytes = options.video_max_bytes if is_video else options.image_max_bytes
        request = self._caller.download(session, place)
        async with AsyncExitStack() as stack:
            stream = await stack.enter_async_context(
                self._transport.open(request, self._caller.exit, options.image_timeouts)
            )
            await check_answer(stream, now_s=self._clock.now_s())
            opened = GrokWebDownload(stream, head := await stream.read(), limit_bytes)
            if not is_fit(opened.media_type, head, is_video=is_video):
                raise image_failure.unfetched("the answer is no such file", status=stream.status)
            if opened.size_bytes is not None and opened.size_bytes > limit_bytes:
                raise image_failure.unfetched("larger than allowed", status=stream.status)
            return opened, stack.pop_all()


def _may_pass(error: UpstreamError) -> bool:
    if isinstance(error, CredentialRejectedError):
        return False
    if error.status is None:  # no answer came, or it broke off
        return not error.is_final
    return error.status in _PASSING or error.status >= _FIRST_SERVER_ERROR


def _explain(error: UpstreamError, place: Place) -> UpstreamError:
    """Return what a failed download means: nothing about the account, but for its session."""
    if isinstance(error, CredentialRejectedError) and place.needs_session:
        error.is_final = True
        return error
    is_timeout = isinstance(error, UpstreamTimeoutError)
    detail = error.detail or ("no answer in time" if is_timeout else error.message)
    return image_failure.unfetched(detail, status=error.status)
