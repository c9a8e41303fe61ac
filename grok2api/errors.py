"""The error tree. An error says what happened; it knows nothing about HTTP.

GatewayError
├── RequestError                     the client's fault, nothing to retry
│   ├── InvalidRequestError
│   ├── AuthenticationError
│   ├── PermissionDeniedError
│   ├── NotFoundError                a path or an object that is not there
│   ├── ConflictError                something is there already
│   ├── MethodNotAllowedError
│   ├── ModelNotFoundError
│   ├── RateLimitExceededError       this key's own limit
│   ├── RequestTimeoutError          the body did not come in time
│   └── BodyTooLargeError
├── NoAccountAvailableError          the pool has nothing to give now
├── UpstreamError
│   ├── UpstreamRejectedError        the upstream refused this request         scope REQUEST
│   ├── ContentRejectedError         its content rules refused it              scope REQUEST
│   ├── UpstreamRateLimitError                                                 scope ACCOUNT
│   ├── CredentialRejectedError      the session is dead                       scope ACCOUNT
│   ├── AccountForbiddenError        blocked, or not entitled to this          scope ACCOUNT
│   ├── EgressBlockedError           challenge page: the way out is refused    scope EGRESS
│   ├── AntiBotError                 the site's own rule, not the account      scope EGRESS
│   ├── UpstreamTimeoutError                                                   scope UPSTREAM
│   ├── UpstreamUnavailableError         EGRESS if there was no connection     scope UPSTREAM
│   └── UpstreamProtocolError        bytes we do not understand, or too few    scope UPSTREAM
├── StoreUnavailableError
├── MediaStoreError                  a picture or video cannot be kept or read now
│   └── MediaTooLargeError           nor ever
├── ShuttingDownError                this worker is about to stop
├── InternalError                    our own fault
└── SettingsError                    a setting, file or folder we cannot work with
"""

from enum import StrEnum
from typing import ClassVar

from grok2api.error_kinds import ErrorKind, LimitExtent, LimitsLeft


class Scope(StrEnum):
    """Whose fault it is."""

    REQUEST = "request"
    ACCOUNT = "account"
    EGRESS = "egress"
    UPSTREAM = "upstream"
    GATEWAY = "gateway"


class GatewayError(Exception):
    """Anything that can go wrong and has an owner.

    `message` may be shown to any client. `detail` is for the log only; it is already free of
    secrets. `retry_after_s` is when trying again makes sense, where that is known.
    """

    kind: ClassVar[ErrorKind] = ErrorKind.INTERNAL
    scope: Scope = Scope.GATEWAY

    def __init__(
        self, message: str, *, detail: str = "", retry_after_s: float | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail
        self.retry_after_s = retry_after_s


class RequestError(GatewayError):
    """The client's fault; nothing to retry. `param` names the field as the client spells it."""

    kind = ErrorKind.INVALID_REQUEST
    scope = Scope.REQUEST

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message, retry_after_s=retry_after_s)
        self.param = param
        self.code = code


class InvalidRequestError(RequestError):
    """The request does not make sense as it stands."""


class AuthenticationError(RequestError):
    """No key, or a wrong one."""

    kind = ErrorKind.AUTHENTICATION


class PermissionDeniedError(RequestError):
    """The key is good but not for this."""

    kind = ErrorKind.PERMISSION_DENIED


class NotFoundError(RequestError):
    """There is nothing at this path."""

    kind = ErrorKind.NOT_FOUND


class ConflictError(RequestError):
    """What is there already stands in the way."""

    kind = ErrorKind.CONFLICT


class MethodNotAllowedError(RequestError):
    """The path exists, the method does not."""

    kind = ErrorKind.METHOD_NOT_ALLOWED


class ModelNotFoundError(RequestError):
    """No such model."""

    kind = ErrorKind.MODEL_NOT_FOUND


class RateLimitExceededError(RequestError):
    """This client key's own limit. `limits` are those that the answer's headers tell."""

    kind = ErrorKind.RATE_LIMIT_EXCEEDED

    limits: LimitsLeft | None = None


class RequestTimeoutError(RequestError):
    """The client did not send its request in time."""

    kind = ErrorKind.REQUEST_TIMEOUT


class BodyTooLargeError(RequestError):
    """The request body is larger than allowed."""

    kind = ErrorKind.BODY_TOO_LARGE


class NoAccountAvailableError(GatewayError):
    """No account can serve this now."""

    kind = ErrorKind.NO_ACCOUNT_AVAILABLE


class UpstreamError(GatewayError):
    """The upstream failed or refused.

    `status` is its HTTP status, or None where there was none. `code` refines the kind for the
    client (such as `upstream_stream_empty`). `is_final`: no account would fare better.
    `was_sent` is False where the request cannot have reached the upstream. `may_be_running`: what
    was asked for may be under way there although this failed.
    """

    kind = ErrorKind.UPSTREAM_UNAVAILABLE
    scope = Scope.UPSTREAM
    is_final = False
    was_sent = True
    may_be_running = False

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        detail: str = "",
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message, detail=detail, retry_after_s=retry_after_s)
        self.status = status
        self.code = code


class UpstreamRejectedError(UpstreamError):
    """The upstream finds this request at fault; another account would too."""

    kind = ErrorKind.UPSTREAM_REJECTED
    scope = Scope.REQUEST


class ContentRejectedError(UpstreamError):
    """The upstream's content rules refuse the prompt or its pictures."""

    kind = ErrorKind.CONTENT_REJECTED
    scope = Scope.REQUEST


class UpstreamRateLimitError(UpstreamError):
    """The upstream limits this account now, or its quota is used up; `extent` says which."""

    kind = ErrorKind.UPSTREAM_RATE_LIMIT
    scope = Scope.ACCOUNT
    extent = LimitExtent.RATE


class CredentialRejectedError(UpstreamError):
    """The upstream no longer accepts this session.

    `is_confirmed` is True when the answer carried a marker that leaves no doubt.
    """

    kind = ErrorKind.CREDENTIAL_REJECTED
    scope = Scope.ACCOUNT

    def __init__(
        self, message: str, *, is_confirmed: bool, status: int | None = None, detail: str = ""
    ) -> None:
        super().__init__(message, status=status, code="upstream_unauthorized", detail=detail)
        self.is_confirmed = is_confirmed


class AccountForbiddenError(UpstreamError):
    """The account is blocked, or may not use this product.

    `is_blocked` is True when the upstream has blocked the account for good.
    """

    kind = ErrorKind.ACCOUNT_FORBIDDEN
    scope = Scope.ACCOUNT

    def __init__(
        self, message: str, *, is_blocked: bool, status: int | None = None, detail: str = ""
    ) -> None:
        super().__init__(message, status=status, code="upstream_forbidden", detail=detail)
        self.is_blocked = is_blocked


class EgressBlockedError(UpstreamError):
    """A challenge page or an empty refusal: the way out is at fault, not the account."""

    kind = ErrorKind.EGRESS_BLOCKED
    scope = Scope.EGRESS


class AntiBotError(UpstreamError):
    """The site's anti-bot rule refused signature or browser profile, not the account."""

    kind = ErrorKind.ANTI_BOT
    scope = Scope.EGRESS


class UpstreamTimeoutError(UpstreamError):
    """The upstream was silent for too long. `code` names the phase."""

    kind = ErrorKind.UPSTREAM_TIMEOUT


class UpstreamUnavailableError(UpstreamError):
    """Connection failed or broke, or the upstream is in trouble (5xx).

    Where no connection came about, the way out is at fault: its `scope` is EGRESS then.
    """


class UpstreamProtocolError(UpstreamError):
    """The upstream sent bytes we do not understand, or ended too early."""

    kind = ErrorKind.UPSTREAM_PROTOCOL


class StoreUnavailableError(GatewayError):
    """Redis did not answer, or cannot write."""

    kind = ErrorKind.STORE_UNAVAILABLE


class MediaStoreError(GatewayError):
    """The object store does not answer, or is full."""

    kind = ErrorKind.MEDIA_STORE


class MediaTooLargeError(MediaStoreError):
    """What is to be kept is larger than may be."""


class ShuttingDownError(GatewayError):
    """This worker is draining; another one will take the request."""

    kind = ErrorKind.SHUTTING_DOWN


class InternalError(GatewayError):
    """Our own fault."""


class SettingsError(GatewayError):
    """A setting, file or folder we cannot work with; the message says how to mend it."""

    kind = ErrorKind.SETTINGS
