"""What a provider kind is: a record of capabilities. A missing capability is None."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from msgspec import Struct

from grok2api.domain.account import Credentials, ProviderKind
from grok2api.domain.chat import ChatRequest, EventBatch
from grok2api.domain.model import Route


class UpstreamSession(Struct, frozen=True):
    """An account in use: what a backend needs of it.

    `remember_user_id` stores what the upstream told about the account's identity.
    """

    credentials: Credentials
    user_id: str
    remember_user_id: Callable[[str], Awaitable[None]]


class ChatBackend(Protocol):
    """Streams one chat turn from an upstream."""

    def stream_chat(
        self, request: ChatRequest, route: Route, session: UpstreamSession
    ) -> AbstractAsyncContextManager[AsyncIterator[EventBatch]]:
        """Open the upstream stream. Leaving the context stops the upstream at once.

        Events that arrive together come as one batch. The last event of a complete answer is
        `Finished`; an iterator never ends without it.

        Raises:
            UpstreamError: before or while streaming; nothing is retried here.
            InvalidRequestError: the request has nothing this upstream could be asked.
        """
        ...


class CredentialBackend(Protocol):
    """Understands what people paste as a credential."""

    def parse_credentials(self, text: str) -> Credentials:
        """Clean one pasted credential.

        Raises:
            ValueError: it cannot be one; the message says why and quotes nothing of it.
        """
        ...


@dataclass(frozen=True, slots=True)
class Provider:
    """One kind of upstream and what it can do."""

    kind: ProviderKind
    credentials: CredentialBackend
    chat: ChatBackend
