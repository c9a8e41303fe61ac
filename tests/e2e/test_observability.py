"""Metrics and logs of a whole installation, while its workers are killed and replaced."""

import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx2
import msgspec
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.installation import Installation, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

Install = Callable[..., Installation]
METRICS_TOKEN = "planted-metrics-token"
SCRAPED = {"GROK_SECURITY_METRICS_TOKEN": METRICS_TOKEN}
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


def ask(here: Installation, **headers: str) -> int:
    body = {"model": "grok-chat-fast", "messages": [{"role": "user", "content": "Hi"}]}
    sent = {"authorization": f"Bearer {here.key}", "connection": "close"} | headers
    return httpx2.post(f"{here.url}/v1/chat/completions", json=body, headers=sent).status_code


def scrape(here: Installation) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Return one page of metrics, from whichever worker answers."""
    headers = {"authorization": f"Bearer {METRICS_TOKEN}", "connection": "close"}
    text = httpx2.get(f"{here.url}/metrics", headers=headers).text
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def growing(page: dict[Any, float]) -> dict[Any, float]:
    ends = ("_total", "_count", "_sum", "_bucket")
    return {key: value for key, value in page.items() if key[0].endswith(ends)}


def of_all_hosts(page: dict[Any, float]) -> dict[Any, float]:
    return {key: value for key, value in page.items() if key[0].startswith(("g2a_pool", "g2a_le"))}


def test_counters_never_fall_while_workers_are_killed(install: Install) -> None:
    here = install(accounts=2, settings=SCRAPED)
    seen = growing(scrape(here))
    asked = 0
    for _ in range(3):
        asked += sum(ask(here) == 200 for _ in range(4))
        [victim, *_] = here.worker_processes()
        victim.kill()
        for _ in range(20):
            with contextlib.suppress(httpx2.HTTPError):  # it was the one that was killed
                now = growing(scrape(here))
                assert {key for key, old in seen.items() if now.get(key, 0) < old} == set()
                seen = now
        wait_until(lambda: len(alive(here)) == 2 and scrape(here), what="a new worker")

    served = {
        labels["status"]: value
        for (name, pairs), value in seen.items()
        if name == "g2a_requests_total"
        and (labels := dict(pairs))["route"] == "/v1/chat/completions"
    }
    assert served == {"2xx": asked}
    assert scrape(here)["g2a_requests_in_flight", ()] == 1  # this one
    acquired = ("g2a_store_call_duration_seconds_count", (("call", "account/acquire"),))
    assert seen[acquired] >= asked
    assert len(list((here.data / "metrics").glob("*.db"))) <= 4 * 3


def alive(here: Installation) -> list[psutil.Process]:
    return [w for w in here.worker_processes() if w.status() != psutil.STATUS_ZOMBIE]


def test_every_worker_says_the_same_of_all_hosts(install: Install) -> None:
    here = install(accounts=2, settings=SCRAPED)
    assert ask(here) == 200
    wait_until(lambda: scrape(here).get(("g2a_leader_present", ())) == 1, what="a leader")

    pages = [of_all_hosts(scrape(here)) for _ in range(12)]

    assert all(page == pages[0] for page in pages)
    active = ("kind", "grok_web"), ("status", "active"), ("tier", "basic")
    assert pages[0]["g2a_pool_accounts", active] == 2


def test_all_processes_log_to_the_file_with_the_ids_of_the_request(install: Install) -> None:
    here = install(accounts=2, settings={"GROK_LOGGING_FILE": "logs/g.log", "LOG_LEVEL": "debug"})
    for number in range(8):
        assert ask(here, traceparent=PARENT, **{"x-request-id": f"mine-{number}"}) == 200
    ask(here, authorization=f"Bearer {here.key}x", cookie="sso=session-0001-abcdefghijklmnop")
    here.stop()

    lines = (here.data / "logs" / "g.log").read_text().splitlines()
    rows = [msgspec.json.decode(line) for line in lines]
    served = [
        row
        for row in rows
        if row["msg"] == "request_served" and row["route"] == "/v1/chat/completions"
    ]
    assert Counter(row["request_id"] for row in served if "mine" in row["request_id"]) == {
        f"mine-{number}": 1 for number in range(8)
    }
    assert {row["trace_id"] for row in served if "mine" in row["request_id"]} == {TRACE}
    assert {
        row["logger"].split(".")[1] for row in rows if row["logger"].startswith("grok2api.")
    } >= {
        "maintenance",
        "web",
    }


def test_a_secret_in_a_log_file_would_be_found(install: Install) -> None:
    here = install(accounts=0)
    planted = here.data / "logs" / "g.log.3"
    planted.parent.mkdir()
    planted.write_text(f"x {here.key} x")

    assert here.find_secrets() == [f"{here.key} in g.log.3"]

    planted.unlink()


@contextlib.contextmanager
def collector() -> Iterator[tuple[str, list[bytes]]]:
    """Take spans on loopback; gives the address, and what came."""
    bodies: list[bytes] = []

    class Take(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *words: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Take)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", bodies
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_workers_send_spans_without_secrets(install: Install) -> None:
    with collector() as (url, bodies):
        here = install(accounts=1, settings={"OTEL_EXPORTER_OTLP_ENDPOINT": url})
        assert ask(here, traceparent=PARENT) == 200
        here.stop()

    sent = b"".join(bodies)
    assert bytes.fromhex(TRACE) in sent
    assert b"chat grok-chat-fast" in sent
    assert here.key.encode() not in sent
    assert b"session-0000" not in sent
