"""Spans: none and no library without an endpoint; with one, a collector gets them."""

import subprocess
import sys

import pytest

from grok2api.telemetry.tracing import NO_SPAN, begin_span, enter_request, open_tracing

WITHOUT = """
import sys
import grok2api.app
from grok2api.telemetry.tracing import open_tracing
assert open_tracing("") is None
heavy = ("opentelemetry.sdk.trace", "opentelemetry.exporter", "requests", "google.protobuf")
loaded = [name for name in sys.modules if name.startswith((*heavy, "grok2api.telemetry.otel"))]
assert loaded == [], loaded
"""


def test_without_an_endpoint_nothing_of_it_is_loaded() -> None:
    subprocess.run([sys.executable, "-c", WITHOUT], check=True, timeout=60)


def test_outside_a_traced_request_there_are_no_spans() -> None:
    enter_request(None)

    assert begin_span("acquire", {"a": 1}) is NO_SPAN


def test_an_endpoint_without_the_library_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "grok2api.telemetry.otel", None)

    assert open_tracing("http://127.0.0.1:1") is None
