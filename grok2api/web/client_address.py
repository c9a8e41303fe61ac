"""Who a request comes from and where it went: the one place that reads what proxies say of it."""

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

from starlette.types import Scope

from grok2api.config.networks import ANYBODY, parse_network

SETTING: Final = "server.forwarded_allow_ips"
LOOPBACK: Final = ("127.0.0.1", "::1")
MAX_HOPS: Final = 32
"""Elements of X-Forwarded-For that are looked at; nobody has that many proxies."""

_GROUP_BITS: Final = 64
_TOLD: Final = (b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-port")
_WITH_PORT: Final = re.compile(r"(?:\[([^\[\]]+)\]|([0-9.]+))(?::[0-9]{1,5})?")
_HOST: Final = re.compile(
    r"(?:[A-Za-z0-9][A-Za-z0-9_.-]{0,252}|\[[0-9A-Fa-f:.]{2,45}\])(?::([0-9]{1,5}))?"
)
_MAX_PORT: Final = 65_535
_SCHEMES: Final = {"http": ("http", "ws"), "https": ("https", "wss")}
_OWN_PORTS: Final = {"http": "80", "ws": "80", "https": "443", "wss": "443"}

_Address = IPv4Address | IPv6Address


class TrustedProxies:
    """The proxies whose word counts, as addresses, networks, or "*": whoever connects to us.

    Raises:
        SettingsError: an entry is none of these.
    """

    __slots__ = ("_networks", "_trusts_peers")

    def __init__(self, entries: Iterable[str] = LOOPBACK) -> None:
        named = [entry.strip() for entry in entries]
        self._trusts_peers = ANYBODY in named
        self._networks = tuple(parse_network(entry, SETTING) for entry in named if entry != ANYBODY)

    def client_in(self, scope: Scope) -> str:
        """Return the address of the client of a request, "" where nobody knows it.

        The scheme and the host that a trusted proxy names become those of `scope`.
        """
        peer = scope["client"][0] if scope.get("client") else ""
        told = dict.fromkeys(_TOLD, b"")
        for name, value in scope["headers"]:
            if name in told:
                told[name] = value if not told[name] else told[name] + b"," + value
        if any(told.values()) and self._trusts_peer(parse_address(peer)):
            _set_scheme(scope, _last(told[b"x-forwarded-proto"]))
            _set_host(scope, _last(told[b"x-forwarded-host"]), _last(told[b"x-forwarded-port"]))
        return self.client_of(peer, told[b"x-forwarded-for"].decode("latin-1"))

    def client_of(self, peer: str, chain: str) -> str:
        """Return who speaks through `peer`, whose X-Forwarded-For is `chain`.

        Each proxy adds at the right whom it heard. So it is the first address from the right that
        is not a proxy's; what stands left of it may be anything, for its client wrote it. Where an
        element is no address, nobody knows better than the proxy that passed it on.
        """
        address = parse_address(peer)
        is_proxy = self._trusts_peer(address)
        for element in reversed(chain.rsplit(",", MAX_HOPS)):
            if not is_proxy:
                break
            if not element.strip():
                continue
            named = parse_address(element)
            if named is None:
                break
            address, is_proxy = named, self._trusts(named)
        return "" if address is None else str(address)

    def _trusts_peer(self, address: _Address | None) -> bool:
        return self._trusts_peers or (address is not None and self._trusts(address))

    def _trusts(self, address: _Address) -> bool:
        return any(address in network for network in self._networks)


def parse_address(text: str) -> _Address | None:
    """Return the address in `text`, with or without a port; None if there is none.

    An IPv4 address that is written as IPv6 comes back as what it is; a zone is left out.
    """
    text = text.strip()
    found = _WITH_PORT.fullmatch(text)
    if found:
        text = found[1] or found[2]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def address_group(client: str) -> str:
    """Return what is counted as one client: an IPv4 address, or the /64 of an IPv6 one.

    Whoever has one address of a /64 has all of them.
    """
    address = parse_address(client)
    if isinstance(address, IPv6Address):
        return str(ip_network((int(address), _GROUP_BITS), strict=False))
    return client


def is_host(text: str) -> bool:
    """Return whether `text` is a name or an address, with or without a port, and nothing more."""
    found = _HOST.fullmatch(text)
    return found is not None and (found[1] is None or 0 < int(found[1]) <= _MAX_PORT)


def _last(values: bytes) -> str:
    """Return what the nearest proxy says: others, and clients, stand left of it."""
    return values.decode("latin-1").rpartition(",")[2].strip()


def _set_scheme(scope: Scope, named: str) -> None:
    if named.lower() in _SCHEMES:
        scope["scheme"] = _SCHEMES[named.lower()][scope["type"] == "websocket"]


def _set_host(scope: Scope, named: str, port: str) -> None:
    if not is_host(named):
        return
    # Some proxies tell the port in a header of its own; the usual one of a scheme is left out.
    is_usual = port == _OWN_PORTS[scope["scheme"]]
    if not is_usual and is_host(f"{named}:{port}"):
        named = f"{named}:{port}"
    others = [header for header in scope["headers"] if header[0] != b"host"]
    scope["headers"] = [(b"host", named.encode("latin-1")), *others]
