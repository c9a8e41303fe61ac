"""Metrics of one process and of many."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from grok2api.telemetry.metrics import Metrics, ServedRequest, open_metrics

WORKER = """
import sys, time
from pathlib import Path
from grok2api.telemetry.metrics import ServedRequest, open_metrics
metrics = open_metrics(Path(sys.argv[1]), models={"grok-a": "chat"})
for _ in range(10):
    metrics.request_started()
    served = ServedRequest(route="/v1/x", method="POST", dialect="openai",
        model="grok-a", status=200, error="", duration_s=0.1, first_token_s=0.2)
    metrics.request_ended(served)
    metrics.answer_ended(served)
metrics.request_started()
print("up", flush=True)
time.sleep(60)
"""

BUSY = """
while True:
    metrics.request_started()
    metrics.request_ended(served)
    metrics.answer_ended(served)
    metrics.attempt_ended("chat", "ok", "", 0.1)
    metrics.store_called("PING", 0.001, has_failed=True)
"""

ON_A_FULL_DISK = """
import resource, sys
from pathlib import Path
from grok2api.telemetry.metrics import ServedRequest, open_metrics
def allow(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
def count(times):
    for number in range(times):
        metrics.request_ended(ServedRequest(route=f"/v1/{number}", method="POST", dialect="openai",
            model="grok-a", status=200, error="", duration_s=0.1))
allow(int(sys.argv[2]))
metrics = open_metrics(Path(sys.argv[1]), models={"grok-a": "chat"})
count(2000)
print(len(metrics.render()), flush=True)
allow(resource.RLIM_INFINITY)
count(2000)
"""


TIMED = ("request_duration", "time_to_first_token")


def totals(text: str) -> dict[str, float]:
    """Return all that may only grow, by name and labels."""
    return {
        f"{sample.name} {sorted(sample.labels.items())}": sample.value
        for family in text_string_to_metric_families(text)
        if family.type in {"counter", "histogram"}
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


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


def end(metrics: Metrics, served: ServedRequest) -> None:
    metrics.request_started()
    metrics.request_ended(served)
    metrics.answer_ended(served)


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
    end(metrics, served(first_token_s=0.3, input_tokens=7, output_tokens=20))

    text = metrics.render().decode()
    for name in ("g2a_requests_total", *(f"gen_ai_server_{what}_seconds_count" for what in TIMED)):
        [line] = [line for line in text.splitlines() if line.startswith(name)]
        assert line.endswith(" 1.0")
        for label in ('route="/v1/chat/completions"', 'dialect="openai"', 'status="2xx"'):
            assert label in line
        assert 'model="grok-a"' in line
    assert value(text, "gen_ai_client_token_usage_sum") == 27


def test_a_model_name_from_a_client_does_not_become_a_label(metrics: Metrics) -> None:
    end(metrics, served(model="evil-name"))

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


def start(program: str, directory: Path) -> subprocess.Popen[str]:
    worker = subprocess.Popen(
        [sys.executable, "-c", program, str(directory)], stdout=subprocess.PIPE, text=True
    )
    assert worker.stdout is not None
    assert worker.stdout.readline() == "up\n"
    return worker


def test_what_makes_pictures_is_an_operation_of_its_own() -> None:
    metrics = open_metrics(None, models={"grok-a": "chat", "grok-i": "image_generation"})
    for model in ("grok-a", "grok-i", "grok-i"):
        end(metrics, served(model=model))
    metrics.attempt_ended("image_generation", "ok", "", 2.0)
    metrics.account_awaited("image_generation", 0.2)

    text = metrics.render().decode()
    operation = 'gen_ai_operation_name="image_generation"'
    for name, count in (
        ("gen_ai_server_request_duration_seconds_count", 2),
        ("gen_ai_client_operation_duration_seconds_count", 1),
        ("g2a_account_wait_seconds_count", 1),
    ):
        found = [line for line in text.splitlines() if line.startswith(name) and operation in line]
        assert [float(line.rsplit(" ", 1)[1]) for line in found] == [count]


def test_calls_of_the_store_are_timed_and_failures_counted(metrics: Metrics) -> None:
    metrics.store_called("account/acquire", 0.003, has_failed=False)
    metrics.store_called("account/acquire", 2.5, has_failed=True)

    text = metrics.render().decode()
    call = '{call="account/acquire"}'
    assert value(text, f"g2a_store_call_duration_seconds_count{call}") == 2
    assert value(text, f"g2a_store_call_errors_total{call}") == 1
    assert 'g2a_store_call_duration_seconds_bucket{call="account/acquire",le="0.005"} 1.0' in text


def test_the_version_is_told_by_every_worker_alike(metrics: Metrics, tmp_path: Path) -> None:
    alone = metrics.render().decode()
    joined = Metrics(tmp_path).render().decode()

    lines = {line for line in alone.splitlines() if line.startswith("g2a_build_info")}
    assert len(lines) == 1
    assert lines <= set(joined.splitlines())


@contextmanager
def two_workers(directory: Path) -> Iterator[None]:
    workers = [start(WORKER, directory) for _ in range(2)]
    try:
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
        with two_workers(tmp_path):
            assert value(Metrics(tmp_path).render().decode(), "g2a_requests_in_flight ") == 4
    left = Metrics(tmp_path).render().decode()

    assert value(text, "g2a_requests_total") == 60
    assert value(text, "gen_ai_server_time_to_first_token_seconds_count") == 60
    assert value(text, "g2a_requests_in_flight ") == 2
    assert value(left, "g2a_requests_total") == 80
    assert value(left, "g2a_requests_in_flight") == 0
    assert len(list(tmp_path.glob("*.db"))) <= 12


def test_no_counter_falls_while_workers_are_killed_and_replaced(tmp_path: Path) -> None:
    busy = WORKER.replace("time.sleep(60)", BUSY)
    workers = [start(busy, tmp_path) for _ in range(2)]
    seen: dict[str, float] = {}
    try:
        for _ in range(6):
            workers[0].kill()  # while it writes
            for _ in range(5):
                now = totals(Metrics(tmp_path).render().decode())
                assert {name for name, old in seen.items() if now.get(name, 0) < old} == set()
                seen = now
            workers[0].communicate()
            workers = [*workers[1:], start(busy, tmp_path)]
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()

    assert seen
    assert len(list(tmp_path.glob("*.db"))) <= 3 * 4  # three slots at most: two run, one starts


def test_numbers_are_written_into_room_that_the_disk_has_given(tmp_path: Path) -> None:
    """To write into a hole of a mapped file kills the process where the disk is full."""
    with two_workers(tmp_path):
        files = [path.stat() for path in tmp_path.glob("*.db")]

    assert files
    assert [file for file in files if file.st_blocks * 512 < file.st_size] == []


@pytest.mark.parametrize("room", [4096, 65_536])
def test_full_disk_hides_numbers_and_loses_none(tmp_path: Path, room: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ON_A_FULL_DISK, str(tmp_path), str(room)],
        capture_output=True,
        text=True,
        check=True,
    )

    assert int(done.stdout) > 0
    assert max(path.stat().st_size for path in tmp_path.glob("*.db")) > room
    found = totals(Metrics(tmp_path).render().decode())
    counts = [found[name] for name in found if name.startswith("g2a_requests_total ")]
    assert counts == [2] * 2000
