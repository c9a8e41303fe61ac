"""The gunicorn worker and its HTTP protocol: deadlines and caps for heads, and an orderly end."""

import asyncio
import gc
import signal
import sys
from types import FrameType
from typing import Any, ClassVar

from gunicorn.arbiter import Arbiter  # type: ignore[import-untyped]
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import Server, ServerState
from uvicorn_worker import UvicornWorker  # type: ignore[import-untyped]

from grok2api.web.drain import Drain
from grok2api.web.graphs import KEY, Graphs
from grok2api.web.presence import companion
from grok2api.web.security_headers import FOR_ALL_ELSE

STOP_MARGIN_S = 5.0
"""At graceful_timeout the master kills; we must be through this long before."""
STREAM_MARGIN_S = 1.0
"""Streams say good-bye this long before the server cancels what still runs."""
QUICK_STOP_S = 1
HEARTBEAT_S = 1.0
WEBSOCKET_MAX_BYTES = 1 << 20
GC_THRESHOLD = 10_000
"""More new objects than one request makes, so that hardly one is looked at while it lives."""

_REFUSAL = b"".join(
    [
        b"HTTP/1.1 %d %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n",
        *(b"%s: %s\r\n" % header for header in FOR_ALL_ELSE),
        b"connection: close\r\n\r\n%s",
    ]
)
_REFUSAL_BODY = (
    b'{"error":{"message":"%s","type":"invalid_request_error","param":null,"code":null}}'
)


class RefusedHeadError(Exception):
    """The head of a request broke a rule; stops the parser."""


class GuardedProtocol(HttpToolsProtocol):
    """httptools' parser, which by itself waits for ever and takes heads of any size.

    A request's head must come within `header_timeout_s` and fit the caps; HTTP/1.1 needs exactly
    one Host; only targets in origin form are served (and `OPTIONS *`). A body that was not read
    when its answer is complete may go on for `linger_s`, so that the client can read the answer.
    """

    header_timeout_s: float = 10.0
    max_header_bytes: ClassVar[int] = 32 * 1024
    max_headers: ClassVar[int] = 100
    linger_s: ClassVar[float] = 5.0

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        graphs = app_state.get(KEY)
        if isinstance(graphs, Graphs):
            self.header_timeout_s = graphs.current.settings.security.header_timeout_s
        self._head_bytes = 0
        self._is_reading_head = True
        self._has_begun = False
        self._head_timer: asyncio.TimerHandle | None = None
        self._linger_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._head_timer = self.loop.call_later(self.header_timeout_s, self._on_slow_head)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_head_timer()
        self._stop_linger_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        was_in_head = self._is_reading_head and self._has_begun
        super().data_received(data)
        if not self._is_reading_head or self.transport.is_closing():
            return
        # The head is still not complete: count what we had to keep of it, and give it time once.
        if was_in_head:
            self._head_bytes += len(data)
            if self._head_bytes > self.max_header_bytes:
                self._refuse(431, b"Request Header Fields Too Large")
        elif self._head_timer is None and self._has_begun:
            self._head_timer = self.loop.call_later(self.header_timeout_s, self._on_slow_head)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_reading_head = self._has_begun = True
        self._head_bytes = 0

    def on_headers_complete(self) -> None:
        self._stop_head_timer()
        self._is_reading_head = False
        self._check_head()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._stop_linger_timer()
        self._is_reading_head = True
        self._has_begun = False

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle.more_body and not self.pipeline and not self.transport.is_closing():
            self._linger_timer = self.loop.call_later(self.linger_s, self.transport.close)

    def send_400_response(self, msg: str) -> None:
        """Answer what could not be parsed, unless it has been answered already."""
        if not self.transport.is_closing():
            self._refuse(400, b"Bad Request")

    def _check_head(self) -> None:
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if size > self.max_header_bytes or len(self.headers) > self.max_headers:
            self._refuse(431, b"Request Header Fields Too Large")
            raise RefusedHeadError
        hosts = sum(name == b"host" for name, _ in self.headers)
        is_host_fine = hosts == 1 or (hosts == 0 and self.parser.get_http_version() == "1.0")
        is_server_wide = self.url == b"*" and self.parser.get_method() == b"OPTIONS"
        if not is_host_fine or not (self.url.startswith(b"/") or is_server_wide):
            self._refuse(400, b"Bad Request")
            raise RefusedHeadError

    def _on_slow_head(self) -> None:
        if self.transport.is_closing():
            return
        if self._has_begun:
            self._refuse(408, b"Request Timeout")
        else:
            # Browsers open connections in advance: one that never asked gets no answer.
            self.transport.close()

    def _refuse(self, status: int, reason: bytes) -> None:
        # An answer that is being sent must not be mixed with this one.
        cycle: RequestResponseCycle | None = self.cycle
        is_sending = cycle is not None and cycle.response_started and not cycle.response_complete
        if not is_sending and not self.pipeline:
            body = _REFUSAL_BODY % reason
            self.transport.write(_REFUSAL % (status, reason, len(body), body))
        self.transport.close()

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _stop_linger_timer(self) -> None:
        if self._linger_timer is not None:
            self._linger_timer.cancel()
            self._linger_timer = None


class DrainingServer(Server):
    """Tells the application that it is about to stop the moment the signal comes."""

    def __init__(self, config: Config, worker: "GatewayWorker") -> None:
        super().__init__(config)
        self._worker = worker
        self._loop = asyncio.get_running_loop()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take a stop signal; runs in a signal handler, so the loop is only woken up."""
        super().handle_exit(sig, frame)
        self._loop.call_soon_threadsafe(self._worker.begin_drain)

    def quit_now(self) -> None:
        """Stop without a grace period; requests get just the time to free what they hold."""
        self.should_exit = True
        self.config.timeout_graceful_shutdown = QUICK_STOP_S
        self._worker.begin_drain()

    async def shutdown(self, sockets: Any = None) -> None:
        """Stop accepting, let requests finish, then close the application.

        The master's heartbeat goes on meanwhile: on a reload it would kill a worker that drains
        for longer than its timeout.
        """
        self._worker.begin_drain()
        async with companion(self._beat()):
            await super().shutdown(sockets)

    async def _beat(self) -> None:
        while True:
            self._worker.notify()
            await asyncio.sleep(HEARTBEAT_S)


class GatewayWorker(UvicornWorker):  # type: ignore[misc]
    """The worker class for gunicorn; the application is a Starlette one with `state.drain`."""

    CONFIG_KWARGS: ClassVar[dict[str, Any]] = {
        "loop": "uvloop" if sys.platform != "win32" else "asyncio",
        "http": GuardedProtocol,
        "ws": "websockets-sansio",
        "ws_max_size": WEBSOCKET_MAX_BYTES,
        "lifespan": "on",
        # Its line would hold the query string.
        "access_log": False,
        "server_header": False,
        # `web/client_address.py` reads what proxies say.
        "proxy_headers": False,
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        drain_s = max(1.0, self.cfg.graceful_timeout - STOP_MARGIN_S)
        self.config.timeout_graceful_shutdown = int(drain_s)

    def begin_drain(self) -> None:
        """Tell the application that the end is near."""
        drain = getattr(self.wsgi.state, "drain", None)
        if isinstance(drain, Drain):
            drain.begin(max(0.5, (self.config.timeout_graceful_shutdown or 0) - STREAM_MARGIN_S))

    async def _serve(self) -> None:
        self.config.app = self.wsgi
        # What importing made stays for ever: the collector need not walk it again and again.
        gc.collect()
        gc.freeze()
        gc.set_threshold(GC_THRESHOLD)
        server = DrainingServer(self.config, self)
        # The master's word for "at once"; what we inherit only sets a flag that nobody reads.
        asyncio.get_running_loop().add_signal_handler(signal.SIGQUIT, server.quit_now)
        await server.serve(sockets=self.sockets)
        if not server.started:
            sys.exit(Arbiter.WORKER_BOOT_ERROR)
