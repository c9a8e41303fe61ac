"""The words by which errors are told apart, and the form of what they tell of limits."""

from enum import StrEnum
from typing import Protocol


class ErrorKind(StrEnum):
    """One word per leaf class; dialects map it to status, type and code."""

    INVALID_REQUEST = "invalid_request"
    AUTHENTICATION = "authentication"
    PERMISSION_DENIED = "permission_denied"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    MODEL_NOT_FOUND = "model_not_found"
    RATE_LIMIT_EXCEEDED = "rate_limit_exceeded"
    REQUEST_TIMEOUT = "request_timeout"
    BODY_TOO_LARGE = "body_too_large"
    NO_ACCOUNT_AVAILABLE = "no_account_available"
    UPSTREAM_REJECTED = "upstream_rejected"
    CONTENT_REJECTED = "content_rejected"
    UPSTREAM_RATE_LIMIT = "upstream_rate_limit"
    CREDENTIAL_REJECTED = "credential_rejected"
    ACCOUNT_FORBIDDEN = "account_forbidden"
    EGRESS_BLOCKED = "egress_blocked"
    ANTI_BOT = "anti_bot"
    UPSTREAM_TIMEOUT = "upstream_timeout"
    UPSTREAM_UNAVAILABLE = "upstream_unavailable"
    UPSTREAM_PROTOCOL = "upstream_protocol"
    STORE_UNAVAILABLE = "store_unavailable"
    MEDIA_STORE = "media_store"
    SHUTTING_DOWN = "shutting_down"
    INTERNAL = "internal"
    SETTINGS = "settings"


class LimitExtent(StrEnum):
    """How much of an account a limit of the upstream holds back."""

    RATE = "rate"
    """It asks too often: the account as a whole should rest."""
    WINDOW = "window"
    """The queries of one mode are used up; the other modes go on."""
    ACCOUNT = "account"
    """Its whole allowance is used up."""


class LimitLeft(Protocol):
    """A limit, what is left of it, and when all of it is."""

    @property
    def limit(self) -> int: ...

    @property
    def remaining(self) -> int: ...

    @property
    def resets_in_s(self) -> float: ...


class LimitsLeft(Protocol):
    """What is left of the limits per minute of a key, None where it has none."""

    @property
    def requests(self) -> LimitLeft | None: ...

    @property
    def tokens(self) -> LimitLeft | None: ...
