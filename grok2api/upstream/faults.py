"""What curl's result codes mean to us, in words that hold no secret."""

from curl_cffi import CurlECode

from grok2api.errors import (
    InternalError,
    Scope,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamTimeoutError,
    UpstreamUnavailableError,
)

_BEFORE_SENDING = frozenset(
    {
        CurlECode.COULDNT_RESOLVE_PROXY,
        CurlECode.COULDNT_RESOLVE_HOST,
        CurlECode.COULDNT_CONNECT,
        CurlECode.SSL_CONNECT_ERROR,
        CurlECode.PEER_FAILED_VERIFICATION,
        CurlECode.PROXY,
    }
)


def describe(code: int) -> str:
    """Name a curl code. curl's own text is left out: it may quote the proxy or the URL."""
    try:
        return f"curl {code} {CurlECode(code).name}"
    except ValueError:
        return f"curl {code}"


def no_connection(detail: str) -> UpstreamUnavailableError:
    """No answer came: name, route, TLS or proxy failed, or the peer hung up before its headers."""
    error = UpstreamUnavailableError(
        "The upstream could not be reached.", code="upstream_network_error", detail=detail
    )
    error.scope = Scope.EGRESS
    return error


def connect_timeout(seconds: float) -> UpstreamTimeoutError:
    """No connection within the connect deadline."""
    error = UpstreamTimeoutError(
        "Connecting to the upstream took too long.",
        code="upstream_connect_timeout",
        detail=f"no connection after {seconds:g} s",
    )
    error.was_sent = False
    return error


def header_timeout(seconds: float) -> UpstreamTimeoutError:
    """A connection, but no answer within the header deadline."""
    return UpstreamTimeoutError(
        "The upstream did not answer in time.",
        code="upstream_header_timeout",
        detail=f"no headers after {seconds:g} s",
    )


def idle_timeout(seconds: float) -> UpstreamTimeoutError:
    """The stream went silent."""
    return UpstreamTimeoutError(
        "The upstream went silent in the middle of its answer.",
        code="upstream_stream_idle_timeout",
        detail=f"silent for {seconds:g} s",
    )


def write_timeout(seconds: float) -> UpstreamTimeoutError:
    """The peer did not take what we sent."""
    return UpstreamTimeoutError(
        "The upstream does not take our message.",
        code="upstream_write_timeout",
        detail=f"blocked for {seconds:g} s",
    )


def truncated(detail: str) -> UpstreamUnavailableError:
    """The connection broke in the middle of an answer."""
    return UpstreamUnavailableError(
        "The upstream broke off its answer.", code="upstream_stream_truncated", detail=detail
    )


def exhausted(limit: int, seconds: float) -> UpstreamUnavailableError:
    """All connections this worker may have are in use."""
    error = UpstreamUnavailableError(
        "Too many upstream connections are open.",
        code="upstream_connections_exhausted",
        detail=f"all {limit} connections were in use for {seconds:g} s",
        retry_after_s=1.0,
    )
    error.was_sent = False
    return error


def protocol(detail: str) -> UpstreamProtocolError:
    """Bytes that break the protocol."""
    return UpstreamProtocolError(
        "The upstream sent something we do not understand.",
        code="upstream_protocol_error",
        detail=detail,
    )


def too_large(detail: str) -> UpstreamProtocolError:
    """A message or an answer beyond our limit; asking again would bring it again."""
    error = UpstreamProtocolError(
        "The upstream sent a message that is too large.",
        code="upstream_frame_too_large",
        detail=detail,
    )
    error.is_final = True
    return error


def unsendable(detail: str) -> InternalError:
    """A request that must not be sent as it stands."""
    return InternalError("The request to the upstream could not be built.", detail=detail)


def from_curl(code: int, *, has_head: bool, connect_s: float) -> UpstreamError:
    """Translate the result of a failed transfer. `has_head`: the headers had come."""
    if code == CurlECode.TOO_LARGE:
        return too_large(describe(code))
    if code == CurlECode.BAD_CONTENT_ENCODING:
        return protocol(describe(code))
    if has_head:
        return truncated(describe(code))
    if code == CurlECode.OPERATION_TIMEDOUT:
        return connect_timeout(connect_s)
    error = no_connection(describe(code))
    error.was_sent = code not in _BEFORE_SENDING
    return error
