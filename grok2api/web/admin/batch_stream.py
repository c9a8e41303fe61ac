"""GET /admin/api/batch/{id}/stream: a batch as it goes on, from any worker.

A batch lives in the store, so whoever answers looks there again and again. Every event's id says
how much has been told: a stream that breaks goes on from there, also at another worker.
"""

import asyncio
import re
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from grok2api.domain.batch import Batch, BatchFailure, BatchState
from grok2api.errors import GatewayError, NotFoundError
from grok2api.web.admin.auth import admit_admin
from grok2api.web.admin.batch_views import BatchEvent, show_result
from grok2api.web.facts import facts_of
from grok2api.web.state import AppState, state_of
from grok2api.web.streaming import EventStreamResponse, StreamContext, StreamPace, Write
from grok2api.wire.sse import format_event

LOOK_AGAIN_S: Final = 0.5
MAX_LISTED: Final = 1000
"""Failures of a batch that are kept."""
_RESULT_FAILURES: Final = 100
_PACE: Final = StreamPace(commit_after_s=5.0, keep_alive_s=10.0, keep_alive=b": ping\n\n")
_POSITION: Final = re.compile(r"([0-9]{1,9})-([0-9]{1,9})")
_NOBODY_LEADS: Final = (
    "No maintenance process leads at the moment; the batch goes on as soon as one does."
)
_NOT_LISTED: Final = "{count} more failures are not listed."
_FORGOTTEN: Final = "The batch is no longer known."


async def stream_batch(request: Request) -> Response:
    """Tell how a batch goes on until its end, as server-sent events."""
    await admit_admin(request)
    state, facts = state_of(request), facts_of(request)
    facts.is_stream = True
    batch = await state.operator.batches.get(request.path_params["id"])
    position = _POSITION.fullmatch(request.headers.get("last-event-id", ""))
    feed = _Feed(state, batch)
    if position is not None:
        feed.go_on_from(int(position[1]), int(position[2]))
    return EventStreamResponse(
        partial(feed.produce, has_begun=position is not None),
        _break_off,
        pace=_PACE,
        context=StreamContext(facts, state.drain, state.clock),
    )


class _Feed:
    """What one client has been told of a batch."""

    def __init__(self, state: AppState, batch: Batch) -> None:
        self._state = state
        self._batch = batch
        self._processed = -1
        self._listed = 0

    def go_on_from(self, processed: int, listed: int) -> None:
        self._processed, self._listed = processed, listed

    async def produce(self, write: Write, *, has_begun: bool) -> bytes:
        """Write what happens; return the last event."""
        if not has_begun:
            await write(await self._begin())
        while True:
            await write(await self._tell_news())
            if self._batch.is_over:
                return await self._end()
            await asyncio.sleep(LOOK_AGAIN_S)
            try:
                self._batch = await self._state.operator.batches.get(self._batch.id)
            except NotFoundError:
                return self._event("error", error=_FORGOTTEN)

    async def _begin(self) -> bytes:
        overview = await self._state.overview.read()
        is_idle = overview.leader is None and not self._batch.is_over
        self._processed = self._batch.processed
        warning = _NOBODY_LEADS if is_idle else None
        return self._event("snapshot", status=self._batch.state, warning=warning)

    async def _tell_news(self) -> bytes:
        """Return an event for every failure since the last time, or one for what went well."""
        batch = self._batch
        failures: Sequence[BatchFailure] = ()
        if min(batch.fail, MAX_LISTED) > self._listed:
            failures = await self._failures(MAX_LISTED, self._listed)
        if not failures and batch.processed == self._processed:
            return b""
        self._processed = batch.processed
        events = []
        for failure in failures:
            self._listed += 1
            events.append(self._event("progress", item=failure.account_id, error=failure.reason))
        return b"".join(events) or self._event("progress")

    async def _end(self) -> bytes:
        batch = self._batch
        if batch.state is BatchState.CANCELLED:
            return self._event("cancelled")
        hidden = batch.more_failures
        return self._event(
            "done",
            warning=_NOT_LISTED.format(count=hidden) if hidden else None,
            result=show_result(batch, await self._failures(_RESULT_FAILURES, 0)),
        )

    async def _failures(self, limit: int, first: int) -> Sequence[BatchFailure]:
        batches = self._state.operator.batches
        page = await batches.failures(self._batch.id, cursor=str(first), limit=limit)
        return page.failures

    def _event(self, kind: Any, **members: Any) -> bytes:
        batch = self._batch
        event = BatchEvent(
            type=kind,
            task_id=batch.id,
            total=batch.total,
            processed=batch.processed,
            ok=batch.ok,
            fail=batch.fail,
            skipped=batch.skipped,
            **members,
        )
        position = f"{self._processed}-{self._listed}"
        return format_event(msgspec.json.encode(event), event_id=position)


def _break_off(_: GatewayError) -> bytes:
    """End without a last event: the batch goes on, and clients come again by themselves."""
    return b""
