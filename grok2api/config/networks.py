"""Networks as settings name them."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final

from grok2api.errors import SettingsError

ANYBODY: Final = "*"
_SHOWN_CHARACTERS = 60

Network = IPv4Network | IPv6Network


def parse_network(entry: str, where: str) -> Network:
    """Return the address or network in `entry`, an address as a network of one.

    Raises:
        SettingsError: it is neither; names `where`.
    """
    try:
        return ip_network(entry, strict=False)
    except ValueError:
        raise SettingsError(
            f"{where}: {entry[:_SHOWN_CHARACTERS]!r} is not an address, a network such as "
            f'10.0.0.0/8, or "{ANYBODY}"'
        ) from None
