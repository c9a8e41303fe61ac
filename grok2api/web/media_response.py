"""An answer that is a kept picture or video: whole or a part of it, read as the client takes it."""

from collections.abc import Mapping
from contextlib import aclosing
from http import HTTPStatus
from typing import Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from grok2api.domain.media import ENDINGS, OTHER_ENDING, StoredMedia
from grok2api.errors import GatewayError, MediaStoreError
from grok2api.services.media import MediaLibrary
from grok2api.web.facts import facts_in
from grok2api.web.presence import ClientLeftError, client_present
from grok2api.web.ranges import ByteRange, RangeNotSatisfiableError, Validators, parse_range
from grok2api.web.state import state_in

_UNKNOWN_TYPE: Final = "application/octet-stream"
# Opened by itself, a file is shown by a page that the browser makes up: it may show that one file.
_POLICY: Final = (
    "sandbox; default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'"
)


def name_of(media: StoredMedia) -> str:
    """Return the name of a kept file, as it is saved by."""
    return f"{media.id}.{ENDINGS.get(media.media_type, OTHER_ENDING)}"


class MediaResponse(Response):
    """Sends a kept file, or that part of it which the request asks for.

    Bytes are read piece by piece, each when the client has taken those before: a slow client slows
    the reading, and one that leaves ends it. Nothing is sent before the first piece is there, so a
    file whose bytes are gone is an ordinary error. Where bytes fail later the connection is closed
    before the announced length, which no client takes for the whole file.

    `request_headers` are looked at for conditions and ranges; `cache_control` says who may keep
    the answer, and how long.
    """

    def __init__(
        self,
        media: StoredMedia,
        library: MediaLibrary,
        request_headers: Mapping[str, str],
        *,
        cache_control: str,
        is_download: bool = False,
    ) -> None:
        self.background = None
        self._media = media
        self._library = library
        self._request_headers = request_headers
        self._cache_control = cache_control
        # What is no picture and no video is never shown.
        is_shown = media.media_type in ENDINGS and not is_download
        self._disposition = "inline" if is_shown else "attachment"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        status, headers, part = self._plan(scope["method"])
        start = {
            "type": "http.response.start",
            "status": int(status),
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }
        if part is None:
            await send(start)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        is_started = False
        left = part.end - part.start
        try:
            async with (
                client_present(receive, state_in(scope).drain),
                aclosing(self._library.read(self._media, part.start, part.end)) as pieces,
            ):
                async for piece in pieces:
                    if len(piece) > left:
                        break
                    if not is_started:
                        is_started = True
                        await send(start)
                    is_last = len(piece) == left
                    await send(
                        {"type": "http.response.body", "body": piece, "more_body": not is_last}
                    )
                    left -= len(piece)
            if left:
                raise MediaStoreError("The file is not as long as it was.")
        except ClientLeftError:
            # Of a client that has been sent everything, the server tells the same.
            if left:
                raise
        except GatewayError as error:
            if not is_started:
                raise
            # The server closes a connection whose answer is not complete.
            facts_in(scope).note_error(error)

    def _plan(self, method: str) -> tuple[HTTPStatus, dict[str, str], ByteRange | None]:
        """Return status, headers and what of the file is the body, if anything is."""
        media, given = self._media, self._request_headers
        state = Validators(f'"{media.id}"', media.created_at_s)
        kept = {
            "etag": state.etag,
            "last-modified": state.last_modified,
            "cache-control": self._cache_control,
        }
        if state.is_unchanged(given.get("if-none-match"), given.get("if-modified-since")):
            return HTTPStatus.NOT_MODIFIED, kept, None
        # Parts are defined for GET only.
        asked = given.get("range") if method == "GET" else None
        size = media.size_bytes
        try:
            part = parse_range(asked, size) if state.allow_range(given.get("if-range")) else None
        except RangeNotSatisfiableError:
            headers = {"content-range": f"bytes */{size}", "content-length": "0"}
            return HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, headers, None
        headers = kept | self._describe()
        if part is None:
            headers["content-length"] = str(size)
            body = ByteRange(0, size) if method == "GET" and size else None
            return HTTPStatus.OK, headers, body
        headers["content-length"] = str(part.end - part.start)
        headers["content-range"] = f"bytes {part.start}-{part.end - 1}/{size}"
        return HTTPStatus.PARTIAL_CONTENT, headers, part

    def _describe(self) -> dict[str, str]:
        media_type = self._media.media_type
        return {
            "content-type": media_type if media_type in ENDINGS else _UNKNOWN_TYPE,
            "content-disposition": f'{self._disposition}; filename="{name_of(self._media)}"',
            "accept-ranges": "bytes",
            "content-security-policy": _POLICY,
        }
