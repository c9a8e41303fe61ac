"""Metrics of one process and of many."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from grok2api.telemetry.metrics import Metrics, ServedRequest, open_metrics

WORKER = """
import sys, time
from pathlib import Path
from grok2api.telemetry.metrics import ServedRequest, open_metrics
metrics = open_metrics(Path(sys.argv[1]), models={"grok-a": "chat"})
for _ in range(10):
    metrics.request_started()
    metrics.request_ended(ServedRequest(route="/v1/x", method="POST", dialect="openai",
        model="grok-a", status=200, error="", duration_s=0.1, first_token_s=0.2))
metrics.request_started()
print("up", flush=True)
time.sleep(60)
"""


def served(**changes: object) -> ServedRequest:
    facts: dict[str, object] = {
        "route": "/v1/chat/completions",
        "method": "POST",
        "dialect": "openai",
        "model": "grok-a",
        "status": 200,
        "error": "",
        "duration_s": 0.5,
    }
    return ServedRequest(**(facts | changes))  # type: ignore[arg-type]


def value(text: str, beginning: str) -> float:
    return sum(
        float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(beginning)
    )


@pytest.fixture
def metrics() -> Metrics:
    return open_metrics(None, models={"grok-a": "chat"})


def test_a_request_is_in_flight_until_it_ends(metrics: Metrics) -> None:
    metrics.request_started()
    metrics.request_started()
    metrics.request_ended(served())

    assert value(metrics.render().decode(), "g2a_requests_in_flight ") == 1


def test_a_served_stream_counts_time_and_tokens(metrics: Metrics) -> None:
    metrics.request_started()
    metrics.request_ended(served(first_token_s=0.3, input_tokens=7, output_tokens=20))

    text = metrics.render().decode()
    assert 'status="2xx"' in text
    assert value(text, "gen_ai_server_time_to_first_token_seconds_count") == 1
    assert value(text, "gen_ai_client_token_usage_sum") == 27


def test_a_model_name_from_a_client_does_not_become_a_label(metrics: Metrics) -> None:
    metrics.request_started()
    metrics.request_ended(served(model="evil-name"))

    text = metrics.render().decode()
    assert "evil-name" not in text
    assert 'model="other"' in text


def test_attempts_leases_and_store_errors_are_counted(metrics: Metrics) -> None:
    metrics.attempt_ended("chat", "ok", "", 0.5)
    metrics.lease_taken()
    metrics.lease_taken()
    metrics.lease_ended()
    metrics.store_failed()

    text = metrics.render().decode()
    assert value(text, "g2a_upstream_attempts_total{") == 1
    assert value(text, "g2a_account_leases ") == 1
    assert value(text, "g2a_redis_errors_total ") == 1


@contextmanager
def two_workers(directory: Path) -> Iterator[None]:
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, str(directory)], stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    try:
        for worker in workers:
            assert worker.stdout is not None
            assert worker.stdout.readline() == "up\n"
        yield
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()


def test_killed_workers_lose_no_count_and_leave_no_ghosts(tmp_path: Path) -> None:
    for _ in range(2):
        with two_workers(tmp_path):
            pass
    with two_workers(tmp_path):
        text = Metrics(tmp_path).render().decode()

    assert value(text, "g2a_requests_total") == 60
    assert value(text, "gen_ai_server_time_to_first_token_seconds_count") == 60
    assert value(text, "g2a_requests_in_flight ") == 2
    assert len(list(tmp_path.glob("*.db"))) <= 6
