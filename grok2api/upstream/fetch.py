"""Fetching what a client's URL names: guarded, bounded, and with nothing of ours in the request."""

import asyncio
import re
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from ipaddress import IPv6Address
from typing import Final
from urllib.parse import unquote, urljoin, urlsplit

import structlog
from msgspec import Struct

from grok2api.domain.upstream import UpstreamRequest
from grok2api.errors import GatewayError
from grok2api.upstream.curl import CurlTransport, open_transport
from grok2api.upstream.guard import (
    Address,
    BlockedError,
    Guard,
    GuardRules,
    Target,
    parse_target,
    resolve_name,
)
from grok2api.upstream.transport import Exit, Timeouts, UpstreamStream

log = structlog.get_logger(__name__)

MAX_REDIRECTS: Final = 3
CONNECT_TIMEOUT_S: Final = 5.0
_MAX_TRIES: Final = 2
_RESOLVERS: Final = 8
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_SUCCESS: Final = 200
_FILE_NAME = re.compile(r'filename="?([^";]+)"?', re.IGNORECASE)
# Nothing that tells who asks: no cookie, no referer, no account.
_HEADERS: Final = (
    ("Accept", "*/*"),
    ("Accept-Encoding", "identity"),
    ("User-Agent", "Mozilla/5.0 (compatible; grok2api)"),
)


class FetchError(Exception):
    """A file was not had; the text may be shown to the client. `is_too_large`: only its size."""

    def __init__(self, message: str, *, is_too_large: bool = False) -> None:
        super().__init__(message)
        self.is_too_large = is_too_large


class Fetched(Struct, frozen=True):
    """A file: its bytes, and what its server says that it is and is called ("" for nothing)."""

    content: bytes
    media_type: str
    name: str


class Fetcher:
    """Fetches files; its connections serve nothing else and are never used twice.

    `timeout_s` is for one file as a whole, redirects included.
    """

    __slots__ = ("_guard", "_timeout_s", "_timeouts", "_transport")

    def __init__(self, transport: CurlTransport, guard: Guard, *, timeout_s: float) -> None:
        self._transport = transport
        self._guard = guard
        self._timeout_s = timeout_s
        self._timeouts = Timeouts(min(CONNECT_TIMEOUT_S, timeout_s), timeout_s, timeout_s)

    async def fetch(self, url: str, limit_bytes: int) -> Fetched:
        """Return the file at `url`.

        Raises:
            FetchError: it must not be fetched, is larger than `limit_bytes`, or cannot be had.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._follow(url, limit_bytes)
        except TimeoutError:
            raise FetchError(f"It did not come within {self._timeout_s:g} seconds.") from None
        except BlockedError as error:
            raise FetchError(str(error)) from None
        except GatewayError as error:
            log.info("fetch_failed", error=error.kind, detail=error.detail)  # never the URL
            raise FetchError("Its server could not be reached, or broke off.") from None

    async def _follow(self, url: str, limit_bytes: int) -> Fetched:
        for _ in range(MAX_REDIRECTS + 1):
            target = parse_target(url, self._guard.rules)
            addresses = await self._guard.find_addresses(target)
            found = await self._ask(target, addresses[:_MAX_TRIES], limit_bytes)
            if isinstance(found, Fetched):
                return found
            url = urljoin(target.url, found)
        raise FetchError(f"It is redirected more than {MAX_REDIRECTS} times.")

    async def _ask(
        self, target: Target, addresses: list[Address], limit_bytes: int
    ) -> Fetched | str:
        """Return the file, or where it is said to be."""
        *others, last = addresses
        for address in others:
            try:
                return await self._ask_one(target, address, limit_bytes)
            except GatewayError as error:
                if getattr(error, "was_sent", True):
                    raise
        return await self._ask_one(target, last, limit_bytes)

    async def _ask_one(self, target: Target, address: Address, limit_bytes: int) -> Fetched | str:
        shown = f"[{address}]" if isinstance(address, IPv6Address) else str(address)
        exit_ = Exit(pinned=f"{shown}:{target.port}")
        request = UpstreamRequest("GET", target.url, _HEADERS)
        try:
            async with self._transport.open(request, exit_, self._timeouts) as stream:
                if stream.status in _REDIRECTS:
                    return stream.headers.get("location", "")
                if stream.status != _SUCCESS:
                    raise FetchError(f"Its server answered with status {stream.status}.")
                content = await _read(stream, limit_bytes)
                media_type = stream.headers.get("content-type", "")
                return Fetched(content, media_type, _name_of(target, stream.headers))
        finally:
            self._transport.forget(exit_)


@asynccontextmanager
async def open_fetcher(
    max_connections: int, rules: GuardRules, *, timeout_s: float
) -> AsyncIterator[Fetcher]:
    """Open a fetcher with connections of its own: they share nothing with those of accounts."""
    # Its own threads too: names that take long to resolve must not hold up other work.
    pool = ThreadPoolExecutor(_RESOLVERS, thread_name_prefix="resolve")
    try:
        async with open_transport(max_connections) as transport:
            guard = Guard(rules, partial(resolve_name, pool=pool))
            yield Fetcher(transport, guard, timeout_s=timeout_s)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


async def _read(stream: UpstreamStream, limit_bytes: int) -> bytes:
    declared = stream.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit_bytes:
        raise _too_large(limit_bytes)
    content = bytearray()
    while data := await stream.read():
        content += data
        if len(content) > limit_bytes:
            raise _too_large(limit_bytes)
    return bytes(content)


def _too_large(limit_bytes: int) -> FetchError:
    return FetchError(f"It is larger than {limit_bytes // (1024 * 1024)} MB.", is_too_large=True)


def _name_of(target: Target, headers: dict[str, str]) -> str:
    given = _FILE_NAME.search(headers.get("content-disposition", ""))
    return given[1] if given else unquote(urlsplit(target.url).path.rpartition("/")[2])
