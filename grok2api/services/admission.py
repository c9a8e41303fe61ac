"""Admission: lets calls in within the rules and limits of their client keys."""

import asyncio
import math
import secrets
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, assert_never

import structlog

from grok2api.clock import Clock
from grok2api.domain.admission import Admission, Edited, KeyUse, LimitName, Refusal, Used
from grok2api.domain.client_key import ClientKey, KeyLimits
from grok2api.domain.ids import CallId, ClientKeyId
from grok2api.errors import AuthenticationError, RateLimitExceededError, StoreUnavailableError
from grok2api.services.cleanup import Cleanup, end_if_cancelled
from grok2api.services.endless import Endless
from grok2api.services.key_rules import require_address, require_good, require_model
from grok2api.store.admissions import AdmissionStore
from grok2api.store.client_keys import encode_client_key

log = structlog.get_logger(__name__)

_FREE = Admission(call_id=CallId(""))
_NO_LIMITS = KeyLimits()
LIKELY_TOKENS: Final = 1024
"""Reserved for an answer whose length the client does not bound; what it takes is settled later."""
MOST_RESERVED: Final = 4096
"""Clients allow far more than answers take; reserving all of it would refuse the next call."""
_SHARE: Final = 8
_LOOK_S: Final = 0.5
"""Headers are not worth a longer wait."""


class CallKeeper(Endless):
    """Renews every open call of this process at a third of its life, in one task.

    A worker that dies stops renewing, and its calls are given back after `ttl_s`: by the next
    admission anywhere, or by the keeper of another worker.
    """

    __slots__ = ("_held", "_store", "ttl_s")

    def __init__(self, store: AdmissionStore, *, ttl_s: float) -> None:
        super().__init__()
        self._store = store
        self._held: set[CallId] = set()
        self.ttl_s = ttl_s

    def hold(self, call_id: CallId) -> None:
        """Renew a call from now on."""
        self._held.add(call_id)

    def drop(self, call_id: CallId) -> None:
        """Renew it no more: it is settled, or will be before its time is over."""
        self._held.discard(call_id)

    @property
    def held_count(self) -> int:
        """How many calls are renewed."""
        return len(self._held)

    async def _run_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self.ttl_s / 3)
            await self.renew_all()
            end_if_cancelled()

    async def renew_all(self) -> None:
        """Renew every open call now, and give back those that nobody renews."""
        try:
            if self._held:
                gone = await self._store.renew(list(self._held), ttl_s=self.ttl_s)
                lost = gone & self._held  # others were settled meanwhile
                self._held -= lost
                if lost:
                    log.warning("calls_lost", count=len(lost))
            await self._store.reap()
        except StoreUnavailableError as error:
            log.warning("calls_not_renewed", open=len(self._held), detail=error.detail)


class Admissions:
    """Asked once for every call, when it is known what it needs."""

    __slots__ = ("_cleanup", "_clock", "_keeper", "_store")

    def __init__(
        self, store: AdmissionStore, keeper: CallKeeper, cleanup: Cleanup, clock: Clock
    ) -> None:
        self._store = store
        self._keeper = keeper
        self._cleanup = cleanup
        self._clock = clock

    async def admit(  # noqa: PLR0913 - all that rules and limits ask of a call
        self,
        key: ClientKey,
        *,
        model: str,
        tokens: int,
        units: int,
        client: str,
        max_output_tokens: int | None = 0,
        requested: str = "",
    ) -> Admission:
        """Let a call in and reserve what it needs; its request's end settles that, or its worker's.

        `requested` is the alias by which the client calls `model`, if it is one; `tokens` are those
        of the prompt, `max_output_tokens` is what the client allows, None where it does not say,
        `units` the cost in the accounts' quota, `client` the address of the caller. A key without
        limits takes nothing: its `call_id` is "".

        Raises:
            AuthenticationError: the key has expired, is disabled, or was revoked meanwhile.
            PermissionDeniedError: not with this model, or not from this address.
            RateLimitExceededError: a limit is reached; its `limits` are for the headers.
            StoreUnavailableError: the limits cannot be asked now.
        """
        checked = Edited(key, encode_client_key(key))
        while True:
            require_good(checked.key, self._clock.now_s())
            require_address(checked.key, client)
            require_model(checked.key, model, requested or model)
            if checked.key.limits == _NO_LIMITS:
                return _FREE
            likely = tokens + likely_output(checked.key.limits, tokens, max_output_tokens)
            answer = await self._ask(checked, tokens=likely, units=units)
            if not isinstance(answer, Edited):
                return answer
            checked = answer

    async def _ask(self, checked: Edited, *, tokens: int, units: int) -> Admission | Edited:
        """Have the store take what a call needs, if its key is still what was checked."""
        call_id = CallId(secrets.token_hex(8))
        asking = self._store.admit(
            call_id, checked, tokens=tokens, units=units, ttl_s=self._keeper.ttl_s
        )
        try:
            # Run to its end in any case: what the store took afterwards could not be given back.
            answer = await self._cleanup.run(asking)
        except asyncio.CancelledError:
            with suppress(StoreUnavailableError):
                await self._cleanup.run(self._store.settle(call_id, Used()))
            raise
        if answer is None:
            raise AuthenticationError("Incorrect API key provided.", code="invalid_api_key")
        if isinstance(answer, Refusal):
            raise _explain(answer)
        if isinstance(answer, Admission):
            self._keeper.hold(call_id)
        return answer

    async def refresh(self, admission: Admission, key_id: ClientKeyId) -> Admission:
        """Return the same call with what the limits of its key leave now; it never raises."""
        if not admission.tells_limits:
            return admission
        try:
            async with asyncio.timeout(_LOOK_S):
                return admission.at(await self._store.look(key_id))
        except (StoreUnavailableError, TimeoutError):
            return admission

    def leave(self, call_id: CallId) -> None:
        """Renew a call no more, because it is settled with the statistics of its request."""
        self._keeper.drop(call_id)

    async def usage(self, key_ids: Sequence[ClientKeyId]) -> dict[ClientKeyId, KeyUse]:
        """Return what up to 1000 keys use of their limits now."""
        return await self._store.usage(key_ids)


def likely_output(limits: KeyLimits, prompt_tokens: int, most: int | None) -> int:
    """Return what is reserved for an answer of `most` tokens, None where the client does not say.

    It is a guess: for a prompt that fits into the limits, it never is what makes a call too large.
    """
    budgets = (limits.day.tokens, limits.week.tokens, limits.month.tokens)
    limit = min(filter(None, (limits.tokens_per_minute, *budgets)), default=None)
    if limit is None:
        return 0
    guess = min(LIKELY_TOKENS, limit // _SHARE) if most is None else min(most, MOST_RESERVED)
    return max(0, min(guess, limit - prompt_tokens))


def _explain(refusal: Refusal) -> RateLimitExceededError:
    limits = Admission(call_id=CallId(""), requests=refusal.requests, tokens=refusal.tokens)
    code = "rate_limit_exceeded"
    match refusal.limit:
        case LimitName.REQUESTS_PER_MINUTE:
            most = limits.requests.limit if limits.requests else 0
            text = f"Rate limit reached: this API key may make {most} requests per minute."
        case LimitName.TOKENS_PER_MINUTE:
            most = limits.tokens.limit if limits.tokens else 0
            text = f"Rate limit reached: this API key may use {most} tokens per minute."
            if refusal.retry_after_s is None:
                text = (
                    f"This request is too large: it needs more than the {most} tokens "
                    "that this API key may use per minute."
                )
        case LimitName.CONCURRENCY:
            text = "Too many requests of this API key run at the same time."
        case LimitName.BUDGET:
            code = "insufficient_quota"
            text = f"The budget of this API key is used up: its limit of {refusal.which}."
            if refusal.retry_after_s is None:
                text = (
                    "This request needs more than the whole budget of this API key: "
                    f"its limit of {refusal.which}."
                )
        case _:
            assert_never(refusal.limit)
    if refusal.retry_after_s is not None:
        # Codex waits for as long as the text says.
        text += f" Please try again in {math.ceil(refusal.retry_after_s)}s."
    error = RateLimitExceededError(text, code=code, retry_after_s=refusal.retry_after_s)
    error.limits = limits
    return error
