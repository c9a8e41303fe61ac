"""One curl handle: what an exit sets once, and what every request sets anew."""

from typing import Any

from curl_cffi import Curl, CurlError, CurlHttpVersion, CurlInfo, CurlOpt
from curl_cffi._wrapper import ffi, lib  # type: ignore[import-not-found]  # a C module
from curl_cffi.curl import DEFAULT_CACERT
from curl_cffi.requests.impersonate import REAL_TARGET_MAP

from grok2api.domain.upstream import UpstreamRequest
from grok2api.errors import SettingsError
from grok2api.upstream import faults
from grok2api.upstream.transport import Exit

_SOCKS_WITH_REMOTE_NAMES = {"socks": "socks5h", "socks5": "socks5h", "socks4": "socks4a"}
# What libcurl would add of its own accord; a request that has them says so itself.
_LIBCURL_EXTRAS = ("Accept", "Accept-Encoding", "User-Agent", "Content-Type", "Expect")


class Handle(Curl):
    """A curl easy handle that keeps its exit's options from one request to the next."""

    _WS_RECV_BUFFER_SIZE = 16  # the parent's 128 kB serve a WebSocket API that is not used here

    _pin: Any = None

    @property
    def easy(self) -> Any:
        """The C handle."""
        return self._curl

    def pin(self, address: str) -> None:
        """Connect to `address` (`host:port`) only, whatever the URL of a request says."""
        entry = lib.curl_slist_append(ffi.NULL, f"::{address}".encode())  # any host, any port
        self._pin = ffi.gc(entry, lib.curl_slist_free_all)  # curl keeps no copy
        self.setopt(CurlOpt.CONNECT_TO, self._pin)

    @property
    def is_connected(self) -> bool:
        """Whether the transfer got past connecting."""
        seconds = self.getinfo(CurlInfo.PRETRANSFER_TIME)
        return isinstance(seconds, float) and seconds > 0


def open_handle(exit_: Exit, *, ca_file: str, is_websocket: bool) -> Handle:
    """Make a handle for one exit.

    Raises:
        SettingsError: curl does not know the profile, or cannot use the proxy URL.
    """
    handle = Handle(cacert=ca_file)
    try:
        if exit_.profile:
            _impersonate(handle, exit_.profile)
        for option, value in _exit_options(exit_, ca_file, is_websocket=is_websocket):
            handle.setopt(option, value)
        if exit_.pinned:
            handle.pin(exit_.pinned)
    except CurlError as error:  # its text quotes the value: a proxy URL with a password
        handle.close()
        raise SettingsError(
            "The proxy or the browser profile cannot be used.", detail=faults.describe(error.code)
        ) from None
    except SettingsError:
        handle.close()
        raise
    return handle


def check_exit(exit_: Exit) -> None:
    """Return if calls can be made through an exit.

    Raises:
        SettingsError: as `open_handle`.
    """
    open_handle(exit_, ca_file="", is_websocket=False).close()


def _impersonate(handle: Handle, profile: str) -> None:
    target = REAL_TARGET_MAP.get(profile, profile)
    if handle.impersonate(target, default_headers=False):
        raise SettingsError(f"Unknown browser profile {profile!r}; try chrome, firefox or safari.")
    # Newer profiles sort header lines; the order is the caller's.
    handle.setopt(CurlOpt.HTTPHEADER_ORDER, ffi.NULL)


def _exit_options(
    exit_: Exit, ca_file: str, *, is_websocket: bool
) -> list[tuple[CurlOpt, int | bytes]]:
    authorities = (ca_file or DEFAULT_CACERT).encode()
    options: list[tuple[CurlOpt, int | bytes]] = [
        (CurlOpt.PROXY, normalize_proxy(exit_.proxy_url).encode()),  # b"" also shuts out the
        (CurlOpt.NOPROXY, b""),  # environment's proxy variables
        (CurlOpt.PROXY_CREDENTIAL_NO_REUSE, 1),
        (CurlOpt.HTTPPROXYTUNNEL, 1),  # the proxy never sees our headers
        (CurlOpt.SUPPRESS_CONNECT_HEADERS, 1),
        (CurlOpt.CAINFO, authorities),
        (CurlOpt.PROXY_CAINFO, authorities),
        (CurlOpt.PROTOCOLS_STR, b"http,https"),
        (CurlOpt.FOLLOWLOCATION, 0),
        (CurlOpt.PATH_AS_IS, 1),
        (CurlOpt.ACCEPT_ENCODING, b""),  # decode all that curl can
        (CurlOpt.NOSIGNAL, 1),
        (CurlOpt.QUICK_EXIT, 1),  # leaving does not wait for a name server
        (CurlOpt.TCP_KEEPALIVE, 1),
        (CurlOpt.TCP_KEEPIDLE, 30),
        (CurlOpt.TCP_KEEPINTVL, 10),
        (CurlOpt.TCP_KEEPCNT, 3),
    ]
    if not is_websocket:  # the profiles ask for an upgrade to HTTP/2 on plain http
        options.append((CurlOpt.HTTP_VERSION, CurlHttpVersion.V2TLS))
    else:
        options += [
            (CurlOpt.HTTP_VERSION, CurlHttpVersion.V1_1),
            (CurlOpt.FRESH_CONNECT, 1),
            (CurlOpt.FORBID_REUSE, 1),
            (CurlOpt.UPLOAD, 1),
        ]
    return options


def normalize_proxy(url: str) -> str:
    """Let SOCKS proxies resolve names themselves: socks, socks5 → socks5h, socks4 → socks4a."""
    scheme, separator, rest = url.partition("://")
    return _SOCKS_WITH_REMOTE_NAMES.get(scheme.lower(), scheme) + separator + rest


def encode_headers(
    headers: tuple[tuple[str, str], ...], *, unsent: tuple[str, ...] = ()
) -> list[bytes]:
    """Render header lines for curl in the given order, without libcurl's own additions.

    `unsent` names more headers to keep libcurl from adding.

    Raises:
        InternalError: a name or value holds a line break.
    """
    lines: list[bytes] = []
    names: set[str] = set()
    for name, value in headers:
        line = f"{name}: {value}" if value else f"{name};"  # curl's spelling of an empty value
        if "\n" in line or "\r" in line or "\0" in line:
            raise faults.unsendable(f"header {name[:40]!r} holds a control character")
        names.add(name.lower())
        lines.append(line.encode())
    lines += [
        f"{name}:".encode() for name in (*_LIBCURL_EXTRAS, *unsent) if name.lower() not in names
    ]
    return lines


def set_request(handle: Handle, request: UpstreamRequest, *, connect_s: float) -> None:
    """Put one HTTP request on a handle.

    Raises:
        InternalError: it cannot be sent as it stands.
    """
    try:
        handle.setopt(CurlOpt.URL, request.url.encode())
        if request.body or request.method in {"POST", "PUT", "PATCH"}:
            handle.setopt(CurlOpt.POST, 1)
            handle.setopt(CurlOpt.POSTFIELDS, request.body)
            handle.setopt(CurlOpt.POSTFIELDSIZE_LARGE, len(request.body))
        elif request.method == "HEAD":
            handle.setopt(CurlOpt.NOBODY, 1)
        else:
            handle.setopt(CurlOpt.HTTPGET, 1)
        handle.setopt(CurlOpt.CUSTOMREQUEST, request.method.encode())
        handle.setopt(CurlOpt.HTTPHEADER, encode_headers(request.headers))
        # curl repeats by itself what was lost on a kept connection, never on a new one.
        handle.setopt(CurlOpt.FRESH_CONNECT, int(request.is_only_once))
        handle.setopt(CurlOpt.CONNECTTIMEOUT_MS, max(1, int(connect_s * 1000)))
    except CurlError as error:
        raise faults.unsendable(faults.describe(error.code)) from None
