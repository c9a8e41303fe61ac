"""The address that clients reach this gateway at."""

from starlette.requests import Request

from grok2api.web.client_address import is_host
from grok2api.web.state import state_of


def public_url(request: Request) -> str:
    """Return the address without a slash at its end; "" where it cannot be told.

    It is the operator's `app.app_url`, which may have a path. Without one it is what the client
    used: what a trusted proxy says of it (see `client_address`), else the scheme of the connection
    and the Host header. Only whoever sent the request is answered with it: he who lies in his Host
    header is led astray himself, and nobody else is.
    """
    configured = state_of(request).settings.app.app_url.rstrip("/")
    if configured:
        return configured
    host = request.headers.get("host", "")
    return f"{request.scope['scheme']}://{host}" if is_host(host) else ""
