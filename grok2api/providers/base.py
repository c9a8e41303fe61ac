"""What a provider kind is: a record of capabilities. A missing capability is None."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from msgspec import Struct

from grok2api.domain.account import Credentials, Mode, ProviderKind, Status, Tier
from grok2api.domain.chat import ChatRequest, EventBatch
from grok2api.domain.files import InputFile
from grok2api.domain.model import Route
from grok2api.domain.quota import QuotaReport, Window
from grok2api.providers.media import AssetBackend, ImageBackend, VideoBackend
from grok2api.providers.session import UploadedFile, UpstreamSession


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


class FileBackend(Protocol):
    """Keeps files at an upstream for one account, so that its requests can name them."""

    async def upload(
        self, file: InputFile, session: UpstreamSession, *, for_media: bool = False
    ) -> UploadedFile:
        """Upload `file` to the account; `for_media`: as what a picture or video is made from.

        Raises:
            UpstreamError: the upstream did not take it.
        """
        ...

    async def delete(self, file_id: str, session: UpstreamSession) -> None:
        """Delete an uploaded file; one that is not there any more is no error.

        Raises:
            UpstreamError: the upstream refused or could not be asked.
        """
        ...


class ImportEntry(Struct, frozen=True):
    """A credential found in an import, and what the source says of its account.

    `tier` and `created_at_s` are None where it does not say. `until_s` is when its status
    ends by itself.
    """

    line: int
    credentials: Credentials
    tier: Tier | None = None
    tags: tuple[str, ...] = ()
    status: Status = Status.ACTIVE
    reason: str = ""
    until_s: float = 0.0
    created_at_s: float | None = None
    max_concurrency: int | None = None
    windows: Mapping[Mode, Window] = {}


class ImportRefusal(Struct, frozen=True):
    """An entry that cannot be a credential. `why` quotes nothing of it."""

    line: int
    why: str


class ImportSkip(Struct, frozen=True):
    """An account that its source had deleted."""

    line: int


ImportFinding = ImportEntry | ImportRefusal | ImportSkip


class CredentialBackend(Protocol):
    """Understands what people paste as credentials, and what other gateways keep of them."""

    def parse_import(self, text: str) -> list[ImportFinding]:
        """Find every credential in `text`: one a line, or JSON; cleaned, in order.

        `line` counts from 1; for JSON it is the number of the entry.
        """
        ...

    def parse_record(self, line: int, record: Mapping[str, object]) -> ImportFinding:
        """Read one record of another gateway's store: names and values as they stand there."""
        ...


class QuotaBackend(Protocol):
    """Asks an upstream what an account may still use."""

    async def read_quota(self, session: UpstreamSession, tier: Tier) -> QuotaReport:
        """Ask for every mode of the account.

        `tier` is what is known of its plan; where the answers prove another one, its modes are
        asked for too, and `readings` holds the modes of that one only.

        Raises:
            CredentialRejectedError: the session is dead; nothing more was asked.
            AccountForbiddenError: the account is blocked (`is_blocked`); nothing more was asked.
            UpstreamError: no mode gave a usable answer; this is the last one's error, and nothing
                is known that was not known before, even if it is about one mode's limit.
        """
        ...


class SettingsBackend(Protocol):
    """Changes what an account's owner may set at the upstream; only when an operator says so."""

    async def set_sensitive_content(self, session: UpstreamSession, *, is_on: bool) -> None:
        """Let the upstream show the account sensitive content, or not. May be repeated.

        Raises:
            UpstreamError: the upstream refused or could not be asked.
        """
        ...


@dataclass(frozen=True, slots=True)
class Provider:
    """One kind of upstream and what it can do."""

    kind: ProviderKind
    credentials: CredentialBackend
    chat: ChatBackend
    quota: QuotaBackend | None = None
    settings: SettingsBackend | None = None
    files: FileBackend | None = None
    assets: AssetBackend | None = None
    images: ImageBackend | None = None
    videos: VideoBackend | None = None
