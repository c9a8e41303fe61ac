"""The names of the keys that hold strangers back, one function each."""

from grok2api.store.keys import PREFIX


def address_bucket(address: str) -> str:
    """STRING bucket of the requests of one client address; it expires when it is full."""
    return f"{PREFIX}limit:{address}"


def login_address(address: str) -> str:
    """HASH of the checks of the administrator's password by one client address; it expires."""
    return f"{PREFIX}login:address:{address}"


def login_everyone() -> str:
    """STRING bucket of these checks by all addresses that are not known; it expires."""
    return f"{PREFIX}login:everyone"
