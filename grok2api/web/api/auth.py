"""Who is calling: one function for every route and both headers."""

from starlette.requests import Request

from grok2api.domain.client_key import ClientKey
from grok2api.errors import GatewayError
from grok2api.services.key_rules import require_address
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
        AuthenticationError: no key, or a wrong one, or one whose time is over.
        PermissionDeniedError: the key may not be used from this address.
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
        require_address(caller, facts_of(request).client)
    return caller


async def take(
    request: Request, caller: ClientKey | None, *, max_output_tokens: int | None = 0, units: int = 1
) -> None:
    """Take what a call needs out of the limits of its key, all or none; once for each call.

    Call it when model and input are known, before any account is asked. `max_output_tokens` is what
    the client allows, None where it does not say, 0 where there is no text. `units` are of the
    accounts' quota.

    Raises:
        PermissionDeniedError: the key may not use this model.
        RateLimitExceededError: a limit of the key is reached.
        StoreUnavailableError: the limits cannot be asked now.
    """
    if caller is None:
        return
    facts = facts_of(request)
    admission = await state_of(request).admissions.admit(
        caller,
        model=facts.model,
        tokens=facts.input_tokens,
        max_output_tokens=max_output_tokens,
        units=units,
        client=facts.client,
        requested=facts.requested_model,
    )
    facts.call_id, facts.admission, facts.limits = admission.call_id, admission, admission
