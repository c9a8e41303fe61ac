"""Account failover: the only retry loop in the project.

A request may touch several accounts until the first event that a client could see (the commit
point); from then on it stays with the one it has, and a failure ends it.
"""

import asyncio
import random
import secrets
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field

import structlog

from grok2api.domain.account import Lease
from grok2api.domain.chat import ChatRequest, EventBatch
from grok2api.domain.ids import AccountId, LeaseId
from grok2api.domain.model import Route
from grok2api.errors import NoAccountAvailableError, Scope, UpstreamError
from grok2api.services.attempt import Attempt, AttemptRecord, DispatchParts, release_lease
from grok2api.services.leases import HeldLease
from grok2api.services.verdict import Verdict, may_try_other
from grok2api.store.accounts import NoneReady

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class TurnRecord:
    """What happened while one request was served; filled as it goes."""

    attempts: list[AttemptRecord] = field(default_factory=list)
    is_committed: bool = False
    is_enough: bool = False
    """Set by a reader that closes the stream because it has all it wants: no cancellation."""


class Dispatcher:
    """Leases accounts one after the other until one of them answers."""

    __slots__ = ("_parts",)

    def __init__(self, parts: DispatchParts) -> None:
        self._parts = parts

    async def stream(
        self, request: ChatRequest, route: Route, record: TurnRecord
    ) -> AsyncGenerator[EventBatch, None]:
        """Yield the answer to `request`; iterate it under `aclosing`.

        Closing it stops the upstream and frees the account's slot.

        Raises:
            NoAccountAvailableError: no account can serve this now.
            UpstreamError: the last failure, when nothing else can be tried.
        """
        retry, clock = self._parts.retry, self._parts.clock
        started_s = clock.monotonic_s()
        tried: list[AccountId] = []
        failure: UpstreamError | None = None
        while True:
            attempt = Attempt(
                self._parts, request, route, await self._acquire(route, tried, failure)
            )
            record.attempts.append(attempt.record)
            tried.append(attempt.record.account)
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
            if len(tried) >= retry.max_attempts or is_late:
                raise failure
            await asyncio.sleep(wait_s)

    def _backoff_s(self, failure: UpstreamError, tries: int) -> float:
        """Another account can be asked at once; an upstream in trouble gets time (full jitter)."""
        if failure.scope is Scope.ACCOUNT:
            return 0.0
        retry = self._parts.retry
        return random.uniform(0, min(retry.base_delay_s * 2**tries, retry.max_delay_s))  # noqa: S311

    async def _acquire(
        self, route: Route, tried: list[AccountId], failure: UpstreamError | None
    ) -> HeldLease:
        granted: list[Lease | NoneReady] = []

        async def acquire() -> None:
            granted.append(
                await self._parts.accounts.acquire(
                    route.pools,
                    LeaseId(secrets.token_hex(8)),
                    ttl_s=self._parts.keeper.ttl_s,
                    max_concurrency=self._parts.account.max_concurrency,
                    exclude=tried,
                )
            )

        try:
            # Run to its end in any case: a slot that the store has granted must not be forgotten.
            await self._parts.cleanup.run(acquire())
        except asyncio.CancelledError:
            for lease in granted:
                if isinstance(lease, Lease):
                    await self._parts.cleanup.run(
                        release_lease(self._parts.accounts, lease, Verdict.cancelled())
                    )
            raise
        answer = granted[0]
        if isinstance(answer, NoneReady):
            raise failure or _explain_none_ready(route, answer)
        return self._parts.keeper.hold(answer)


def _explain_none_ready(route: Route, answer: NoneReady) -> NoAccountAvailableError:
    if answer.has_accounts and not answer.has_usable:
        return NoAccountAvailableError(
            f"All accounts for model '{route.requested}' are expired or disabled."
        )
    if answer.has_accounts:
        return NoAccountAvailableError(
            f"All accounts for model '{route.requested}' are busy or cooling; try again shortly.",
            retry_after_s=answer.retry_after_s,
        )
    return NoAccountAvailableError(
        f"There is no account for model '{route.requested}': "
        f"it needs one of tier {' or '.join(route.model.tiers)}."
    )
