"""One exchange on one curl handle: what has arrived, who waits for it, and when it is too late."""

import asyncio
from collections.abc import Callable
from typing import Final

from curl_cffi import CurlError, CurlOpt

from grok2api.errors import UpstreamError
from grok2api.upstream import faults
from grok2api.upstream.handle import Handle
from grok2api.upstream.multi import Multi
from grok2api.upstream.transport import Timeouts

HIGH_WATER_BYTES: Final = 1024 * 1024
HEAD_WAIT_S: Final = 10.0
_PAUSE: Final = 0x10000001  # CURL_WRITEFUNC_PAUSE, and CURL_READFUNC_PAUSE
_CONTINUE: Final = 0
_SWITCHING_PROTOCOLS: Final = 101
_FIRST_FINAL_STATUS: Final = 200


class Transfer:
    """An `UpstreamStream`; one task reads it.

    curl's callbacks fill the buffer; above `HIGH_WATER_BYTES` the socket is left alone until the
    reader comes back. The idle deadline runs only while a reader waits.
    """

    __slots__ = (
        "_chunks",
        "_connect_timer",
        "_failure",
        "_handle",
        "_has_head",
        "_idle_timer",
        "_is_over",
        "_is_paused",
        "_lines",
        "_loop",
        "_multi",
        "_size",
        "_timeouts",
        "_waiter",
        "_waiting_since",
        "headers",
        "on_end",
        "status",
    )

    def __init__(self, multi: Multi, handle: Handle, timeouts: Timeouts) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.on_end: Callable[[], None] | None = None  # called once, when nothing more can come
        self._multi = multi
        self._handle = handle
        self._timeouts = timeouts
        self._loop = asyncio.get_running_loop()
        self._chunks: list[bytes] = []
        self._size = 0
        self._lines: list[bytes] = []
        self._has_head = False
        self._is_paused = False
        self._is_over = False
        self._failure: UpstreamError | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._waiting_since = 0.0
        self._idle_timer: asyncio.TimerHandle | None = None
        self._connect_timer: asyncio.TimerHandle | None = None

    @property
    def is_over(self) -> bool:
        """Whether curl has nothing more to do with this exchange."""
        return self._is_over

    @property
    def buffered_bytes(self) -> int:
        """Bytes that wait for the reader."""
        return self._size

    async def start(self) -> None:
        """Send the request that the handle holds and wait for the final headers.

        Raises:
            UpstreamTimeoutError, UpstreamUnavailableError: as `Transport.open`.
        """
        self._handle.setopt(CurlOpt.WRITEFUNCTION, self._on_body)
        self._handle.setopt(CurlOpt.HEADERFUNCTION, self._on_header_line)
        self._connect_timer = self._loop.call_later(self._timeouts.header_s, self._on_header_late)
        self._multi.start(self._handle, self._on_done)
        while not self._has_head:
            if self._failure is not None:
                raise self._failure
            if self._is_over:
                raise faults.no_connection("the connection closed before an answer")
            await self._sleep()
        self._connect_timer.cancel()

    async def read(self) -> bytes:
        """Return all bytes that wait, at least one; b"" at the end.

        Cancelling a read loses nothing.

        Raises:
            UpstreamTimeoutError: nothing came within the idle deadline.
            UpstreamUnavailableError: the connection broke.
        """
        while not self._chunks:
            if self._failure is not None:
                raise self._failure
            if self._is_over:
                return b""
            self._watch_idle()
            await self._sleep()
        chunks = self._chunks
        data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        chunks.clear()
        self._size = 0
        if self._is_paused:
            self.resume()
        return data

    async def read_head(self, limit_bytes: int) -> bytes:
        """Return at most `limit_bytes` of the body; less if it breaks, stalls or takes too long."""
        parts: list[bytes] = []
        missing = limit_bytes
        try:
            async with asyncio.timeout(HEAD_WAIT_S):
                while missing > 0 and (data := await self.read()):
                    parts.append(data[:missing])
                    missing -= len(parts[-1])
                    if len(parts[-1]) < len(data):
                        self._unread(data[len(parts[-1]) :])
        except (TimeoutError, UpstreamError):
            pass  # what has come is better than an error about an error
        return b"".join(parts)

    def resume(self) -> None:
        """Let curl go on after one of its callbacks asked for a pause."""
        self._is_paused = False
        if self._is_over:
            return
        try:
            self._handle.pause(_CONTINUE)
        except CurlError as error:
            self._fail(faults.truncated(faults.describe(error.code)))

    def close(self) -> None:
        """Abort what is still under way, at once. Idempotent."""
        self._fail(faults.truncated("closed by us"))
        self._chunks.clear()
        self._size = 0
        for timer in (self._idle_timer, self._connect_timer):
            if timer is not None:
                timer.cancel()

    def _unread(self, data: bytes) -> None:
        self._chunks.insert(0, data)
        self._size += len(data)

    async def _sleep(self) -> None:
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _watch_idle(self) -> None:
        """Start the idle deadline; one timer serves many reads."""
        self._waiting_since = self._loop.time()
        if self._idle_timer is None:
            self._idle_timer = self._loop.call_later(self._timeouts.idle_s, self._on_idle_check)

    def _on_idle_check(self) -> None:
        self._idle_timer = None
        if self._waiter is None or self._waiter.done():
            return
        left_s = self._waiting_since + self._timeouts.idle_s - self._loop.time()
        if left_s > 0:
            self._idle_timer = self._loop.call_later(left_s, self._on_idle_check)
        else:
            self._fail(faults.idle_timeout(self._timeouts.idle_s))

    def _on_header_late(self) -> None:
        if self._handle.is_connected:
            self._fail(faults.header_timeout(self._timeouts.header_s))
        else:
            self._fail(faults.connect_timeout(self._timeouts.header_s))

    def _fail(self, error: UpstreamError) -> None:
        """End the transfer from our side. Never from within a curl callback."""
        if not self._is_over:
            self._multi.stop(self._handle)
            self._end(error)

    def _end(self, error: UpstreamError | None) -> None:
        self._is_over = True
        self._failure = error
        self._wake()
        if self.on_end is not None:
            self.on_end()

    def _on_done(self, code: int) -> None:
        if code == 0:
            self._end(None)
            return
        connect_s = self._timeouts.connect_s
        self._end(faults.from_curl(code, has_head=self._has_head, connect_s=connect_s))

    def _on_body(self, chunk: bytes) -> int:
        if self._size >= HIGH_WATER_BYTES:
            self._is_paused = True
            return _PAUSE  # curl keeps this chunk and delivers it again
        self._chunks.append(chunk)
        size = len(chunk)
        self._size += size
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
        return size

    def _on_header_line(self, line: bytes) -> int:
        if self._has_head:
            return len(line)  # trailers
        if line not in {b"\r\n", b"\n"}:
            self._lines.append(line)
            return len(line)
        lines, self._lines = self._lines, []
        status = _parse_status(lines[0] if lines else b"")
        if status >= _FIRST_FINAL_STATUS or status == _SWITCHING_PROTOCOLS:
            self.status = status
            self.headers = _parse_headers(lines[1:])
            self._has_head = True
            self._wake()
        return len(line)


def _parse_status(line: bytes) -> int:
    words = line.split(None, 2)
    return int(words[1]) if len(words) > 1 and words[1].isdigit() else 0


def _parse_headers(lines: list[bytes]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.decode("latin-1").partition(":")
        if colon:
            key, text = name.strip().lower(), value.strip()
            headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers
