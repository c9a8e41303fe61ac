"""What is told of a request once it is over: for statistics, the log, and its key's limits."""

from typing import Final

from grok2api.domain.ids import AccountId, ClientKeyId
from grok2api.domain.usage import FinishedRequest
from grok2api.telemetry.metrics import ServedRequest
from grok2api.web.facts import RequestFacts
from grok2api.web.state import AppState

MS_PER_S: Final = 1000
CLIENT_CLOSED_REQUEST: Final = 499
"""Logged where the client left before the end; nothing with this status is ever sent."""
_API: Final = "/v1/"
_FILES: Final = "/v1/files/"
_REFUSED: Final = 400


def is_usage(route: str, method: str, status: int) -> bool:
    """Whether a request belongs to usage: calls of the API, and whatever of it is refused.

    Lists, links to files and questions about jobs are asked over and over, and use nothing.
    """
    if not route.startswith(_API) or route.startswith(_FILES):
        return False
    return method == "POST" or status >= _REFUSED


def describe_served(
    state: AppState, facts: RequestFacts, *, route: str, method: str, status: int
) -> ServedRequest:
    """Return what metrics learn of a request that ends now."""
    first_s = facts.first_output_s
    return ServedRequest(
        route=route,
        method=method,
        dialect=facts.dialect,
        model=facts.model,
        status=status,
        error=facts.error,
        duration_s=state.clock.monotonic_s() - facts.started_s,
        first_token_s=None if first_s is None else first_s - facts.started_s,
        input_tokens=facts.input_tokens,
        output_tokens=facts.output_tokens,
    )


def end_answer(state: AppState, facts: RequestFacts, served: ServedRequest) -> None:
    """Tell metrics and usage of an answer that has ended, with its request or after it.

    Does nothing for one of which that was told before.
    """
    if facts.is_recorded:
        return
    facts.is_recorded = True
    state.metrics.answer_ended(served)
    if is_usage(served.route, served.method, served.status):
        _record_usage(state, facts, served)


def _record_usage(state: AppState, facts: RequestFacts, served: ServedRequest) -> None:
    """Have a request counted and logged, and its key's limits settled; returns at once."""
    first_s = served.first_token_s
    if facts.call_id:
        # What keeps it alive ends here: it is settled with what is recorded now.
        state.admissions.leave(facts.call_id)
    state.usage.record(
        FinishedRequest(
            id=facts.request_id,
            at_s=state.clock.now_s() - served.duration_s,
            route=served.route,
            method=served.method,
            dialect=served.dialect,
            key_id=ClientKeyId(facts.key_id),
            call_id=facts.call_id,
            model=facts.model,
            requested=facts.requested_model,
            mode=facts.mode,
            account=AccountId(facts.account),
            status=served.status,
            error=served.error,
            code=facts.code,
            is_stream=facts.is_stream,
            input_tokens=facts.input_tokens,
            output_tokens=facts.output_tokens,
            units=facts.units,
            duration_ms=round(served.duration_s * MS_PER_S),
            first_output_ms=None if first_s is None else round(first_s * MS_PER_S),
            waited_ms=round(facts.waited_s * MS_PER_S),
            affinity=facts.affinity,
            client=facts.client,
            agent=facts.agent,
            job=facts.job,
            attempts=facts.attempts_made,
        )
    )


async def settle_answer(state: AppState, facts: RequestFacts, served: ServedRequest) -> None:
    """Do the same, and return when its call has ended: what it had is free for the next one.

    Await it before the client learns that the answer is over. Where the store does not answer,
    that is told after a moment all the same.
    """
    end_answer(state, facts, served)
    spending = await state.usage.settled(facts.call_id)
    if facts.admission is not None and spending is not None:
        facts.limits = facts.admission.at(spending)
