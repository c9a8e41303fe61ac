"""What one request turned out to be: filled by handlers, read by the access log and the metrics."""

from msgspec import Struct
from starlette.requests import Request
from starlette.types import Scope

from grok2api.domain.admission import Admission
from grok2api.domain.ids import CallId, VideoJobId
from grok2api.domain.usage import AttemptFact
from grok2api.error_kinds import LimitsLeft
from grok2api.errors import GatewayError, RateLimitExceededError
from grok2api.telemetry.tracing import RequestSpan

KEY = "facts"
ANTHROPIC = "anthropic"
"""The `dialect` of requests that want answers in Anthropic's form; all others get OpenAI's."""


class RequestFacts(Struct, kw_only=True):
    """The facts of one request, as far as they are known. Times are monotonic seconds.

    `client` is the client's address as far as proxies that we trust tell it, or "".
    `mode` is what the account answered in, `waited_s` how long the request stood in line for it.
    `account` is the account's id, which is no secret; `affinity` the `AffinityRule` that told the
    conversation, or ""; `error` an `ErrorKind` or "". `is_background`: what was asked for goes on
    after its request; who does it tells its usage. `job` is the video that it began. `units` are
    of the accounts' quota.
    `limits` are those of its key, as the headers tell them; `call_id` what it holds of them, or "",
    by its `admission`. `is_recorded`: its usage was told.
    `span` is there where requests are traced.
    """

    request_id: str
    started_s: float
    client: str = ""
    agent: str = ""
    call_id: CallId = CallId("")
    admission: Admission | None = None
    limits: LimitsLeft | None = None
    span: RequestSpan | None = None
    route: str = ""
    dialect: str = ""
    requested_model: str = ""
    model: str = ""
    key_id: str = ""
    affinity: str = ""
    account: str = ""
    mode: str = ""
    waited_s: float = 0.0
    attempts: int = 0
    is_stream: bool = False
    status: int = 0
    first_output_s: float | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    error: str = ""
    code: str = ""
    detail: str = ""
    is_client_gone: bool = False
    is_background: bool = False
    job: VideoJobId = VideoJobId("")
    is_recorded: bool = False
    units: int = 0
    attempts_made: tuple[AttemptFact, ...] = ()

    def note_error(self, error: GatewayError) -> None:
        """Remember what went wrong."""
        self.error = error.kind.value
        self.detail = error.detail
        self.code = getattr(error, "code", None) or ""
        if isinstance(error, RateLimitExceededError) and error.limits is not None:
            self.limits = error.limits


def facts_of(request: Request) -> RequestFacts:
    """Return the facts of `request`."""
    return facts_in(request.scope)


def facts_in(scope: Scope) -> RequestFacts:
    """Return the facts of the request with this scope; the middleware has put them there."""
    facts: RequestFacts = scope["state"][KEY]
    return facts
