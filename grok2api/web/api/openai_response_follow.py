"""The events of a background response, from any worker and from any number on."""

import asyncio
from collections.abc import Mapping
from typing import Final

from starlette.responses import Response

from grok2api.dialects.openai_response_kept import render_end
from grok2api.dialects.openai_response_log import fault_of
from grok2api.dialects.openai_responses import ResponseRenderer
from grok2api.domain.response import KeptResponse, ResponseState
from grok2api.errors import GatewayError, InvalidRequestError
from grok2api.web.facts import RequestFacts
from grok2api.web.state import AppState
from grok2api.web.streaming import EventStreamResponse, StreamContext, StreamPace, Write
from grok2api.wire.sse import skip_events

POLL_S: Final = 0.2
"""How soon an event is seen; its worker tells them about as often."""
POLLS_PER_LOOK: Final = 5
"""After so many polls without an event, whether the response still goes on is asked, too."""


def follow(
    state: AppState,
    facts: RequestFacts,
    kept: KeptResponse,
    *,
    after: int,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return the events of `kept` behind number `after`, to its end."""
    stream = state.settings.stream
    follower = _Follower(state, facts, kept, after)
    return EventStreamResponse(
        follower.produce,
        follower.fail,
        pace=StreamPace(stream.commit_after_s, stream.keep_alive_s, ResponseRenderer.KEEP_ALIVE),
        context=StreamContext(facts, state.drain, state.clock),
        headers=headers,
    )


class _Follower:
    __slots__ = ("_facts", "_kept", "_last", "_state")

    def __init__(
        self, state: AppState, facts: RequestFacts, kept: KeptResponse, after: int
    ) -> None:
        self._state = state
        self._facts = facts
        self._kept = kept
        self._last = after

    async def produce(self, write: Write) -> bytes:
        """Write what comes; return the last event where the response's worker could not tell it."""
        position, polls = "", 0
        while True:
            position, slices = await self._state.responses.read_events(self._kept, position)
            for events in slices:
                if events.last > self._last:
                    await write(skip_events(events.data, self._last + 1 - events.first))
                    self._last = events.last
                if events.is_end:
                    return b""
            if slices:
                continue
            if self._kept.state is not ResponseState.IN_PROGRESS:
                return self._end(has_events=bool(position))
            await asyncio.sleep(POLL_S)
            polls += 1
            if polls % POLLS_PER_LOOK == 0:
                self._kept = await self._state.responses.find(self._kept.owner, self._kept.id)

    def fail(self, error: GatewayError) -> bytes:
        """Return the end of a stream that broke off."""
        fault = fault_of(error, self._facts.request_id)
        return render_end(self._kept, self._last + 1, fault)

    def _end(self, *, has_events: bool) -> bytes:
        is_whole = self._kept.state not in (ResponseState.CANCELLED, ResponseState.LOST)
        if is_whole and not has_events:
            raise InvalidRequestError(
                "The events of this response are no longer kept: retrieve it without 'stream'.",
                param="stream",
                code="stream_expired",
            )
        return render_end(self._kept, self._last + 1)
