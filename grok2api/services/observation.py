"""What metrics and traces learn of attempts with accounts."""

from typing import Protocol

from grok2api.domain.account import Lease, Outcome
from grok2api.domain.model import OPERATIONS, Route
from grok2api.telemetry.tracing import PROVIDER, Span, begin_span


class UpstreamMeter(Protocol):
    """Counts what becomes of attempts, and how long accounts are waited for."""

    def attempt_ended(
        self, operation: str, outcome: str, error: str, duration_s: float
    ) -> None: ...

    def account_awaited(self, operation: str, duration_s: float) -> None: ...


def begin_attempt(lease: Lease, route: Route) -> Span:
    """Begin the span of one attempt."""
    operation = OPERATIONS[route.model.capability]
    facts = {
        "gen_ai.operation.name": operation,
        "gen_ai.provider.name": PROVIDER,
        "gen_ai.request.model": route.model.name,
        "grok2api.account": lease.account_id,
        "grok2api.mode": lease.mode.value,
    }
    return begin_span(f"{operation} {route.model.name}", facts, is_call=True)


def end_attempt(span: Span, outcome: Outcome, error: str) -> None:
    """End it; `error` is "" where it went well."""
    span.set({"grok2api.outcome": outcome.value})
    span.end(error)
