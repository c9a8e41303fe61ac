"""Pictures for a client: one account makes them all, or several make one each."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

import msgspec

from grok2api.domain.client_key import ClientKey
from grok2api.domain.images import (
    ImageBatch,
    ImageEvent,
    ImageMade,
    ImageRequest,
    ImagesDone,
    ImageWay,
)
from grok2api.domain.model import Route
from grok2api.domain.selection import Wish
from grok2api.errors import GatewayError, NoAccountAvailableError, UpstreamProtocolError
from grok2api.services.dispatch import Dispatcher, TurnRecord
from grok2api.services.fingerprint import fingerprint_texts
from grok2api.services.interleave import interleave
from grok2api.services.question import ImageQuestion

AT_ONCE: Final = 4
"""Accounts that make pictures of one request at the same time."""


class ImageService:
    """Has pictures made, by another account where one fails before the first is finished."""

    __slots__ = ("_dispatcher", "_patience_s")

    def __init__(self, dispatcher: Dispatcher, *, patience_s: float) -> None:
        self._dispatcher = dispatcher
        self._patience_s = patience_s

    async def stream(
        self,
        request: ImageRequest,
        route: Route,
        record: TurnRecord,
        caller: ClientKey | None = None,
        *,
        shows_steps: bool = True,
    ) -> AsyncGenerator[ImageBatch, None]:
        """Yield what comes of `request`; iterate it under `aclosing`. `ImagesDone` comes last.

        `shows_steps`: a client sees steps and previews, so no other account is tried after one.

        Raises:
            NoAccountAvailableError: no account can make them now.
            RateLimitExceededError: too many requests of this caller wait already.
            ContentRejectedError: the upstream withholds all of them.
            UpstreamError: it failed; what was made until then has been yielded.
        """
        makes_one_each = request.way is ImageWay.LITE
        if makes_one_each and request.n > 1:
            source = self._ask_for_each(request, route, record, caller, shows_steps=shows_steps)
        else:
            source = self._ask_one(request, route, record, caller, shows_steps=shows_steps)
        try:
            async with aclosing(source) as batches:
                async for batch in batches:
                    yield batch
            return
        except GatewayError as error:
            is_dry = isinstance(error, NoAccountAvailableError) or record.is_pool_dry
            if not is_dry or request.n == 1 or makes_one_each or record.is_committed:
                raise
        # No (other) account has room for all of them; several may have for one each.
        each = self._ask_for_each(request, route, record, caller, shows_steps=shows_steps)
        async with aclosing(each) as batches:
            async for batch in batches:
                yield batch

    async def collect(
        self,
        request: ImageRequest,
        route: Route,
        record: TurnRecord,
        caller: ClientKey | None = None,
    ) -> tuple[ImageMade, ...]:
        """Return the finished pictures, in the order of their slots.

        Raises:
            GatewayError: as `stream`.
        """
        made: dict[int, ImageMade] = {}
        quiet = msgspec.structs.replace(request, previews=0)
        source = self.stream(quiet, route, record, caller, shows_steps=False)
        async with aclosing(source) as batches:
            async for batch in batches:
                made |= {event.slot: event for event in batch if isinstance(event, ImageMade)}
        return tuple(made[slot] for slot in sorted(made))

    def _ask_one(
        self,
        request: ImageRequest,
        route: Route,
        record: TurnRecord,
        caller: ClientKey | None,
        *,
        shows_steps: bool,
    ) -> AsyncGenerator[ImageBatch, None]:
        question = ImageQuestion(request, patience_s=self._patience_s, shows_steps=shows_steps)
        wish = _build_wish(request, route, caller)
        return self._dispatcher.ask(question, route, wish, record)

    async def _ask_for_each(
        self,
        request: ImageRequest,
        route: Route,
        record: TurnRecord,
        caller: ClientKey | None,
        *,
        shows_steps: bool,
    ) -> AsyncGenerator[ImageBatch, None]:
        """Ask once for every picture, a few at a time; the first failure ends all."""
        single = msgspec.structs.replace(request, n=1)
        records = [TurnRecord() for _ in range(request.n)]
        sources = [
            self._ask_one(single, route, own, caller, shows_steps=shows_steps) for own in records
        ]
        made = 0
        try:
            async with aclosing(interleave(sources, at_once=AT_ONCE)) as batches:
                async for slot, batch in batches:
                    record.is_committed = True
                    record.mode = records[slot].mode
                    made += sum(isinstance(event, ImageMade) for event in batch)
                    if shown := _moved(batch, slot):
                        yield shown
        except GatewayError as error:
            if not made:
                raise
            raise UpstreamProtocolError(
                f"The upstream made {made} of {request.n} pictures. {error.message}",
                code="image_generation_incomplete",
                detail=error.detail,
            ) from error
        finally:
            for own in records:
                record.attempts += own.attempts
                record.waited_s = max(record.waited_s, own.waited_s)
                record.mode = record.mode or own.mode
        yield [ImagesDone()]


def _moved(batch: ImageBatch, slot: int) -> ImageBatch:
    """Return the events of a picture that was asked for alone, as those of `slot`."""
    return [_at(event, slot) for event in batch if not isinstance(event, ImagesDone)]


def _at(event: ImageEvent, slot: int) -> ImageEvent:
    return event if isinstance(event, ImagesDone) else msgspec.structs.replace(event, slot=slot)


def _build_wish(request: ImageRequest, route: Route, caller: ClientKey | None) -> Wish:
    return Wish(
        # For several at once nobody waits: there is another way to have them made.
        may_wait=request.n == 1,
        pools=route.pools,
        modes=route.modes,
        units=request.n * route.model.cost,
        key=caller.id if caller else "",
        weight=caller.weight if caller else 1,
        tags=caller.tags if caller else (),
        fingerprint=fingerprint_texts(
            request.model, request.prompt, *(file.ref for file in request.references)
        ),
    )
