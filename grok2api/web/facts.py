"""What one request turned out to be: filled by handlers, read by the access log and the metrics."""

from msgspec import Struct
from starlette.requests import Request
from starlette.types import Scope

from grok2api.errors import GatewayError
from grok2api.telemetry.tracing import RequestSpan

KEY = "facts"
ANTHROPIC = "anthropic"
"""The `dialect` of requests that want answers in Anthropic's form; all others get OpenAI's."""


class RequestFacts(Struct, kw_only=True):
    """The facts of one request, as far as they are known. Times are monotonic seconds.

    `mode` is what the account answered in, `waited_s` how long the request stood in line for it.
    `account` is the account's id, which is no secret; `affinity` the `AffinityRule` that told the
    conversation, or ""; `error` an `ErrorKind` or "". `span` is there where requests are traced.
    """

    request_id: str
    started_s: float
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
    detail: str = ""
    is_client_gone: bool = False

    def note_error(self, error: GatewayError) -> None:
        """Remember what went wrong."""
        self.error = error.kind.value
        self.detail = error.detail


def facts_of(request: Request) -> RequestFacts:
    """Return the facts of `request`."""
    return facts_in(request.scope)


def facts_in(scope: Scope) -> RequestFacts:
    """Return the facts of the request with this scope; the middleware has put them there."""
    facts: RequestFacts = scope["state"][KEY]
    return facts
