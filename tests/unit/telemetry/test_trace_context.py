"""The header of W3C trace context."""

import pytest
from hypothesis import given, strategies as st

from grok2api.telemetry.trace_context import TraceParent, parse_traceparent

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def test_a_valid_header_names_trace_and_span() -> None:
    assert parse_traceparent(f"00-{TRACE}-{SPAN}-01") == TraceParent(TRACE, SPAN, is_sampled=True)
    assert parse_traceparent(f" 00-{TRACE}-{SPAN}-00 ") == TraceParent(
        TRACE, SPAN, is_sampled=False
    )


def test_a_later_version_may_say_more() -> None:
    assert parse_traceparent(f"01-{TRACE}-{SPAN}-01-more") is not None


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}-01\nx",
    ],
)
def test_what_is_not_valid_does_not_count(text: str) -> None:
    assert parse_traceparent(text) is None


@given(st.text())
def test_no_header_breaks_it(text: str) -> None:
    parse_traceparent(text)
