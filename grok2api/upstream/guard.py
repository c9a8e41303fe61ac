"""Which remote addresses a URL of a client's may lead to.

The decision is about addresses, never about names: a name is resolved, every address it has must
be public, and the connection goes to one of those that were checked, whatever the name means a
moment later.
"""

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from functools import partial
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final
from urllib.parse import quote, urlsplit

from msgspec import Struct

MAX_URL_CHARS: Final = 8192
MAX_ADDRESSES: Final = 64
RESOLVE_TIMEOUT_S: Final = 3.0
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}

# Everything of IPv4 that IANA has not given to the public, and one provider's metadata service
# that has an address like any other.
_CLOSED: Final = tuple(
    ip_network(text)
    for text in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
        *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24"),
        *("192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15"),
        *("198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4", "168.63.129.16/32"),
    )
)
# Of IPv6 only this is public, and in it not what carries other addresses inside (Teredo, 6to4),
# nor what is for documents, benchmarks and routers.
_OPEN_6: Final = ip_network("2000::/3")
_CLOSED_6: Final = tuple(
    ip_network(text)
    for text in ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20")
)
_LOCAL_NAMES: Final = (
    *("localhost", "localdomain", "local", "internal", "intranet", "private", "lan", "home"),
    *("corp", "home.arpa", "in-addr.arpa", "ip6.arpa", "onion", "test", "invalid"),
)
_PRINTABLE = re.compile(r"[\x21-\x5b\x5d-\x7e\xa1-\ud7ff\ue000-\uffff\U00010000-\U0010ffff]+")
_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*")
_BRACKETED = re.compile(r"\[[0-9A-Fa-f:.]+\](:[0-9]*)?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_MAX_NAME_CHARS: Final = 253
_PATH_CHARS: Final = "/?&=%:;@!$'()*+,~[]"

Address = IPv4Address | IPv6Address
Resolve = Callable[[str, int], Awaitable[list[str]]]


class BlockedError(Exception):
    """A URL must not be fetched; the text may be shown to the client."""


class Target(Struct, frozen=True):
    """A URL that may be fetched, in a form that no two programs read differently.

    `address` is the host itself where it is an address.
    """

    url: str
    host: str
    port: int
    address: Address | None = None


class GuardRules(Struct, frozen=True):
    """What is allowed beyond the public addresses: ports, and networks of the operator's own."""

    ports: frozenset[int] = frozenset({80, 443})
    trusted: tuple[str, ...] = ()


def parse_target(url: str, rules: GuardRules) -> Target:
    """Take `url` apart and put it together anew, so that what was checked is what is asked for.

    Raises:
        BlockedError: it is no http or https URL, or leads where it must not.
    """
    if len(url) > MAX_URL_CHARS or not _PRINTABLE.fullmatch(url):
        raise BlockedError("It is too long, or holds characters that a URL cannot have.")
    try:
        parts = urlsplit(url)
        scheme, port, host = parts.scheme.lower(), parts.port, parts.hostname or ""
    except ValueError:
        raise BlockedError("It is not a URL.") from None
    if scheme not in _DEFAULT_PORTS:
        raise BlockedError("Only http and https URLs are fetched.")
    if "@" in parts.netloc:
        raise BlockedError("A URL with a user name or a password is not fetched.")
    if port is None:
        port = _DEFAULT_PORTS[scheme]
    if port not in rules.ports:
        raise BlockedError("This port is not allowed.")
    is_bracketed = "[" in parts.netloc or "]" in parts.netloc
    if is_bracketed and not _BRACKETED.fullmatch(parts.netloc):
        raise BlockedError("It is not a URL.")
    address = _parse_address(host, is_bracketed=is_bracketed)
    name = _check_name(host) if address is None else _spell(address)
    shown_port = "" if port == _DEFAULT_PORTS[scheme] else f":{port}"
    path = quote(parts.path or "/", safe=_PATH_CHARS)
    query = f"?{quote(parts.query, safe=_PATH_CHARS)}" if parts.query else ""
    return Target(f"{scheme}://{name}{shown_port}{path}{query}", name, port, address)


def is_public(address: Address) -> bool:
    """Whether `address` is one that anybody on the internet reaches."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _CLOSED)
    is_open = address in _OPEN_6 and not any(address in network for network in _CLOSED_6)
    return is_open and address.scope_id is None


class Guard:
    """Finds the addresses that a target may be fetched from."""

    __slots__ = ("_resolve", "_trusted", "rules")

    def __init__(self, rules: GuardRules, resolve: Resolve | None = None) -> None:
        self.rules = rules
        self._resolve = resolve or resolve_name
        self._trusted = tuple(ip_network(text) for text in rules.trusted)

    async def find_addresses(self, target: Target) -> list[Address]:
        """Return the addresses of `target`, at least one, all of them allowed.

        Raises:
            BlockedError: one is not, or there is none. The text does not say which, so that nobody
                learns names of inner networks from it.
        """
        if target.address is not None:
            found = [target.address]
        else:
            try:
                async with asyncio.timeout(RESOLVE_TIMEOUT_S):
                    texts = await self._resolve(target.host, target.port)
                found = [ip_address(text) for text in dict.fromkeys(texts)]
            except (OSError, UnicodeError, ValueError):  # TimeoutError is an OSError
                found = []
        # One address that is not public spoils all others: that is how rebinding begins.
        if not found or len(found) > MAX_ADDRESSES or not all(map(self._is_allowed, found)):
            raise BlockedError("It does not lead to a public address.")
        return found

    def _is_allowed(self, address: Address) -> bool:
        return is_public(address) or any(address in network for network in self._trusted)


async def resolve_name(host: str, port: int, *, pool: Executor | None = None) -> list[str]:
    """Return the addresses of a name by the system's resolver, in its order.

    It runs in a thread of `pool`, and may go on there when nobody waits any more.
    """
    ask = partial(
        socket.getaddrinfo,
        host,
        port,
        type=socket.SOCK_STREAM,
        proto=socket.IPPROTO_TCP,
        flags=socket.AI_ADDRCONFIG,
    )
    found = await asyncio.get_running_loop().run_in_executor(pool, ask)
    return [str(entry[4][0]) for entry in found]


def _parse_address(host: str, *, is_bracketed: bool) -> Address | None:
    """Return the address that `host` is, or None for a name."""
    try:
        address = ip_address(host)
    except ValueError:
        if is_bracketed:
            raise BlockedError("It is not a URL.") from None
        return None
    if is_bracketed != isinstance(address, IPv6Address):
        raise BlockedError("It is not a URL.")
    return address


def _check_name(host: str) -> str:
    """Return a name in its ASCII form.

    What ends in a number is an address to some programs (127.1, 0x7f000001, 2130706433) and a name
    to others, so it is neither here.
    """
    try:
        name = (host if host.isascii() else host.encode("idna").decode()).lower().rstrip(".")
    except UnicodeError:
        raise BlockedError("It is not a URL.") from None
    last = name.rpartition(".")[2]
    if len(name) > _MAX_NAME_CHARS or not _NAME.fullmatch(name) or _NUMBER.fullmatch(last):
        raise BlockedError("It is not a URL.")
    is_local = "." not in name or any(
        name == local or name.endswith(f".{local}") for local in _LOCAL_NAMES
    )
    if is_local:
        raise BlockedError("It does not lead to a public address.")
    return name


def _spell(address: Address) -> str:
    return f"[{address}]" if isinstance(address, IPv6Address) else str(address)
