"""Networks as settings name them."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final

from grok2api.errors import SettingsError

ANYBODY: Final = "*"
_SHOWN_CHARACTERS = 60
_MAPPED: Final = IPv6Network("::ffff:0:0/96")

Network = IPv4Network | IPv6Network


def read_network(text: str) -> Network:
    """Return the network in `text`; one of IPv4 that is written as IPv6 is that of IPv4.

    Raises:
        ValueError: there is none.
    """
    network = ip_network(text, strict=False)
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        mapped = network.network_address.ipv4_mapped
        return IPv4Network((int(mapped or 0), network.prefixlen - _MAPPED.prefixlen))
    return network


def parse_network(entry: str, where: str) -> Network:
    """Return the address or network in `entry`, an address as a network of one.

    Raises:
        SettingsError: it is neither; names `where`.
    """
    try:
        return read_network(entry)
    except ValueError:
        raise SettingsError(
            f"{where}: {entry[:_SHOWN_CHARACTERS]!r} is not an address, a network such as "
            f'10.0.0.0/8, or "{ANYBODY}"'
        ) from None
