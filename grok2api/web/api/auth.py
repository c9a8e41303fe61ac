"""Who is calling: one function for every route and both headers."""

from starlette.requests import Request

from grok2api.domain.client_key import ClientKey
from grok2api.errors import GatewayError
from grok2api.telemetry.tracing import begin_span
from grok2api.web.facts import facts_of
from grok2api.web.state import state_of


def presented_key(request: Request) -> str | None:
    """Return the key in `Authorization: Bearer` or `x-api-key`; never one from the URL."""
    authorization = request.headers.get("authorization", "")
    scheme, _, value = authorization.strip().partition(" ")
    if scheme.lower() == "bearer" and value.strip():
        return value.strip()
    return request.headers.get("x-api-key", "").strip() or None


async def admit(request: Request) -> ClientKey | None:
    """Return the caller's key; None only where the operator allows anonymous calls.

    Call it before the body is read: who may not call us shall not make us work.

    Raises:
        AuthenticationError: no key, or a wrong one.
        StoreUnavailableError: keys cannot be looked up now.
    """
    span, error = begin_span("admission", {}), ""
    try:
        caller = await state_of(request).keys.admit(presented_key(request))
    except GatewayError as refusal:
        error = refusal.kind
        raise
    finally:
        span.end(error)
    if caller is not None:
        facts_of(request).key_id = caller.id
    return caller
