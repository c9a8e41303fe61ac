"""What administrators do, as it is written down."""

from enum import StrEnum
from typing import Final

from msgspec import Struct

ADMIN: Final = "admin"
COMMAND_LINE: Final = "command line"
NOBODY: Final = "unknown"
"""The actor of a login that was refused."""
DONE: Final = "ok"
"""The outcome of what went well; else it is the code of the error."""


class ActionName(StrEnum):
    """Everything that is written down."""

    LOGIN = "login"
    ALLOW_ADDRESS = "login.allow"
    ADD_ACCOUNTS = "account.add"
    IMPORT_ACCOUNTS = "account.import"
    EXPORT_SESSIONS = "account.export_sessions"
    PUT_IN_POOL = "account.pool"
    EDIT_ACCOUNT = "account.edit"
    DISABLE_ACCOUNTS = "account.disable"
    RESTORE_ACCOUNTS = "account.restore"
    DELETE_ACCOUNTS = "account.delete"
    REMOVE_ACCOUNTS = "account.remove"
    REFRESH_ACCOUNTS = "account.refresh"
    CLEAR_SESSIONS = "session.clear"
    START_BATCH = "batch.start"
    CANCEL_BATCH = "batch.cancel"
    DELETE_ASSETS = "asset.delete"
    CLEAR_CACHE = "cache.clear"
    DELETE_MEDIA = "cache.delete"
    CREATE_KEYS = "key.create"
    EDIT_KEYS = "key.edit"
    REVOKE_KEYS = "key.revoke"
    CHANGE_SETTINGS = "settings.change"
    RESTORE_SETTINGS = "settings.restore"
    RESET_STATISTICS = "stats.reset"
    CLEAR_LOG = "log.clear"


class AdminAction(Struct, frozen=True, kw_only=True):
    """Who did what, to what, and from where. Never a secret.

    `actor` is `ADMIN`, `COMMAND_LINE` or `NOBODY`; `action` an `ActionName`; `target` the first ids
    it was done to; `client` an address, or user@host; `outcome` is `DONE` or the code of an error.
    """

    actor: str
    action: str
    target: str = ""
    client: str = ""
    detail: str = ""
    outcome: str = DONE


class LoggedAction(Struct, frozen=True):
    """An action, its place in the log, and when it was, by the store's clock."""

    place: str
    at_s: float
    action: AdminAction
