"""The address that clients reach this gateway at."""

import re
from typing import Final

from starlette.requests import Request

from grok2api.web.state import state_of

_HOST: Final = re.compile(
    r"(?:[A-Za-z0-9][A-Za-z0-9_.-]{0,252}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?"
)


def public_url(request: Request) -> str:
    """Return the address without a slash at its end; "" where it cannot be told.

    It is the operator's `app.app_url`, which may have a path. Without one it is what the client
    used, as its Host header says: whoever lies there gets an answer that leads him astray, and
    nobody else does. The scheme is what the server saw, or what a trusted proxy says of it; a
    forwarded host never counts, since proxies pass on what clients put there.
    """
    configured = state_of(request).settings.app.app_url.rstrip("/")
    if configured:
        return configured
    host = request.headers.get("host", "")
    return f"{request.scope['scheme']}://{host}" if _HOST.fullmatch(host) else ""
