"""What a client key may do at all: since when, from where, with which models."""

from ipaddress import IPv6Address, ip_address, ip_network

from grok2api.domain.client_key import ClientKey
from grok2api.errors import AuthenticationError, PermissionDeniedError

_ANYTHING = "*"


def require_good(key: ClientKey, now_s: float) -> None:
    """Let pass a key that is enabled and has not expired.

    Call it for keys that were presented rightly only: a guesser learns nothing.

    Raises:
        AuthenticationError: it is disabled or has expired.
    """
    if not key.is_enabled:
        raise AuthenticationError("This API key is disabled.", code="api_key_disabled")
    if key.expires_at_s and key.expires_at_s <= now_s:
        raise AuthenticationError("This API key has expired.", code="api_key_expired")


def require_address(key: ClientKey, client: str) -> None:
    """Let pass a caller whose address `client` is in a network of its key, if that has any.

    Raises:
        PermissionDeniedError: it is in none; what is no IP address never is.
    """
    if key.networks and not _is_within(key.networks, client):
        raise PermissionDeniedError(
            "This API key may not be used from your network address.", code="address_not_allowed"
        )


def matches_model(rule: str, name: str) -> bool:
    """Whether `name` is the model of a rule; one that ends in `*` is for all that begin so."""
    if rule.endswith(_ANYTHING):
        return name.startswith(rule.removesuffix(_ANYTHING))
    return name == rule


def may_use_model(key: ClientKey, *names: str) -> bool:
    """Whether a key may use a model that goes by `names`: the catalogue's, and an alias of it."""
    return not key.models or any(matches_model(rule, name) for rule in key.models for name in names)


def require_model(key: ClientKey, *names: str) -> None:
    """Let pass a key that may use a model that goes by `names`; the last is told.

    Raises:
        PermissionDeniedError: it may not.
    """
    if not may_use_model(key, *names):
        raise PermissionDeniedError(
            f"This API key may not use model '{names[-1]}'.",
            param="model",
            code="model_not_allowed",
        )


def _is_within(networks: tuple[str, ...], client: str) -> bool:
    try:
        address = ip_address(client)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in ip_network(network) for network in networks)
