"""Responses that are made while nobody waits: owned tasks, their number bounded, their end certain.

Whoever dies leaves a lease that runs out, by which readers find out. A cancellation is found at
the next sign of life, four times a second.
"""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Final, Self

import msgspec
import structlog
from msgspec import Struct

from grok2api.domain.response import EventSlice, KeptResponse, ResponseState
from grok2api.errors import (
    BodyTooLargeError,
    GatewayError,
    InternalError,
    RateLimitExceededError,
    ShuttingDownError,
    StoreUnavailableError,
)
from grok2api.services.budget import Headcount
from grok2api.store.responses import Limits, ResponseStore

log = structlog.get_logger(__name__)

BEAT_S: Final = 0.25
"""How often events are told, and how soon a cancellation is seen."""
LEASE_S: Final = 10.0
"""A worker that was silent for so long is taken for dead."""
RETRY_AFTER_S: Final = 5.0
_FINISH_TRIES: Final = 10


class Ending(Struct, frozen=True):
    """What a response came to: its state, all of it, and its last events."""

    state: ResponseState
    body: bytes
    events: EventSlice


Tell = Callable[[EventSlice], None]
Produce = Callable[[Tell], Awaitable[Ending]]
Fail = Callable[[GatewayError], Ending]


class Background:
    """Background responses that one process makes; use it as an async context manager."""

    __slots__ = (
        "_is_draining",
        "_is_over",
        "_limits",
        "_max_running",
        "_running",
        "_store",
        "_workers",
    )

    def __init__(
        self,
        store: ResponseStore,
        limits: Limits,
        *,
        max_running: int,
        workers: Headcount | None = None,
    ) -> None:
        """`workers` are those of the whole process, whoever else counts there."""
        self._workers = workers or Headcount()
        self._store = store
        self._limits = limits
        self._max_running = max_running
        self._running: set[asyncio.Task[None]] = set()
        self._is_draining = False
        self._is_over = False

    @property
    def running(self) -> int:
        """How many responses are being made now."""
        return len(self._running)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close(0.0)

    async def wait_idle(self) -> None:
        """Return when nothing runs any more."""
        while self._running:
            await asyncio.wait(self._running)

    async def close(self, grace_s: float) -> None:
        """Let what runs come to its end; what has not after `grace_s` seconds is failed."""
        self._is_draining = True
        if self._running and grace_s > 0:
            await asyncio.wait(self._running, timeout=grace_s)
        self._is_over = True
        await self.wait_idle()

    async def start(self, kept: KeptResponse, produce: Produce, fail: Fail) -> None:
        """Begin to make a response; it is kept from now on.

        `produce` is cancelled when the response is; `fail` says what it comes to when it breaks.

        Raises:
            RateLimitExceededError: too many are being made in this process.
            ShuttingDownError: this process is about to stop.
            BodyTooLargeError: it is more than may be kept for its key.
            StoreUnavailableError: it cannot be kept.
        """
        if self._is_draining:
            raise _shutting_down()
        if self._workers.count >= self._max_running:
            raise RateLimitExceededError(
                "Too many responses are being made in the background now.",
                code="too_many_background_responses",
                retry_after_s=RETRY_AFTER_S,
            )
        # Its place is taken before the store is asked, or many at once would go over the limit.
        saved: asyncio.Future[GatewayError | None] = asyncio.get_running_loop().create_future()
        task = asyncio.get_running_loop().create_task(self._run(kept, produce, fail, saved))
        self._workers.count += 1
        self._running.add(task)
        task.add_done_callback(self._forget)
        if (error := await asyncio.shield(saved)) is not None:
            raise error

    def _forget(self, task: "asyncio.Task[None]") -> None:
        self._running.discard(task)
        self._workers.count -= 1

    async def _run(
        self,
        kept: KeptResponse,
        produce: Produce,
        fail: Fail,
        saved: "asyncio.Future[GatewayError | None]",
    ) -> None:
        refusal = await self._save(kept)
        saved.set_result(refusal)
        if refusal is not None:
            return
        pending: list[EventSlice] = []
        work = asyncio.get_running_loop().create_task(_await(produce(pending.append)))
        try:
            ending = await self._watch(kept, work, pending, fail)
        finally:
            work.cancel()
            await asyncio.wait((work,))
        if ending is not None:
            await self._finish(kept, _joined(pending, ending))

    async def _save(self, kept: KeptResponse) -> GatewayError | None:
        """Keep a response that begins; return why it cannot be kept."""
        try:
            if await self._store.save(kept, self._limits, lease_s=LEASE_S):
                return None
        except StoreUnavailableError as error:
            return error
        return BodyTooLargeError(
            "The input is larger than what is kept for a client key.", code="request_too_large"
        )

    async def _watch(
        self,
        kept: KeptResponse,
        work: "asyncio.Task[Ending]",
        pending: list[EventSlice],
        fail: Fail,
    ) -> Ending | None:
        """Tell what comes until the work is done; None when nobody wants it any more."""
        while True:
            await asyncio.wait((work,), timeout=BEAT_S)
            if work.done():
                return _ending_of(work, fail)
            if self._is_over:
                return fail(_shutting_down())
            told = len(pending)
            try:
                is_wanted = await self._store.append(
                    kept.owner, kept.id, _merge(pending[:told]), lease_s=LEASE_S
                )
            except StoreUnavailableError as error:
                log.warning("response_events_not_told", detail=error.detail)
                continue
            del pending[:told]
            if not is_wanted:
                return None

    async def _finish(self, kept: KeptResponse, ending: Ending) -> None:
        ended = msgspec.structs.replace(kept, state=ending.state, body=ending.body)
        for _ in range(_FINISH_TRIES):
            try:
                await self._store.finish(ended, ending.events, self._limits)
            except StoreUnavailableError as error:
                log.warning("response_not_finished", detail=error.detail)
                await asyncio.sleep(BEAT_S)
            else:
                log.info("background_response_ended", response=kept.id, state=ending.state.value)
                return


async def _await(work: Awaitable[Ending]) -> Ending:
    return await work


def _ending_of(work: "asyncio.Task[Ending]", fail: Fail) -> Ending:
    try:
        return work.result()
    except GatewayError as error:
        return fail(error)
    except Exception as error:
        log.exception("background_response_crashed", exc_info=error)
        return fail(InternalError("The server made a mistake."))


def _joined(pending: list[EventSlice], ending: Ending) -> Ending:
    whole = _merge([*pending, ending.events]) or ending.events
    return msgspec.structs.replace(ending, events=whole)


def _merge(slices: list[EventSlice]) -> EventSlice | None:
    if not slices:
        return None
    return EventSlice(slices[0].first, slices[-1].last, b"".join(s.data for s in slices))


def _shutting_down() -> ShuttingDownError:
    return ShuttingDownError(
        "This server is restarting; please send the request again.", retry_after_s=1.0
    )
