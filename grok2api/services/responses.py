"""Kept responses: for the client key that they were given to, and nobody else."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import structlog

from grok2api.config.responses import ResponsesSettings
from grok2api.domain.ids import ClientKeyId, ResponseId
from grok2api.domain.response import CancelResult, EventSlice, KeptResponse, ResponseState
from grok2api.errors import InvalidRequestError, NotFoundError, StoreUnavailableError
from grok2api.services.background import Background
from grok2api.services.budget import Headcount
from grok2api.services.summaries import Summaries
from grok2api.store.responses import Limits, ResponseStore

log = structlog.get_logger(__name__)

MAX_CHAIN: Final = 500
"""Responses that continue each other; longer conversations are sent by the client, or compacted."""
BYTES_PER_MB: Final = 1024 * 1024

_WHOLE = frozenset({ResponseState.COMPLETED, ResponseState.INCOMPLETE})


@dataclass(frozen=True, slots=True)
class Responses:
    """Keeps, finds and forgets responses; `background` makes some of them."""

    store: ResponseStore
    limits: Limits
    background: Background
    summaries: Summaries

    async def keep(self, kept: KeptResponse) -> None:
        """Keep a response that has ended. The answer is worth more than its record: no errors."""
        try:
            is_kept = await self.store.save(kept, self.limits)
        except StoreUnavailableError as error:
            log.warning("response_not_kept", detail=error.detail)
            return
        if not is_kept:
            log.warning("response_not_kept", detail="larger than responses.max_mb")

    async def find(self, owner: ClientKeyId, response_id: str) -> KeptResponse:
        """Return a response.

        Raises:
            NotFoundError: this key has none of this id, or not any more.
        """
        kept = await self.store.find(owner, ResponseId(response_id))
        if kept is None:
            raise _unknown(response_id)
        return kept

    async def find_some(
        self, owner: ClientKeyId, response_ids: Sequence[str]
    ) -> list[KeptResponse]:
        """Return those of the responses that are kept.

        Raises:
            InvalidRequestError: they are too many.
        """
        if len(response_ids) > MAX_CHAIN:
            raise InvalidRequestError(
                f"Items of at most {MAX_CHAIN} responses can be referred to.", param="input"
            )
        found = [await self.store.find(owner, ResponseId(name)) for name in response_ids]
        return [kept for kept in found if kept is not None]

    async def chain(self, owner: ClientKeyId, last: str) -> list[KeptResponse]:
        """Return a response and all that it continues, the oldest first; all are kept for longer.

        Raises:
            NotFoundError: one of them is not kept, or not any more.
            InvalidRequestError: it cannot be continued.
        """
        found: list[KeptResponse] = []
        name = last
        while name:
            if len(found) == MAX_CHAIN:
                raise InvalidRequestError(
                    f"The conversation is longer than {MAX_CHAIN} responses: send its items.",
                    param="previous_response_id",
                    code="context_length_exceeded",
                )
            kept = await self.store.find(owner, ResponseId(name), keep_s=self.limits.keep_s)
            if kept is None:
                raise NotFoundError(
                    f"Previous response with id '{name[:80]}' not found.",
                    param="previous_response_id",
                    code="previous_response_not_found",
                )
            if kept.state not in _WHOLE:
                raise InvalidRequestError(
                    f"Previous response with id '{name[:80]}' is not complete.",
                    param="previous_response_id",
                    code="previous_response_not_completed",
                )
            found.append(kept)
            name = kept.previous
        return found[::-1]

    async def cancel(self, owner: ClientKeyId, response_id: str) -> KeptResponse:
        """Stop a background response, wherever it is made; one that has ended stays as it is.

        Raises:
            NotFoundError: this key has none of this id.
            InvalidRequestError: it was not made in the background.
        """
        match await self.store.cancel(owner, ResponseId(response_id)):
            case CancelResult.UNKNOWN:
                raise _unknown(response_id)
            case CancelResult.FOREGROUND:
                raise InvalidRequestError(
                    "Only a response with 'background': true can be cancelled. To stop another "
                    "one, close its connection.",
                    code="invalid_value",
                )
            case _:
                return await self.find(owner, response_id)

    async def forget(self, owner: ClientKeyId, response_id: str) -> None:
        """Forget a response; one that is being made is stopped.

        Raises:
            NotFoundError: this key has none of this id.
        """
        if not await self.store.forget(owner, ResponseId(response_id)):
            raise _unknown(response_id)

    async def read_events(
        self, kept: KeptResponse, position: str
    ) -> tuple[str, Sequence[EventSlice]]:
        """Return the next events of a background response and the position behind them."""
        return await self.store.read_events(kept.owner, kept.id, position)


@asynccontextmanager
async def open_responses(
    store: ResponseStore,
    summaries: Summaries,
    settings: ResponsesSettings,
    workers: Headcount | None = None,
) -> AsyncIterator[Responses]:
    """Build what keeps the responses of one process; leaving ends those it makes."""
    limits = Limits(settings.keep_s, settings.max_count, settings.max_mb * BYTES_PER_MB)
    most = settings.max_background
    async with Background(store, limits, max_running=most, workers=workers) as background:
        yield Responses(store, limits, background, summaries)


def _unknown(response_id: str) -> NotFoundError:
    return NotFoundError(
        f"Response with id '{response_id[:80]}' not found.",
        param="response_id",
        code="response_not_found",
    )
