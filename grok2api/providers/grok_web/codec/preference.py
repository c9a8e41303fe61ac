"""The account's own switch for sensitive content, a message over gRPC-web."""

from typing import Final

from grok2api.domain.upstream import UpstreamRequest
from grok2api.providers.grok_web.codec import grpc_web
from grok2api.providers.grok_web.codec.identity import Headers

_PATH: Final = "/auth_mgmt.AuthManagement/UpdateUserFeatureControls"
_NAME: Final = b"always_show_nsfw_content"


def preference_change(base_url: str, headers: Headers, *, is_on: bool) -> UpstreamRequest:
    """Build the request that turns the switch."""
    value = _field(1, b"\x10" + bytes([is_on]))
    message = value + _field(2, _field(1, _NAME))
    return UpstreamRequest("POST", base_url + _PATH, headers, grpc_web.frame(message))


def _field(number: int, data: bytes) -> bytes:
    """Return a length-delimited field; both number and length fit into one byte here."""
    return bytes([number << 3 | 2, len(data)]) + data
