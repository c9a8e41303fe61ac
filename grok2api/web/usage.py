"""What is told of a request once it is over: for statistics, the log, and its key's limits."""

from typing import Final

from grok2api.domain.ids import AccountId, ClientKeyId
from grok2api.domain.usage import FinishedRequest
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


def record_usage(
    state: AppState, facts: RequestFacts, *, route: str, method: str, status: int
) -> None:
    """Have a request counted and logged, and its key's limits settled; returns at once.

    Does nothing for a request that was recorded before.
    """
    if facts.is_recorded:
        return
    facts.is_recorded = True
    now_s, ended_s = state.clock.now_s(), state.clock.monotonic_s()
    duration_s = ended_s - facts.started_s
    first_s = facts.first_output_s
    if facts.call_id:
        # What keeps it alive ends here: it is settled with what is recorded now.
        state.admissions.leave(facts.call_id)
    state.usage.record(
        FinishedRequest(
            id=facts.request_id,
            at_s=now_s - duration_s,
            route=route,
            method=method,
            dialect=facts.dialect,
            key_id=ClientKeyId(facts.key_id),
            call_id=facts.call_id,
            model=facts.model,
            requested=facts.requested_model,
            mode=facts.mode,
            account=AccountId(facts.account),
            status=status,
            error=facts.error,
            code=facts.code,
            is_stream=facts.is_stream,
            input_tokens=facts.input_tokens,
            output_tokens=facts.output_tokens,
            units=facts.units,
            duration_ms=round(duration_s * MS_PER_S),
            first_output_ms=(
                None if first_s is None else round((first_s - facts.started_s) * MS_PER_S)
            ),
            waited_ms=round(facts.waited_s * MS_PER_S),
            affinity=facts.affinity,
            client=facts.client,
            agent=facts.agent,
            attempts=facts.attempts_made,
        )
    )


async def settle_usage(
    state: AppState, facts: RequestFacts, *, route: str, method: str, status: int
) -> None:
    """Do the same, and return when its call has ended: what it had is free for the next one.

    Await it before the client learns that the answer is over. Where the store does not answer,
    that is told after a moment all the same.
    """
    record_usage(state, facts, route=route, method=method, status=status)
    spending = await state.usage.settled(facts.call_id)
    if facts.admission is not None and spending is not None:
        facts.limits = facts.admission.at(spending)
