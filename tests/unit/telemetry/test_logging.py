"""Log lines: one JSON object each, no secret on any way in."""

import asyncio
import io
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import structlog

from grok2api.telemetry.logging import configure_logging
from grok2api.telemetry.redaction import redact_text

API_KEY = "sk-g2a-1234567890abcdef"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc_def"
COOKIE = "sso=abcdef0123456789"
PASSWORD = "p4ss-word"


@pytest.fixture
def output() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    stream = io.StringIO()
    configure_logging("debug", "json", stream)
    yield stream
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def rows(output: io.StringIO) -> list[dict[str, Any]]:
    return [msgspec.json.decode(line) for line in output.getvalue().splitlines()]


def test_an_event_is_one_json_line_with_its_facts(output: io.StringIO) -> None:
    structlog.get_logger("grok2api.web").info("request_served", status=200, input_tokens=12)

    [row] = rows(output)

    assert row["msg"] == "request_served"
    assert row["level"] == "info"
    assert row["logger"] == "grok2api.web"
    assert (row["status"], row["input_tokens"]) == (200, 12)
    assert row["ts"].endswith("Z")


@pytest.mark.parametrize("secret", [API_KEY, JWT, COOKIE, PASSWORD, "hunter2hunter2"])
def test_no_secret_reaches_the_output(output: io.StringIO, secret: str) -> None:
    log = structlog.get_logger("t")
    log.warning(
        "upstream_refused",
        headers={"Authorization": f"Bearer {API_KEY}", "cookie": COOKIE},
        body=f"token {JWT}",
        url=f"redis://:{PASSWORD}@h:1/0?key={API_KEY}",
        password="hunter2hunter2",
        nested=[{"app_key": "hunter2hunter2"}],
    )
    crash = RuntimeError(f"login with {API_KEY} and {COOKIE}; {JWT} redis://:{PASSWORD}@h")
    log.error("crashed", exc_info=crash)
    logging.getLogger("uvicorn.error").error("bad header %s", f"Bearer {API_KEY}")
    logging.getLogger("third.party").warning("x", extra={"api_key": "hunter2hunter2"})

    assert secret not in output.getvalue()
    assert len(rows(output)) == 4


def test_a_secret_cut_at_the_length_limit_does_not_leak_its_beginning() -> None:
    text = "a " * 4090 + API_KEY * 5

    assert "sk-g2a-1234" not in redact_text(text)


def test_line_breaks_and_control_characters_cannot_forge_a_line(output: io.StringIO) -> None:
    logging.getLogger("third.party").warning('x\n{"level":"info"}\x1b[31m')

    assert len(rows(output)) == 1


def test_a_cancelled_request_is_not_an_error_line(output: io.StringIO) -> None:
    logging.getLogger("uvicorn.error").error("crashed", exc_info=asyncio.CancelledError())

    assert output.getvalue() == ""


async def test_context_of_one_task_does_not_reach_another(output: io.StringIO) -> None:
    async def handle(number: int) -> None:
        structlog.contextvars.bind_contextvars(request_id=f"req_{number}")
        await asyncio.sleep(0)
        structlog.get_logger("t").info("done", number=number)

    async with asyncio.TaskGroup() as group:
        for number in range(3):
            group.create_task(handle(number))

    assert all(row["request_id"] == f"req_{row['number']}" for row in rows(output))


def test_events_below_the_level_are_dropped(output: io.StringIO) -> None:
    configure_logging("warning", "json", output)

    structlog.get_logger("t").info("quiet")
    logging.getLogger("third.party").info("quiet")

    assert output.getvalue() == ""


def test_console_format_is_for_the_eye(output: io.StringIO) -> None:
    configure_logging("info", "console", output)

    structlog.get_logger("t").info("server_started", url=f"redis://u:{PASSWORD}@h")

    assert "server_started" in output.getvalue()
    assert not output.getvalue().startswith("{")
    assert PASSWORD not in output.getvalue()


def test_servers_write_no_second_line_for_a_request(output: io.StringIO) -> None:
    configure_logging("info", "json", output)

    for name in ("uvicorn.access", "gunicorn.access"):
        logging.getLogger(name).info("GET /v1/models?key=hunter2hunter2")

    assert output.getvalue() == ""
    assert not logging.getLogger("uvicorn.access").hasHandlers()


class Unprintable:
    """A value that says nothing of itself."""

    def __str__(self) -> str:
        raise ValueError


class FullDisk(io.StringIO):
    """An output that takes nothing."""

    def write(self, _: str) -> int:
        raise OSError(28, "No space left on device")


def test_a_value_that_cannot_be_written_down_costs_no_line(output: io.StringIO) -> None:
    structlog.get_logger("t").info("x", half="a\ud800b", odd=Unprintable(), deep=[{"\udc00": 1}])

    [row] = rows(output)
    assert (row["half"], row["odd"]) == ("a\\ud800b", "<Unprintable>")
    assert row["deep"] == [{"\\udc00": 1}]


def test_an_output_that_takes_nothing_breaks_nothing(output: io.StringIO) -> None:
    configure_logging("info", "json", FullDisk())
    structlog.get_logger("t").info("x")
    logging.getLogger("third.party").warning("x")
    configure_logging("info", "console", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    structlog.get_logger("t").info("x", text="für Elise")

    assert output.getvalue() == ""


def test_what_a_library_logs_wrongly_is_printed_nowhere(
    output: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    logging.getLogger("third.party").warning("%d", API_KEY)

    assert API_KEY not in output.getvalue() + "".join(capsys.readouterr())


CRASHER = """
import sys, threading, warnings
from pathlib import Path
from grok2api.config.boot import BootSettings
from grok2api.config.logs import LoggingSettings
from grok2api.telemetry.logging import configure_process_logging
configure_process_logging(BootSettings(data_dir=Path(sys.argv[1]), log_format="json"), LoggingSettings())
def fail():
    raise RuntimeError("Bearer abcdefghijklmnop")
thread = threading.Thread(target=fail); thread.start(); thread.join()
warnings.warn("Bearer abcdefghijklmnop")
fail()
"""  # noqa: E501


def test_crashes_and_warnings_take_the_same_way(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "default", "-c", CRASHER, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    found = [msgspec.json.decode(line) for line in done.stdout.splitlines()]
    assert [row["level"] for row in found] == ["critical", "warning", "critical"]
    assert done.stderr == ""
    assert "abcdefghijklmnop" not in done.stdout
    assert done.returncode == 1


FOLLOWER = """
import logging, sys
from pathlib import Path
import structlog
from grok2api.config.boot import BootSettings
from grok2api.config.logs import LoggingSettings
from grok2api.telemetry.logging import configure_process_logging, follow_logging
boot = BootSettings(data_dir=Path(sys.argv[1]), log_format="json", log_file="g.log")
log, theirs = structlog.get_logger("ours"), logging.getLogger("redis")
def say(word):
    log.debug(word); theirs.debug(word); logging.getLogger("httpx").info("url")
follow_logging(LoggingSettings(level="debug"))
configure_process_logging(boot, LoggingSettings()); say("quiet")
small = {"file_max_mb": 1, "file_backups": 1}
follow_logging(LoggingSettings(level="debug", **small)); say("loud")
for _ in range(400):
    log.debug("x" * 8000)
follow_logging(LoggingSettings(level="error", **small)); say("quiet again")
theirs.warning("quiet again")
"""


def test_level_and_file_follow_changed_settings(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FOLLOWER, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)

    found = [msgspec.json.decode(line) for line in done.stdout.splitlines()]
    assert [(r["logger"], r["msg"]) for r in found[:2]] == [("ours", "loud"), ("redis", "loud")]
    assert len(found) == 402
    assert sorted(p.name for p in tmp_path.iterdir()) == ["g.log", "g.log.1", "g.log.lock"]
