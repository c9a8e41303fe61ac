"""The address itself: JSON for programs, a small page for people."""

from collections.abc import Awaitable, Callable

import jinja2
from starlette.requests import Request
from starlette.responses import Response
from starlette.templating import Jinja2Templates
from starlette.websockets import WebSocket

from grok2api.resources import find_resource
from grok2api.web.public_url import public_url

JSON = "application/json"
_ABOUT = b'{"object":"service","name":"grok2api","status":"ok","api":"/v1"}'
_PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
_NO_SOCKET = (
    b'{"error":{"message":"This path does not speak WebSocket; send an ordinary HTTP request.",'
    b'"type":"invalid_request_error","param":null,"code":"websocket_unsupported"}}'
)


def open_templates() -> Jinja2Templates:
    """Return our templates: always escaped, and an unknown name is an error."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(find_resource("templates")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return Jinja2Templates(env=environment)


def home_page(templates: Jinja2Templates) -> Callable[[Request], Awaitable[Response]]:
    """Return the handler of `/`: quick, and without any dependency, since clients probe it."""

    async def home(request: Request) -> Response:
        if "text/html" not in request.headers.get("accept", ""):
            return Response(_ABOUT, media_type=JSON)
        return templates.TemplateResponse(
            request,
            "home.html",
            {"base_url": f"{public_url(request)}/v1"},
            headers={"content-security-policy": _PAGE_POLICY, "cache-control": "no-cache"},
        )

    return home


async def refuse_websocket(websocket: WebSocket) -> None:
    """Answer a WebSocket handshake with 426, on which clients fall back to HTTP."""
    await websocket.send_denial_response(
        Response(_NO_SOCKET, 426, {"upgrade": "HTTP/1.1"}, media_type=JSON)
    )
