"""What an account is asked, in one shape for the one retry loop."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Generic, TypeVar

from grok2api.domain.chat import VISIBLE_EVENTS, ChatEvent, ChatRequest
from grok2api.domain.files import InputFile
from grok2api.domain.images import (
    ImageEvent,
    ImageMade,
    ImagePreview,
    ImageRequest,
    ImagesDone,
    ImageStep,
)
from grok2api.domain.model import Route
from grok2api.errors import InvalidRequestError
from grok2api.providers.base import Provider
from grok2api.providers.session import UpstreamSession
from grok2api.services.pictures import Pictures

Event = TypeVar("Event")


class Question(ABC, Generic[Event]):
    """Something that an account answers with events, in batches.

    `files` are uploaded before it is asked, `is_media`: as what a picture is made from. Nothing
    visible within `patience_s` counts as silence.
    """

    files: Sequence[InputFile]
    is_media: bool
    patience_s: float

    @abstractmethod
    def open(
        self, provider: Provider, route: Route, session: UpstreamSession
    ) -> AbstractAsyncContextManager[AsyncIterator[list[Event]]]:
        """Ask it; see `ChatBackend.stream_chat` for what the context and its events are."""

    @abstractmethod
    def is_visible(self, batch: Sequence[Event]) -> bool:
        """Whether a client can see one of these; from then on no other account is tried."""


class ChatQuestion(Question[ChatEvent]):
    """One turn of a conversation."""

    is_media = False

    def __init__(self, request: ChatRequest, pictures: Pictures, *, patience_s: float) -> None:
        self._request = request
        self._pictures = pictures
        self.files = request.files
        self.patience_s = patience_s

    @asynccontextmanager
    async def open(
        self, provider: Provider, route: Route, session: UpstreamSession
    ) -> AsyncIterator[AsyncIterator[list[ChatEvent]]]:
        """Ask for the turn's answer; pictures in it are shown as the operator wants."""
        base = self._request.public_url
        async with (
            provider.chat.stream_chat(self._request, route, session) as batches,
            self._pictures.shown(batches, provider.assets, session, base) as shown,
        ):
            yield shown

    def is_visible(self, batch: Sequence[ChatEvent]) -> bool:
        return any(isinstance(event, VISIBLE_EVENTS) for event in batch)


class ImageQuestion(Question[ImageEvent]):
    """Pictures. `shows_steps`: the client is told how far they are."""

    is_media = True

    def __init__(self, request: ImageRequest, *, patience_s: float, shows_steps: bool) -> None:
        self._request = request
        self._shows_steps = shows_steps
        self.files = request.references
        self.patience_s = patience_s

    def open(
        self, provider: Provider, route: Route, session: UpstreamSession
    ) -> AbstractAsyncContextManager[AsyncIterator[list[ImageEvent]]]:
        """Ask for the pictures.

        Raises:
            InvalidRequestError: this kind of upstream makes none.
        """
        if provider.images is None:
            raise InvalidRequestError(
                f"Model '{route.requested}' makes no pictures.", param="model", code="invalid_value"
            )
        return provider.images.make_images(self._request, session)

    def is_visible(self, batch: Sequence[ImageEvent]) -> bool:
        return any(self._binds(event) for event in batch)

    def _binds(self, event: ImageEvent) -> bool:
        match event:
            case ImageMade() | ImagePreview() | ImagesDone():
                # A finished picture is not shown to everybody, but it has been paid for.
                return True
            case ImageStep(percent=0):
                return False  # that it has begun is nothing to show
            case _:
                return self._shows_steps
