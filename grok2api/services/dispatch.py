"""Account failover: the only retry loop in the project.

A request may touch several accounts until the first event that a client could see (the commit
point); from then on it stays with the one it has, and a failure ends it.
"""

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field

import msgspec
import structlog

from grok2api.domain.account import Mode
from grok2api.domain.affinity import AffinityRule
from grok2api.domain.chat import ChatRequest, EventBatch, Role
from grok2api.domain.client_key import ClientKey
from grok2api.domain.model import OPERATIONS, Route
from grok2api.domain.selection import Wish
from grok2api.errors import GatewayError, NoAccountAvailableError, Scope, UpstreamError
from grok2api.services.attempt import Attempt, AttemptRecord, DispatchParts, Plight
from grok2api.services.fingerprint import fingerprint
from grok2api.services.leases import HeldLease
from grok2api.services.question import ChatQuestion, Event, Question
from grok2api.services.verdict import FailureTally, may_try_other
from grok2api.telemetry.tracing import begin_span

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class TurnRecord:
    """What happened while one request was served; filled as it goes."""

    attempts: list[AttemptRecord] = field(default_factory=list)
    is_committed: bool = False
    waited_s: float = 0.0
    """For accounts, all attempts together."""
    mode: Mode | None = None
    """What served it last."""
    is_pool_dry: bool = False
    """An attempt failed, and no other account was there to try."""
    is_enough: bool = False
    """Set by a reader that closes the stream because it has all it wants: no cancellation."""


class Dispatcher:
    """Leases accounts one after the other until one of them answers."""

    __slots__ = ("_parts",)

    def __init__(self, parts: DispatchParts) -> None:
        self._parts = parts

    async def stream(
        self,
        request: ChatRequest,
        route: Route,
        record: TurnRecord,
        caller: ClientKey | None = None,
    ) -> AsyncGenerator[EventBatch, None]:
        """Yield the answer to `request`; iterate it under `aclosing`.

        Closing it stops the upstream and frees the account's slot.

        Raises:
            InvalidRequestError: a file of the request cannot be used.
            NoAccountAvailableError: no account can serve this now.
            RateLimitExceededError: too many requests of this caller wait already.
            UpstreamError: the last failure, when nothing else can be tried.
        """
        with await self._parts.files.take_in(request) as intake:
            question = ChatQuestion(
                intake.request,
                self._parts.pictures,
                patience_s=self._parts.chat.first_event_timeout_s,
            )
            asked = self.ask(question, route, build_wish(intake.request, route, caller), record)
            async with aclosing(asked) as batches:
                async for batch in batches:
                    intake.let_go()  # from here on there is no other account
                    yield batch

    async def ask(
        self, question: Question[Event], route: Route, wish: Wish, record: TurnRecord
    ) -> AsyncGenerator[list[Event], None]:
        """Yield the answer to a question whose files are at hand; see `stream`."""
        retry, clock = self._parts.retry, self._parts.clock
        started_s = clock.monotonic_s()
        plight = Plight(wish.fingerprint, FailureTally(retry.max_attempts))
        failure: UpstreamError | None = None
        while True:
            held = await self._lend(wish, route, record, failure)
            attempt = Attempt(self._parts, question, route, held, plight, wish.units)
            record.attempts.append(attempt.record)
            record.mode = held.lease.mode
            tried = (*wish.exclude, attempt.record.account)
            wish = msgspec.structs.replace(wish, exclude=tried)
            try:
                async with aclosing(attempt.batches()) as batches:
                    async for batch in batches:
                        record.is_committed = True
                        yield batch
                return
            except UpstreamError as error:
                if record.is_committed or not may_try_other(error):
                    raise
                failure = error
                log.info(
                    "attempt_failed",
                    account=attempt.record.account,
                    error=error.kind,
                    status=error.status,
                    code=error.code,
                    detail=error.detail,
                )
            finally:
                await attempt.close(is_enough=record.is_enough)
            wait_s = self._backoff_s(failure, len(tried))
            is_late = clock.monotonic_s() + wait_s - started_s > retry.budget_s
            if len(tried) >= retry.max_attempts or is_late or plight.tally.is_hopeless:
                raise failure
            await asyncio.sleep(wait_s)

    def _backoff_s(self, failure: UpstreamError, tries: int) -> float:
        """Another account can be asked at once; an upstream in trouble gets time (full jitter)."""
        if failure.scope is Scope.ACCOUNT:
            return 0.0
        retry = self._parts.retry
        return random.uniform(0, min(retry.base_delay_s * 2**tries, retry.max_delay_s))  # noqa: S311

    async def _lend(
        self, wish: Wish, route: Route, record: TurnRecord, failure: UpstreamError | None
    ) -> HeldLease:
        started_s = self._parts.clock.monotonic_s()
        span, error = begin_span("acquire", {}), ""
        try:
            return await self._parts.lender.lend(wish, route)
        except GatewayError as refusal:
            error = refusal.kind
            if failure is not None and isinstance(refusal, NoAccountAvailableError):
                record.is_pool_dry = True
                raise failure from None  # it says more than that nobody else is there
            raise
        finally:
            span.end(error)
            waited_s = self._parts.clock.monotonic_s() - started_s
            record.waited_s += waited_s
            if self._parts.meter is not None:
                self._parts.meter.account_awaited(OPERATIONS[route.model.capability], waited_s)


def build_wish(request: ChatRequest, route: Route, caller: ClientKey | None) -> Wish:
    """Return what a chat turn needs of an account."""
    is_follow_up = any(message.role is Role.ASSISTANT for message in request.messages)
    return Wish(
        pools=route.pools,
        modes=route.modes,
        units=route.model.cost,
        session=request.affinity.digest,
        starts_session=request.affinity.rule is AffinityRule.CONTENT and not is_follow_up,
        key=caller.id if caller else "",
        weight=caller.weight if caller else 1,
        tags=caller.tags if caller else (),
        fingerprint=fingerprint(request),
    )
