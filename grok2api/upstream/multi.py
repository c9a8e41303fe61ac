"""One libcurl multi handle on the running loop, with little Python per wake-up."""

from collections.abc import Callable
from typing import Any

from curl_cffi import AsyncCurl, CurlECode, CurlMOpt
from curl_cffi._wrapper import ffi, lib  # type: ignore[import-not-found]  # a C module

from grok2api.upstream.handle import Handle

_TIMEOUT_SOCKET = -1


class Multi(AsyncCurl):
    """Drives transfers and holds their connections.

    The parent brings the socket and timer callbacks. What it does once per wake-up is done here
    without allocations, its poll every 100 ms is gone (libcurl's own timers suffice), and a
    finished transfer calls its owner directly instead of through a future.
    """

    def __init__(self, max_connections: int) -> None:
        super().__init__()
        self._running = ffi.new("int *")
        self._waiting = ffi.new("int *")
        self._owners: dict[Any, tuple[Handle, Callable[[int], None]]] = {}
        # The parent's setopt() passes the address of a number where libcurl takes the number.
        for option, value in ((CurlMOpt.MAXCONNECTS, max_connections), (CurlMOpt.QUICK_EXIT, 1)):
            lib.curl_multi_setopt(self._curlm, option, ffi.cast("void *", value))

    @property
    def transfers(self) -> int:
        """Transfers under way."""
        return len(self._owners)

    @property
    def sockets(self) -> int:
        """Sockets the loop watches for this handle."""
        return len(self._sockfds)

    async def _force_timeout(self) -> None:
        return

    def process_data(self, sockfd: int, ev_bitmask: int) -> None:
        """Let libcurl work on one socket, then tell the owners of finished transfers."""
        curlm = self._curlm
        if not curlm:
            return
        lib.curl_multi_socket_action(curlm, sockfd, ev_bitmask, self._running)
        while (message := lib.curl_multi_info_read(curlm, self._waiting)) != ffi.NULL:
            code = message.data.result
            self._finish(message.easy_handle, code)

    def _finish(self, easy: Any, code: int) -> None:
        lib.curl_multi_remove_handle(self._curlm, easy)
        owner = self._owners.pop(easy, None)
        if owner is not None:
            owner[1](code)

    def start(self, handle: Handle, on_done: Callable[[int], None]) -> None:
        """Begin a transfer; `on_done` gets curl's result code, unless the transfer is stopped."""
        self._owners[handle.easy] = (handle, on_done)
        lib.curl_multi_add_handle(self._curlm, handle.easy)

    def stop(self, handle: Handle) -> None:
        """Abort a transfer now: its socket is closed, or its HTTP/2 stream is reset."""
        if self._owners.pop(handle.easy, None) is not None and self._curlm:
            lib.curl_multi_remove_handle(self._curlm, handle.easy)

    def flush(self) -> None:
        """Let libcurl do what is due now, without a turn of the loop."""
        self.process_data(_TIMEOUT_SOCKET, 0)

    def shut_down(self) -> None:
        """Abort every transfer, tell its owner, and close every connection."""
        if not self._curlm:
            return
        self._timeout_checker.cancel()
        for handle, on_done in list(self._owners.values()):
            self.stop(handle)
            on_done(CurlECode.ABORTED_BY_CALLBACK)
        for sockfd in list(self._sockfds):
            self.loop.remove_reader(sockfd)
            self.loop.remove_writer(sockfd)
        lib.curl_multi_cleanup(self._curlm)
        self._curlm = None
        if self._timer:
            self._timer.cancel()
