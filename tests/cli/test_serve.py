"""`serve` and `demo` keep their processes together, from the first start to a hard end."""

import http.client
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import psutil
import pytest

from tests.cli.service import Run, Service, Start, free_port, is_gone

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


def wait_until(is_true: Callable[[], object], what: str, *, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not is_true():
        if time.monotonic() > deadline:
            pytest.fail(f"{what} did not happen within {seconds:g} s")
        time.sleep(0.05)


def status_of(port: int, path: str = "/readyz", key: str = "") -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {key}"} if key else {})
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def wait_ready(service: Service, port: int) -> None:
    def is_ready() -> bool:
        assert service.process.poll() is None, service.said
        return status_of(port) == 200

    wait_until(is_ready, "start")


def test_first_start_prints_a_key_that_works_and_a_stop_leaves_nobody(start: Start) -> None:
    port = free_port()
    service = start("serve", "--port", str(port))
    wait_ready(service, port)
    family = service.family()

    wait_until(lambda: f"ready: http://127.0.0.1:{port}/v1" in service.said, "greeting")
    key = re.findall(r"client key +(sk-\S+)", service.said)
    accepted = status_of(port, "/v1/models", key[0])
    code = service.end(signal.SIGTERM)

    assert accepted == 200
    assert status_of(port, "/v1/models", "sk-wrong") == 0
    assert code == 0
    assert len(family) == 6  # supervisor, store, gunicorn, two workers, maintenance
    assert [p for p in family if not is_gone(p)] == []


def test_second_start_prints_no_credentials_and_keeps_the_keys(start: Start, run: Run) -> None:
    port = free_port()
    first = start("serve", "--port", str(port))
    wait_ready(first, port)
    run("keys", "create", "laptop")
    first.end()
    before = len(first.said)

    second = start("serve", "--port", str(port))
    wait_ready(second, port)

    assert "sk-" not in second.said[before:]
    assert "laptop" in run("keys", "list").stdout
    assert second.end() == 0


def test_start_after_kill_of_everything_keeps_the_data(start: Start, run: Run) -> None:
    port = free_port()
    first = start("serve", "--port", str(port))
    wait_ready(first, port)
    run("keys", "create", "laptop")
    for process in first.family():
        process.kill()
    first.process.wait(10)

    second = start("serve", "--port", str(port))
    wait_ready(second, port)

    assert "laptop" in run("keys", "list").stdout
    assert second.end() == 0


def test_killed_supervisor_takes_gunicorn_along_and_the_next_start_takes_over(
    start: Start, run: Run
) -> None:
    port = free_port()
    first = start("serve", "--port", str(port))
    wait_ready(first, port)
    run("keys", "create", "laptop")
    gunicorn, workers = first.child("gunicorn"), first.child("gunicorn").children()
    store = first.child("--unixsocket")
    first.process.kill()
    first.process.wait(10)

    second = start("serve", "--port", str(port))
    wait_until(lambda: all(map(is_gone, [gunicorn, *workers])), "end of the old gunicorn")
    wait_ready(second, port)

    assert store.is_running(), "the running store is taken over, not started again"
    assert "laptop" in run("keys", "list").stdout
    assert second.end() == 0
    assert is_gone(store)


def test_killed_gunicorn_takes_its_workers_along_and_ends_the_service(start: Start) -> None:
    port = free_port()
    service = start("serve", "--port", str(port))
    wait_ready(service, port)
    family = service.family()

    service.child("gunicorn").kill()

    assert service.process.wait(30) == 128 + signal.SIGKILL
    assert "gunicorn ended by itself with exit code 137" in service.said
    assert [p for p in family if not is_gone(p)] == []


def test_killed_store_comes_back_with_its_data(start: Start, run: Run) -> None:
    port = free_port()
    service = start("serve", "--port", str(port))
    wait_ready(service, port)
    run("keys", "create", "laptop")

    service.child("--unixsocket").kill()
    wait_until(lambda: "it runs again" in service.said, "return of the store")

    wait_until(lambda: status_of(port) == 200, "readiness")
    assert "laptop" in run("keys", "list").stdout
    assert service.end() == 0


def test_second_ctrl_c_hurries(start: Start) -> None:
    port = free_port()
    service = start("serve", "--port", str(port), GROK_SERVER_GRACEFUL_TIMEOUT_S="600")
    wait_ready(service, port)
    stuck = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    stuck.putrequest("POST", "/v1/chat/completions")
    stuck.putheader("Content-Length", "100")
    stuck.endheaders(b"{")

    service.process.send_signal(signal.SIGINT)
    wait_until(lambda: "Ctrl-C to hurry" in service.said, "first stop")
    time.sleep(0.5)
    service.process.send_signal(signal.SIGINT)

    assert service.process.wait(20) is not None
    stuck.close()


def test_second_service_on_one_folder_is_refused(start: Start, run: Run) -> None:
    port = free_port()
    service = start("serve", "--port", str(port))
    wait_ready(service, port)

    done = run("serve", "--port", str(free_port()))

    assert done.returncode == 2
    assert f"already runs on it (process {service.process.pid})" in done.stderr
    assert service.end() == 0


def test_doctor_recognises_the_running_gateway(start: Start, run: Run) -> None:
    port = free_port()
    service = start("serve", "--port", str(port))
    wait_ready(service, port)

    done = run("doctor", "--port", str(port))

    assert f"✓ port: the gateway answers at http://127.0.0.1:{port}" in done.stdout
    assert "✓ client keys: 1 stored" in done.stdout
    assert service.end() == 0


def test_service_uses_the_given_store_and_starts_none(
    start: Start, redis_url: str, tmp_path: Path
) -> None:
    port = free_port()
    service = start("serve", "--port", str(port), "--workers", "1", ACCOUNT_REDIS_URL=redis_url)
    wait_ready(service, port)

    assert len(service.family()) == 4  # supervisor, gunicorn, one worker, maintenance
    assert not (tmp_path / "data" / "store").exists()
    assert service.end() == 0


def test_demo_prints_a_line_that_works_and_ends_whole(start: Start) -> None:
    port = free_port()
    demo = start("demo", "--port", str(port), "--workers", "1")
    wait_until(lambda: "Ctrl-C ends it." in demo.said, "greeting")
    family = demo.family()

    command = re.search(r"curl -N .*?\n\n", demo.said, re.DOTALL)
    password = re.search(r"password  (\S+)", demo.said)
    look = re.search(r"\S+ -m grok2api log .*", demo.said)
    assert command is not None
    assert password is not None
    assert look is not None
    answer = subprocess.run(
        ["/bin/sh", "-c", command[0]], capture_output=True, text=True, timeout=60, check=True
    )
    verified = status_of(port, "/admin/api/verify", password[1])
    log = subprocess.run(
        ["/bin/sh", "-c", look[0]], capture_output=True, text=True, timeout=60, check=True
    )
    code = demo.end(signal.SIGINT)

    assert answer.stdout.startswith("data: {")
    assert answer.stdout.rstrip().endswith("data: [DONE]")
    assert '"error"' not in answer.stdout
    assert verified == 200
    assert "grok-chat-fast" in log.stdout
    assert code == 0
    assert [p for p in family if not is_gone(p)] == []


def test_printed_python_of_the_demo_works(start: Start) -> None:
    port = free_port()
    demo = start("demo", "--port", str(port), "--workers", "1")
    wait_until(lambda: "Ctrl-C ends it." in demo.said, "greeting")

    program = re.search(r"  from openai.*?\n\n", demo.said, re.DOTALL)
    assert program is not None
    code = "\n".join(line.removeprefix("  ") for line in program[0].splitlines())
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 0, done.stderr
    assert len(done.stdout) > 20
    assert demo.end() == 0


def test_demo_leaves_the_operators_own_settings_alone(start: Start, tmp_path: Path) -> None:
    port = free_port()
    demo = start(
        "demo",
        "--port",
        str(port),
        "--workers",
        "1",
        DATA_DIR=str(tmp_path / "real"),
        REDIS_URL="redis://127.0.0.1:1",
        GROK_PROXY_URL="http://127.0.0.1:1",
    )
    wait_until(lambda: "Ctrl-C ends it." in demo.said, "greeting")

    assert not (tmp_path / "real").exists()
    assert (tmp_path / "data" / "demo" / "secret.key").exists()
    assert demo.end() == 0


def test_demo_moves_to_a_free_port_unless_one_was_asked_for(start: Start, run: Run) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]

        demo = start("demo", "--workers", "1", SERVER_PORT=str(taken))
        wait_until(lambda: "Ctrl-C ends it." in demo.said, "greeting")
        refused = run("demo", "--port", str(taken), "--data-dir", "other")

    assert f"The demo runs: http://127.0.0.1:{taken}" not in demo.said
    assert demo.end() == 0
    assert refused.returncode == 2
    assert f"cannot listen on 127.0.0.1 port {taken}" in refused.stderr


def test_simulator_of_a_killed_demo_ends(start: Start) -> None:
    port = free_port()
    demo = start("demo", "--port", str(port), "--workers", "1")
    wait_until(lambda: "Ctrl-C ends it." in demo.said, "greeting")
    family = demo.family()
    store = demo.child("--unixsocket")

    demo.process.kill()
    demo.process.wait(10)

    others = [p for p in family if p != store]
    wait_until(lambda: all(map(is_gone, others)), "end of simulator and gunicorn")
    assert others
    store.kill()


def test_listed_accounts_of_the_demo_are_of_every_tier(start: Start, run: Run) -> None:
    port = free_port()
    demo = start("demo", "--port", str(port), "--workers", "1")
    wait_until(lambda: "Ctrl-C ends it." in demo.said, "greeting")

    listed = msgspec.json.decode(
        run("accounts", "list", "--json", "--data-dir", "data/demo").stdout
    )

    assert sorted(account["pool"]["tier"] for account in listed) == [
        "basic",
        "basic",
        "basic",
        "heavy",
        "super",
        "super",
    ]
    assert demo.end() == 0
    assert psutil.pid_exists(demo.process.pid) is False
