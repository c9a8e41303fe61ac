"""The simulator as a Starlette application."""

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from grok2api.simulator.control import Control
from grok2api.simulator.ledger import Ledger
from grok2api.simulator.options import SimulatorOptions
from grok2api.simulator.site.asset_host import AssetHost, PublicHost
from grok2api.simulator.site.chat_socket import SocketChat
from grok2api.simulator.site.chat_stream import StreamChat
from grok2api.simulator.site.files import DirectUpload, FileDeletion, FileList, OlderUpload
from grok2api.simulator.site.grpc import answer_credits, answer_preference, keep_preference
from grok2api.simulator.site.imagine_socket import ImagineSocket
from grok2api.simulator.site.media_calls import MediaQuota, PostCreation, Upscale
from grok2api.simulator.site.pages import SmallCall, answer_page, answer_quota, answer_session
from grok2api.simulator.studio import PUBLIC_FOLDER
from grok2api.simulator.world import World

_CONTROL = "/_sim"
_CREDITS = "/grok_api_v2.GrokBuildBilling/GetGrokCreditsConfig"
_PREFERENCE = "/auth_mgmt.AuthManagement/UpdateUserFeatureControls"


class _RequestLog:
    """Writes every request but those of the control API into the ledger."""

    def __init__(self, app: ASGIApp, ledger: Ledger) -> None:
        self._app = app
        self._ledger = ledger

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan" and not scope["path"].startswith(f"{_CONTROL}/"):
            method = scope.get("method", "WEBSOCKET")
            request = (method, scope["path"], scope["query_string"], scope["headers"])
            self._ledger.note_request(request)
        await self._app(scope, receive, send)


def create_simulator(options: SimulatorOptions) -> Starlette:
    """Return an application that plays the site; all its state is its own.

    Served by `grok2api.simulator.server` it can do everything; under another server it cannot break
    connections or put several WebSocket messages into one write.
    """
    world = World(options)
    chat = StreamChat(world)
    page = SmallCall(world, "page", answer_page)
    preference = SmallCall(world, "preference", answer_preference, keep_preference)
    routes = [
        WebSocketRoute("/ws/mgw/", SocketChat(world)),
        Route("/rest/app-chat/conversations/new", chat, methods=["POST"]),
        Route("/rest/app-chat/conversations/{conversation}/responses", chat, methods=["POST"]),
        Route("/http/upload-file-v2/direct", DirectUpload(world), methods=["POST"]),
        Route("/rest/app-chat/upload-file", OlderUpload(world), methods=["POST"]),
        WebSocketRoute("/ws/imagine/listen", ImagineSocket(world)),
        Route("/users/{user}/{path:path}", AssetHost(world), methods=["GET"]),
        Route(f"{PUBLIC_FOLDER}/{{name}}", PublicHost(world), methods=["GET"]),
        Route("/rest/media/imagine/quota_info", MediaQuota(world), methods=["POST"]),
        Route("/rest/media/post/create", PostCreation(world), methods=["POST"]),
        Route("/rest/media/video/upscale", Upscale(world), methods=["POST"]),
        Route("/rest/assets", FileList(world), methods=["GET"]),
        Route("/rest/assets-metadata/{asset}", FileDeletion(world), methods=["DELETE"]),
        Route("/rest/rate-limits", SmallCall(world, "quota", answer_quota), methods=["POST"]),
        Route(_CREDITS, SmallCall(world, "credits", answer_credits), methods=["POST"]),
        Route(_PREFERENCE, preference, methods=["POST"]),
        Route("/api/auth/session", SmallCall(world, "session", answer_session), methods=["GET"]),
        Route("/index", page, methods=["GET"]),
        Route("/", page, methods=["GET"]),
        Mount(_CONTROL, routes=Control(world).routes()),
    ]
    log = Middleware(_RequestLog, ledger=world.ledger)
    return Starlette(routes=routes, middleware=[log])
