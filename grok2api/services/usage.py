"""Records finished requests: their statistics, the log, and the ends of their calls."""

import asyncio
import secrets
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Protocol

import msgspec
import structlog

from grok2api.domain.admission import KeySpending
from grok2api.domain.ids import CallId
from grok2api.domain.usage import FinishedRequest
from grok2api.errors import StoreUnavailableError
from grok2api.services.backlog import Backlog
from grok2api.services.cleanup import end_if_cancelled
from grok2api.services.endless import Endless
from grok2api.store.usage import MAX_AT_ONCE, UsageStore
from grok2api.telemetry.redaction import redact_text

log = structlog.get_logger(__name__)

MAX_WAITING: Final = 4096
"""Requests that one worker remembers while the store does not answer."""

SETTLED_S: Final = 1.0
"""No client waits longer for the end of its answer while the store does not answer."""

_PAUSE_S: Final = 0.5
_FLUSH_S: Final = 5.0
_NAME_CHARS: Final = 128
_AGENT_CHARS: Final = 200
_MAX_ATTEMPTS: Final = 32


class RequestSink(Protocol):
    """Somewhere else that finished requests are written to."""

    def record(self, finished: FinishedRequest) -> None: ...


class UsageRecorder(Endless):
    """Settles finished requests, each exactly once, in the order in which they ended.

    A request that ends after a silence, or that holds a call of its client key, is sent at once,
    with all that ended while others were under way. Where they are many, the others go together
    every `every_s` seconds.
    Leaving the context settles what waits, for as long as `_FLUSH_S`; what is lost is counted in
    `dropped` and told in the log.
    """

    __slots__ = (
        "_backlog",
        "_batch",
        "_name",
        "_number",
        "_settling",
        "_sinks",
        "_store",
        "dropped",
    )

    def __init__(
        self, store: UsageStore, sinks: Sequence[RequestSink] = (), *, every_s: float = 0.01
    ) -> None:
        super().__init__()
        self._store = store
        self._sinks = sinks
        self._backlog: Backlog[FinishedRequest] = Backlog(
            "usage", most=MAX_WAITING, at_once=MAX_AT_ONCE, every_s=every_s
        )
        self._name = secrets.token_hex(8)
        self._number = 0
        self._batch: list[FinishedRequest] = []
        self._settling: dict[CallId, asyncio.Future[KeySpending | None]] = {}
        self.dropped = 0

    def record(self, finished: FinishedRequest) -> None:
        """Remember a finished request; what clients wrote is cut, and rid of secrets."""
        tidy = _tidy(finished)
        if not self._backlog.put(tidy, is_urgent=bool(tidy.call_id)):
            self.dropped += 1
        elif tidy.call_id:
            self._settling[tidy.call_id] = asyncio.get_running_loop().create_future()
        for sink in self._sinks:
            sink.record(tidy)

    async def settled(self, call_id: CallId) -> KeySpending | None:
        """Wait until a call that was recorded has ended; return what its key uses right after.

        None where nobody knows, or it takes longer than `SETTLED_S`: it ends all the same.
        """
        settling = self._settling.get(call_id)
        if settling is None:
            return None
        done, _ = await asyncio.wait((settling,), timeout=SETTLED_S)
        return settling.result() if done else None

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            await super().__aexit__(kind, error, trace)
        finally:
            await self._flush()

    async def _run_for_ever(self) -> None:
        while True:
            await self._settle_batch(await self._backlog.take())
            end_if_cancelled()

    async def _settle_batch(self, batch: list[FinishedRequest]) -> None:
        """Settle a batch, however often that has to be tried."""
        self._batch = batch
        self._number += 1
        await self._settle_rest()

    async def _settle_rest(self) -> None:
        while self._batch:
            try:
                # One whose reply got lost keeps its number, and so counts once.
                told = await self._store.settle(
                    self._batch, recorder=self._name, batch=self._number
                )
            except StoreUnavailableError as error:
                waiting = len(self._batch) + len(self._backlog)
                log.warning("usage_not_settled", waiting=waiting, detail=error.detail)
                await asyncio.sleep(_PAUSE_S)
            else:
                for one in self._batch:
                    if (settling := self._settling.pop(one.call_id, None)) is not None:
                        settling.set_result((told or {}).get(one.call_id))
                self._batch = []

    async def _flush(self) -> None:
        lost = 0
        try:
            async with asyncio.timeout(_FLUSH_S):
                await self._settle_rest()
                while batch := self._backlog.take_now():
                    await self._settle_batch(batch)
        except TimeoutError:
            lost = len(self._batch) + len(self._backlog)
        if lost:
            self.dropped += lost
            log.error("usage_lost", requests=lost)


def _plain(text: str) -> str:
    """Return `text` without what terminals obey: an operator reads the log on one."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def _tidy(finished: FinishedRequest) -> FinishedRequest:
    return msgspec.structs.replace(
        finished,
        id=finished.id[:_NAME_CHARS],
        model=finished.model[:_NAME_CHARS],
        requested=_plain(redact_text(finished.requested)[:_NAME_CHARS]),
        code=finished.code[:_NAME_CHARS],
        agent=_plain(redact_text(finished.agent)[:_AGENT_CHARS]),
        attempts=finished.attempts[:_MAX_ATTEMPTS],
    )
