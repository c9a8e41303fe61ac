"""A chat turn: streamed, or folded into one answer."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

from grok2api.domain.answer import Answer, AnswerFold
from grok2api.domain.chat import ChatRequest, EventBatch
from grok2api.domain.client_key import ClientKey
from grok2api.domain.limits import OutputLimiter
from grok2api.domain.model import Capability, Route
from grok2api.errors import InvalidRequestError
from grok2api.services.dispatch import Dispatcher, TurnRecord
from grok2api.services.models import ModelCatalog
from grok2api.services.structured import Enforcer, is_demanding


@dataclass(frozen=True, slots=True)
class ChatTurn:
    """One running turn: iterate it for its event batches.

    The iteration raises `GatewayError`; what it raises before the first batch can still become an
    ordinary error answer. `record` fills while it runs.
    """

    route: Route
    record: TurnRecord
    _batches: AsyncIterator[EventBatch] = field(repr=False)

    def __aiter__(self) -> AsyncIterator[EventBatch]:
        return self._batches


class Answerer(Protocol):
    """Answers chats of some kind of model."""

    def stream(
        self,
        request: ChatRequest,
        route: Route,
        record: TurnRecord,
        caller: ClientKey | None = None,
    ) -> AsyncGenerator[EventBatch, None]:
        """Yield the answer; iterate it under `aclosing`."""
        ...


class ChatService:
    """Turns chat requests into answers of an account.

    `others` answer for models that make something else than text.
    """

    __slots__ = ("_count_tokens", "_dispatcher", "_enforcer", "_models", "_others")

    def __init__(
        self,
        models: ModelCatalog,
        dispatcher: Dispatcher,
        *,
        count_tokens: Callable[[str], int],
        others: Mapping[Capability, Answerer] | None = None,
    ) -> None:
        self._models = models
        self._dispatcher = dispatcher
        self._enforcer = Enforcer(dispatcher)
        self._others = others or {}
        self._count_tokens = count_tokens

    @asynccontextmanager
    async def stream(
        self, request: ChatRequest, caller: ClientKey | None = None
    ) -> AsyncIterator[ChatTurn]:
        """Open a turn. Leaving the context stops the upstream and frees the account.

        Raises:
            ModelNotFoundError: there is no such model.
        """
        route = self._models.resolve(request.model)
        record = TurnRecord()
        async with aclosing(self._limited(request, route, record, caller)) as batches:
            yield ChatTurn(route, record, batches)

    async def complete(
        self, request: ChatRequest, record: TurnRecord, caller: ClientKey | None = None
    ) -> tuple[Route, Answer]:
        """Return the whole answer; `record` is filled meanwhile.

        Raises:
            GatewayError: as `stream` and its iteration.
        """
        route = self._models.resolve(request.model)
        fold = AnswerFold()
        async with aclosing(self._limited(request, route, record, caller)) as batches:
            async for batch in batches:
                fold.add(batch)
        return route, fold.answer()

    async def _limited(
        self, request: ChatRequest, route: Route, record: TurnRecord, caller: ClientKey | None
    ) -> AsyncGenerator[EventBatch, None]:
        """The upstream's events, cut at the client's stop sequences and token limit."""
        if (other := self._others.get(route.model.capability)) is not None:
            if is_demanding(request):
                # Made all the same, it would be paid for, and not what the client asked for.
                raise InvalidRequestError(
                    f"Model '{route.requested}' makes media: it calls no tools, answers no JSON.",
                    param="model",
                    code="unsupported_value",
                )
            async with aclosing(other.stream(request, route, record, caller)) as batches:
                async for batch in batches:
                    yield batch
            return
        source = self._enforcer if is_demanding(request) else self._dispatcher
        async with aclosing(source.stream(request, route, record, caller)) as batches:
            if not request.stop and request.max_output_tokens is None:
                async for batch in batches:
                    yield batch
                return
            limiter = OutputLimiter(request.stop, request.max_output_tokens, self._count_tokens)
            async for batch in batches:
                if kept := limiter.feed(batch):
                    yield kept
                if limiter.is_done:
                    record.is_enough = True
                    return
