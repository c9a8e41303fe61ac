"""What administrators do, as it is written down."""

from msgspec import Struct


class AdminAction(Struct, frozen=True, kw_only=True):
    """Who did what, to what, and from where. Never a secret.

    `actor` is who logged in ("admin"), or "command" for the command line; `action` a verb phrase of
    a closed set such as "account.delete"; `target` an id or a count; `client` an address.
    """

    actor: str
    action: str
    target: str = ""
    client: str = ""
    detail: str = ""


class LoggedAction(Struct, frozen=True):
    """An action, its place in the log, and when it was, by the store's clock."""

    place: str
    at_s: float
    action: AdminAction
