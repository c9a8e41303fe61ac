"""What every handler is handed: the object graph of its request."""

from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.types import Scope

from grok2api.clock import Clock
from grok2api.config.schema import Settings
from grok2api.services.admin_auth import AdminAuth
from grok2api.services.admission import Admissions
from grok2api.services.chat import ChatService
from grok2api.services.client_keys import ClientKeys
from grok2api.services.cluster_facts import ClusterReader
from grok2api.services.explain import Explainer
from grok2api.services.files import FileDesk
from grok2api.services.health import Health
from grok2api.services.images import ImageService
from grok2api.services.media import MediaLibrary
from grok2api.services.media_links import MediaLinks
from grok2api.services.models import ModelCatalog
from grok2api.services.operator import Operator
from grok2api.services.overview import Overview
from grok2api.services.rate_limits import RateLimits
from grok2api.services.records import Records
from grok2api.services.responses import Responses
from grok2api.services.sessions import Sessions
from grok2api.services.settings import SettingsDesk
from grok2api.services.usage import UsageRecorder
from grok2api.services.videos import Videos
from grok2api.telemetry.metrics import Metrics
from grok2api.telemetry.tracing import Tracing
from grok2api.web.client_address import TrustedProxies
from grok2api.web.drain import Drain

KEY = "state"


@dataclass(frozen=True, slots=True)
class AppState:
    """The object graph of one worker, as far as the edge sees it."""

    settings: Settings
    chat: ChatService
    images: ImageService
    videos: Videos
    usage: UsageRecorder
    admissions: Admissions
    records: Records
    models: ModelCatalog
    keys: ClientKeys
    responses: Responses
    admin_auth: AdminAuth
    rate_limits: RateLimits
    operator: Operator
    overview: Overview
    explainer: Explainer
    sessions: Sessions
    config: SettingsDesk
    files: FileDesk
    media: MediaLibrary
    links: MediaLinks
    health: Health
    clock: Clock
    metrics: Metrics
    cluster: ClusterReader
    tracing: Tracing | None = None
    proxies: TrustedProxies = field(default_factory=TrustedProxies)
    drain: Drain = field(default_factory=Drain)


def state_of(request: Request) -> AppState:
    """Return the object graph that serves `request`: the same one to its end."""
    return state_in(request.scope)


def state_in(scope: Scope) -> AppState:
    """Return the object graph in an ASGI scope; the outermost layer has put it there."""
    state: AppState = scope["state"][KEY]
    return state
