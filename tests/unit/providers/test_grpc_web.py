"""gRPC-web: frames, their text form, trailers, and what a status means."""

import base64
from contextlib import suppress

import pytest
from hypothesis import example, given, strategies as st

from grok2api.errors import (
    AccountForbiddenError,
    AntiBotError,
    CredentialRejectedError,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamRateLimitError,
    UpstreamTimeoutError,
    UpstreamUnavailableError,
)
from grok2api.providers.grok_web.codec import grpc_web

NOW_S = 1_767_225_600.0
OK_TRAILER = bytes.fromhex("80 00000010 677270632d7374617475733a20300d0a")


def trailer(text: str) -> bytes:
    payload = text.encode()
    return b"\x80" + len(payload).to_bytes(4) + payload


def failed(status: int, message: str = "") -> bytes:
    return trailer(f"grpc-status:{status}\r\ngrpc-message:{message}\r\n")


def refusal(body: bytes, headers: dict[str, str] | None = None) -> UpstreamError:
    with pytest.raises(UpstreamError) as caught:
        grpc_web.expect_message(body, headers or {}, now_s=NOW_S)
    return caught.value


def test_an_empty_message_is_five_zeros() -> None:
    assert grpc_web.frame(b"") == bytes(5)


@given(st.binary(max_size=400))
def test_a_framed_message_comes_back(message: bytes) -> None:
    reply = grpc_web.parse_reply(grpc_web.frame(message) + OK_TRAILER, {})

    assert reply == grpc_web.GrpcReply((message,), 0)


@given(st.binary(max_size=100), st.integers(min_value=1, max_value=40))
def test_the_text_form_says_the_same_in_pieces_of_any_size(message: bytes, size: int) -> None:
    body = grpc_web.frame(message) + OK_TRAILER
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    text = b"".join(map(base64.b64encode, pieces))

    assert grpc_web.parse_reply(text, {}) == grpc_web.parse_reply(body, {})


@given(st.binary(max_size=100), st.integers(min_value=0, max_value=130))
def test_an_answer_that_is_cut_short_is_an_error_or_one_without_its_end(
    message: bytes, at: int
) -> None:
    data = grpc_web.frame(message)
    cut = (data + OK_TRAILER)[:at]

    if at in {0, len(data)} or at >= len(data) + len(OK_TRAILER):
        assert grpc_web.parse_reply(cut, {}).status in {0, None}
    else:
        with pytest.raises(UpstreamProtocolError):
            grpc_web.parse_reply(cut, {})


@given(st.binary(max_size=60), st.sampled_from(["", "application/grpc-web-text"]))
@example(b"A", "")
@example(b"A===", "")
@example(b"AAAA\n", "application/grpc-web-text")
def test_garbage_is_a_reply_or_an_error_of_the_protocol(body: bytes, kind: str) -> None:
    with suppress(UpstreamProtocolError):
        assert isinstance(grpc_web.parse_reply(body, {"content-type": kind}), grpc_web.GrpcReply)


@pytest.mark.parametrize(
    "body",
    [
        b"\x01" + bytes(4),
        b"\x81" + bytes(4),
        b"\x02" + bytes(4),
        trailer("grpc-status: ok\r\n"),
        trailer("grpc-status: 99999\r\n"),
        trailer("grpc-status: -1\r\n"),
    ],
    ids=["compressed", "compressed trailer", "unknown flags", "word", "long", "negative"],
)
def test_what_the_protocol_does_not_have_is_an_error(body: bytes) -> None:
    assert isinstance(refusal(body), UpstreamProtocolError)


def test_text_that_is_none_is_an_error() -> None:
    headers = {"content-type": "application/grpc-web-text+proto"}

    assert isinstance(refusal(b"\x00\x00", headers), UpstreamProtocolError)


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (OK_TRAILER, {}),
        (bytes(5) + OK_TRAILER, {}),
        (trailer("GRPC-Status :0\ngrpc-message : OK"), {}),
        (b"", {"grpc-status": "0"}),
        (b"", {}),
        (bytes(5), {}),
        (OK_TRAILER, {"grpc-status": "16"}),
    ],
    ids=["trailer", "empty message", "bare lines", "header", "nothing", "no status", "both"],
)
def test_these_are_successes_without_a_message(body: bytes, headers: dict[str, str]) -> None:
    assert grpc_web.expect_message(body, headers, now_s=NOW_S) == b""


def test_a_status_in_the_headers_counts_without_a_trailer() -> None:
    error = refusal(b"", {"grpc-status": "16", "grpc-message": "no%20session"})

    assert isinstance(error, CredentialRejectedError)
    assert "no session" in error.detail


@pytest.mark.parametrize(
    ("status", "message", "expected"),
    [
        (16, "", CredentialRejectedError),
        (7, "", UpstreamUnavailableError),
        (7, "User is blocked [WKE=unauthorized:blocked-user]", AccountForbiddenError),
        (7, "Access denied.", AccountForbiddenError),
        (7, "Request rejected by anti-bot rules.", AntiBotError),
        (8, "Too many requests", UpstreamRateLimitError),
        (4, "", UpstreamTimeoutError),
        (14, "", UpstreamUnavailableError),
        (13, "Internal", UpstreamUnavailableError),
        (2, "", UpstreamUnavailableError),
    ],
)
def test_a_status_means_what_its_http_equivalent_means(
    status: int, message: str, expected: type[UpstreamError]
) -> None:
    assert type(refusal(failed(status, message))) is expected


def test_only_a_marker_confirms_that_a_session_is_dead() -> None:
    bare = refusal(failed(16))
    marked = refusal(failed(16, "Failed%20to%20look%20up%20session%20ID"))

    assert isinstance(bare, CredentialRejectedError)
    assert isinstance(marked, CredentialRejectedError)
    assert (bare.is_confirmed, marked.is_confirmed) == (False, True)


def test_a_block_is_told_as_one() -> None:
    error = refusal(failed(7, "user is blocked"))

    assert isinstance(error, AccountForbiddenError)
    assert error.is_blocked
