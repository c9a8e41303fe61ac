"""Streams over a real socket: status, silence, departures, slow readers, the worker's end."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from grok2api.config.schema import StreamSettings
from grok2api.domain.chat import EventBatch, Finished, TextDelta
from grok2api.errors import UpstreamRateLimitError, UpstreamUnavailableError
from tests.web.conftest import TEST_SETTINGS, WAIT_S, Edge, EdgeMaker, question

QUICK = msgspec.structs.replace(
    TEST_SETTINGS, stream=StreamSettings(commit_after_s=0.05, keep_alive_s=0.05)
)
PATIENT = msgspec.structs.replace(
    TEST_SETTINGS, stream=StreamSettings(commit_after_s=600.0, keep_alive_s=10.0)
)
SECRET = "planted-cookie-value"


class Gate:
    """An upstream that says `before`, waits to be let on, and then says or raises the rest."""

    def __init__(self, *before: str, failure: Exception | None = None) -> None:
        self.go_on = asyncio.Event()
        self._before = before
        self._failure = failure

    async def __call__(self) -> AsyncIterator[EventBatch]:
        for text in self._before:
            yield [TextDelta(text)]
        await self.go_on.wait()
        if self._failure is not None:
            raise self._failure
        yield [TextDelta("end"), Finished()]


def error_of(text: str) -> dict[str, Any]:
    """Return the error object of the last data line before [DONE]."""
    lines = [line for line in text.splitlines() if line.startswith("data: ")]
    assert lines[-1] == "data: [DONE]"
    error: dict[str, Any] = msgspec.json.decode(lines[-2][6:])["error"]
    return error


async def read_until(reader: asyncio.StreamReader, mark: bytes) -> bytes:
    async with asyncio.timeout(WAIT_S):
        return await reader.readuntil(mark)


async def test_silence_is_broken_by_comments(make_edge: EdgeMaker) -> None:
    async with make_edge(QUICK) as edge:
        edge.script.play = gate = Gate("begin")
        async with edge.client.stream(
            "POST", "/v1/chat/completions", json=question(stream=True)
        ) as response:
            seen = ""
            async for text in response.aiter_text():
                seen += text
                if seen.count(": keep-alive\n\n") >= 3:
                    gate.go_on.set()

    assert seen.endswith("data: [DONE]\n\n")
    assert '"end"' in seen


async def test_an_error_before_the_first_event_is_a_real_status(make_edge: EdgeMaker) -> None:
    async with make_edge(PATIENT) as edge:
        edge.script.play = gate = Gate(
            failure=UpstreamRateLimitError("Limited.", status=429, retry_after_s=7)
        )
        gate.go_on.set()
        response = await edge.client.post("/v1/chat/completions", json=question(stream=True))

    assert response.status_code in {429, 503}
    assert response.headers["content-type"] == "application/json"
    assert set(response.json()["error"]) == {"message", "type", "param", "code"}


async def test_an_error_after_the_commit_is_an_event(make_edge: EdgeMaker) -> None:
    async with make_edge(QUICK) as edge:
        edge.script.play = gate = Gate(
            failure=UpstreamUnavailableError("The upstream broke off.", code="upstream_broken")
        )
        async with edge.client.stream(
            "POST", "/v1/chat/completions", json=question(stream=True)
        ) as response:
            gate.go_on.set()
            text = (await response.aread()).decode()

    assert response.status_code == 200
    assert text.startswith(": keep-alive\n\n")
    assert error_of(text)["code"] == "upstream_broken"


async def test_an_error_after_the_first_event_is_an_event(make_edge: EdgeMaker) -> None:
    async with make_edge(PATIENT) as edge:
        edge.script.play = gate = Gate("begin", failure=UpstreamUnavailableError("Broken."))
        gate.go_on.set()
        response = await edge.client.post("/v1/chat/completions", json=question(stream=True))

    assert response.status_code == 200
    assert error_of(response.text)["type"] == "server_error"


async def test_a_bug_in_a_running_stream_ends_it_without_its_text(edge: Edge) -> None:
    edge.script.play = gate = Gate("begin", failure=RuntimeError(SECRET))
    gate.go_on.set()
    response = await edge.client.post("/v1/chat/completions", json=question(stream=True))
    await edge.leases_are_free()

    assert error_of(response.text)["code"] == "internal_error"
    assert SECRET not in response.text


async def test_a_bug_before_the_first_event_is_a_500(edge: Edge) -> None:
    edge.script.play = gate = Gate(failure=RuntimeError(SECRET))
    gate.go_on.set()
    response = await edge.client.post("/v1/chat/completions", json=question(stream=True))

    assert response.status_code == 500
    assert response.json()["error"]["code"] == "internal_error"
    assert SECRET not in response.text
    assert response.headers["x-request-id"] in response.text


async def test_leaving_before_the_headers_stops_the_upstream(make_edge: EdgeMaker) -> None:
    async with make_edge(PATIENT) as edge:
        edge.script.play = Gate()
        _, writer = await edge.send_chat(stream=True)
        await asyncio.wait_for(edge.script.opened.wait(), WAIT_S)

        writer.close()

        assert await asyncio.wait_for(edge.script.closed.wait(), WAIT_S)
        await edge.leases_are_free()


async def test_leaving_in_a_silence_stops_the_upstream(make_edge: EdgeMaker) -> None:
    async with make_edge(PATIENT) as edge:
        edge.script.play = Gate("begin")
        reader, writer = await edge.send_chat(stream=True)
        await read_until(reader, b'"begin"')

        writer.close()

        assert await asyncio.wait_for(edge.script.closed.wait(), WAIT_S)
        await edge.leases_are_free()


async def test_leaving_a_request_for_a_whole_answer_stops_the_upstream(edge: Edge) -> None:
    edge.script.play = Gate("begin")
    _, writer = await edge.send_chat(stream=False)
    await asyncio.wait_for(edge.script.opened.wait(), WAIT_S)

    writer.close()

    assert await asyncio.wait_for(edge.script.closed.wait(), WAIT_S)
    await edge.leases_are_free()


async def test_a_slow_reader_slows_the_upstream(edge: Edge) -> None:
    produced = 0
    batch: EventBatch = [TextDelta("x" * 65536)]

    async def endless() -> AsyncIterator[EventBatch]:
        nonlocal produced
        while True:
            produced += 65536
            yield batch

    edge.script.play = endless
    reader, writer = await edge.send_chat(stream=True)
    await asyncio.wait_for(edge.script.opened.wait(), WAIT_S)
    for _ in range(200):
        # Other clients are served meanwhile; each answer is a turn of the loop for the producer.
        assert (await edge.client.get("/healthz")).status_code == 200

    stalled_at = produced
    for _ in range(100):
        await edge.client.get("/healthz")
    assert produced == stalled_at
    assert produced < 32 * 1024 * 1024

    while produced == stalled_at:
        assert await reader.read(1 << 20)
    writer.close()
    await edge.leases_are_free()


async def test_a_stream_ends_with_an_event_when_the_worker_must_stop(edge: Edge) -> None:
    edge.script.play = Gate("begin")
    async with edge.client.stream(
        "POST", "/v1/chat/completions", json=question(stream=True)
    ) as response:
        edge.state.drain.begin(0.0)
        text = (await response.aread()).decode()
    await edge.leases_are_free()

    assert error_of(text)["code"] == "shutting_down"


@pytest.mark.parametrize("stream", [True, False])
async def test_a_request_without_an_answer_yet_gets_503_when_the_worker_must_stop(
    make_edge: EdgeMaker, *, stream: bool
) -> None:
    async with make_edge(PATIENT) as edge:
        edge.script.play = Gate()
        async with asyncio.TaskGroup() as group:
            asking = group.create_task(
                edge.client.post("/v1/chat/completions", json=question(stream=stream))
            )
            await asyncio.wait_for(edge.script.opened.wait(), WAIT_S)
            edge.state.drain.begin(0.0)
        response = asking.result()
        await edge.leases_are_free()

    assert response.status_code == 503
    assert response.json()["error"]["code"] == "shutting_down"
    assert response.headers["retry-after"] == "1"


async def test_a_short_stream_survives_the_beginning_of_the_drain(edge: Edge) -> None:
    edge.script.play = gate = Gate("begin")
    async with edge.client.stream(
        "POST", "/v1/chat/completions", json=question(stream=True)
    ) as response:
        edge.state.drain.begin(WAIT_S)
        gate.go_on.set()
        text = (await response.aread()).decode()

    assert '"end"' in text
    assert text.endswith("data: [DONE]\n\n")


async def test_the_lifespan_waits_for_the_last_steps_of_requests(make_edge: EdgeMaker) -> None:
    async with make_edge(PATIENT) as edge:
        edge.script.play = Gate("begin")
        reader, writer = await edge.send_chat(stream=True)
        await read_until(reader, b'"begin"')
        edge.server.config.timeout_graceful_shutdown = 1
        edge.server.should_exit = True
        assert await asyncio.wait_for(edge.script.closed.wait(), WAIT_S)
        await edge.leases_are_free()
        writer.close()

    assert edge.state.drain.in_flight == 0
