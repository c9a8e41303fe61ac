"""Log lines: one JSON object each, no secret on any way in."""

import asyncio
import io
import logging
from collections.abc import Iterator
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
