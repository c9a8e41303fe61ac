"""The command that lets an administrator in whom a flood of guesses keeps out."""

from argparse import Namespace

from grok2api.administration import administer
from grok2api.console import say
from grok2api.errors import SettingsError
from grok2api.web.client_address import address_group, parse_address


def logins_allow(arguments: Namespace) -> int:
    """Let an address sign in: forget its wrong passwords, and let no flood hold it up for a day."""
    address = parse_address(arguments.address)
    if address is None:
        raise SettingsError("this is no address such as 203.0.113.7 or 2001:db8::1")
    group = address_group(str(address))
    administer(arguments, lambda admin: admin.admin_auth.allow(group))
    say(f"{group} may sign in")
    return 0
