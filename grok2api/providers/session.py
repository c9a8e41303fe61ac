"""An account in use, as a backend sees it."""

from collections.abc import Awaitable, Callable

from msgspec import Struct

from grok2api.domain.account import Credentials


class UploadedFile(Struct, frozen=True):
    """A file at the upstream. `url` is where its content lies, "" where that is not known."""

    id: str
    url: str = ""


class UpstreamSession(Struct, frozen=True):
    """An account in use: what a backend needs of it.

    `remember_user_id` stores what the upstream told about the account's identity. `attachments`
    are the request's files, uploaded to this account.
    """

    credentials: Credentials
    user_id: str
    remember_user_id: Callable[[str], Awaitable[None]]
    attachments: tuple[UploadedFile, ...] = ()
