"""One attempt with one account: from the granted lease to its release."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final, Generic

import msgspec
import structlog

from grok2api.clock import Clock
from grok2api.config.schema import AccountSettings, ChatSettings, RetrySettings
from grok2api.domain.account import Lease, Outcome, ProviderKind
from grok2api.domain.ids import AccountId
from grok2api.domain.model import OPERATIONS, Route
from grok2api.errors import (
    GatewayError,
    Scope,
    StoreUnavailableError,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamTimeoutError,
    UpstreamUnavailableError,
)
from grok2api.providers.base import Provider
from grok2api.providers.session import UpstreamSession
from grok2api.services.cleanup import Cleanup
from grok2api.services.files import FileDesk
from grok2api.services.leases import HeldLease, LeaseKeeper
from grok2api.services.lender import Lender
from grok2api.services.observation import UpstreamMeter, begin_attempt, end_attempt
from grok2api.services.pictures import Pictures
from grok2api.services.question import Event, Question
from grok2api.services.uploads import Uploads
from grok2api.services.verdict import FailureTally, Verdict, judge, may_repeat_once
from grok2api.store.accounts import AccountStore, Release

log = structlog.get_logger(__name__)

GRACE_S: Final = 1.0
_SILENT = frozenset({Scope.UPSTREAM, Scope.EGRESS})


@dataclass(slots=True)
class AttemptRecord:
    """What one attempt came to, for logs, metrics, explanations. `error_kind` is "" on success.

    `status` and `code` are the upstream's, 0 and "" where there were none. `units` are those of the
    account's quota that it cost. `started_s` is on the process's own clock; `exit` the way out.
    """

    account: AccountId
    started_s: float = 0.0
    outcome: Outcome = Outcome.CANCELLED
    error_kind: str = ""
    code: str = ""
    status: int = 0
    units: int = 0
    duration_s: float = 0.0
    exit: str = ""


@dataclass(frozen=True, slots=True)
class DispatchParts:
    """What serving a request needs, joined once per process. `exit` names the way out; "": none."""

    accounts: AccountStore
    providers: Mapping[ProviderKind, Provider]
    keeper: LeaseKeeper
    cleanup: Cleanup
    clock: Clock
    lender: Lender
    retry: RetrySettings
    account: AccountSettings
    chat: ChatSettings
    files: FileDesk
    pictures: Pictures
    meter: UpstreamMeter | None = None
    exit: str = ""


@dataclass(frozen=True, slots=True)
class Plight:
    """What the attempts of one request share: its fingerprint, and what they met so far."""

    fingerprint: str
    tally: FailureTally


async def release_lease(accounts: AccountStore, lease: Lease, how: Release) -> None:
    """End `lease`. A store that does not answer is only logged: the lease frees itself in time."""
    try:
        await accounts.release(lease, how)
    except StoreUnavailableError as error:
        log.warning("lease_not_released", account=lease.account_id, detail=error.detail)


def count_attempt(parts: DispatchParts, operation: str, record: AttemptRecord) -> None:
    """Tell the metrics what became of an attempt."""
    if parts.meter is not None:
        outcome = record.outcome.value
        parts.meter.attempt_ended(operation, outcome, record.error_kind, record.duration_s)


class Attempt(Generic[Event]):
    """Streams one answer from one account and ends its lease with the right outcome."""

    __slots__ = (
        "_has_answered",
        "_held",
        "_is_used",
        "_parts",
        "_plight",
        "_question",
        "_route",
        "_session",
        "_span",
        "_stack",
        "_started_s",
        "_units",
        "_uploads",
        "_verdict",
        "record",
    )

    def __init__(
        self,
        parts: DispatchParts,
        question: Question[Event],
        route: Route,
        held: HeldLease,
        plight: Plight,
        units: int,
    ) -> None:
        self._parts = parts
        self._question = question
        self._route = msgspec.structs.replace(route, modes=(held.lease.mode,))
        self._held = held
        self._plight = plight
        self._has_answered = False
        self._is_used = False
        self._stack = AsyncExitStack()
        self._started_s = parts.clock.monotonic_s()
        self._verdict = Verdict.cancelled()
        self._units = units
        self.record = AttemptRecord(held.lease.account_id, self._started_s, exit=parts.exit)
        self._span = begin_attempt(held.lease, route)
        lease = held.lease
        self._session = UpstreamSession(lease.credentials, lease.user_id, self._remember_user_id)
        files = parts.providers[lease.pool.kind].files
        self._uploads = Uploads(files, parts.cleanup, parts.files)

    async def batches(self) -> AsyncGenerator[list[Event], None]:
        """Yield the answer; the first batch holds all that came up to the first visible event.

        Raises:
            UpstreamError: this account's try failed.
        """
        try:
            events, first = await self._open()
            yield first
            async for batch in events:
                if self._held.is_lost:
                    raise UpstreamUnavailableError(
                        "The account's slot was lost while answering.", code="lease_lost"
                    )
                yield batch
        except UpstreamError as error:
            self._plight.tally.note(error)
            self._is_used = self._has_answered or _may_have_counted(error)
            self.record.error_kind = error.kind
            self.record.code, self.record.status = error.code or "", error.status or 0
            self._verdict = judge(error)
            raise
        except GatewayError as error:
            self._is_used = self._has_answered
            self.record.error_kind = error.kind
            self._verdict = Verdict.not_at_fault()
            raise
        self._verdict = Verdict.ok()

    async def close(self, *, is_enough: bool = False) -> None:
        """Stop the upstream, then free the slot; both happen even when the request is cancelled.

        `is_enough` says that the reader stopped because it had its answer.
        """
        if is_enough and not self.record.error_kind:
            self._verdict = Verdict.ok()
        self.record.outcome = self._verdict.outcome
        self.record.units = self._units if self._is_used else 0
        self.record.duration_s = self._parts.clock.monotonic_s() - self._started_s
        end_attempt(self._span, self.record.outcome, self.record.error_kind)
        count_attempt(self._parts, OPERATIONS[self._route.model.capability], self.record)
        try:
            await self._close_upstream()
        finally:
            self._parts.keeper.drop(self._held)
            self._uploads.discard()
            await self._parts.cleanup.run(
                release_lease(self._parts.accounts, self._held.lease, self._describe_end())
            )

    def _describe_end(self) -> Release:
        verdict, account = self._verdict, self._parts.account
        return Release(
            outcome=verdict.outcome,
            is_used=self._is_used,
            cooldown_s=verdict.cooldown_s,
            first_rest_s=account.cooldown_s,
            longest_rest_s=account.max_cooldown_s,
            reason=verdict.reason,
            fingerprint=self._plight.fingerprint if verdict.is_suspicious else "",
        )

    async def _close_upstream(self) -> None:
        try:
            await self._stack.aclose()
        except GatewayError as error:
            log.debug("upstream_close_failed", error=error.kind)

    async def _open(self) -> tuple[AsyncIterator[list[Event]], list[Event]]:
        # Before the question, so that nothing of it counts as a query, nor as the answer's silence.
        question = self._question
        attachments = await self._uploads.put(
            question.files, self._session, for_media=question.is_media
        )
        self._session = msgspec.structs.replace(self._session, attachments=attachments)
        try:
            return await self._open_once()
        except UpstreamError as error:
            is_broken = isinstance(error, UpstreamUnavailableError) and _may_have_counted(error)
            if is_broken or not may_repeat_once(error):
                raise  # one unit is reserved: what may have been counted is not asked once more
            self._plight.tally.note(error)
            if self._plight.tally.is_hopeless:
                raise
            log.info("attempt_repeated", account=self.record.account, error=error.kind)
        await self._close_upstream()
        return await self._open_once()

    async def _open_once(self) -> tuple[AsyncIterator[list[Event]], list[Event]]:
        limit_s = self._question.patience_s
        try:
            # The transport's own limits say more: where they are as long, they come first.
            async with asyncio.timeout(limit_s + GRACE_S):
                return await self._wait_for_visible()
        except TimeoutError:
            raise UpstreamTimeoutError(
                f"The upstream sent nothing for {limit_s:g} seconds.",
                code="upstream_first_event_timeout",
            ) from None

    async def _wait_for_visible(self) -> tuple[AsyncIterator[list[Event]], list[Event]]:
        # Until the upstream says no, it may have counted the query, whatever becomes of it: a unit
        # too few is refreshed, one too many would be overspent.
        self._is_used = True
        provider = self._parts.providers[self._held.lease.pool.kind]
        events = await self._stack.enter_async_context(
            self._question.open(provider, self._route, self._session)
        )
        held_back: list[Event] = []
        async for batch in events:
            self._has_answered = True
            held_back += batch
            if self._question.is_visible(batch):
                return events, held_back
        raise UpstreamProtocolError(
            "The upstream's answer was empty.", code="upstream_stream_empty"
        )

    async def _remember_user_id(self, user_id: str) -> None:
        await self._parts.accounts.set_user_id(self.record.account, user_id)


def _may_have_counted(error: UpstreamError) -> bool:
    """Whether a failed call may have cost a query: nobody said that it was refused."""
    return error.was_sent and error.status is None and error.scope in _SILENT
