"""What clients get wrong: the right status and an error object that names the field."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from grok2api.domain.chat import EventBatch, TextDelta
from tests.web.conftest import API_KEY, WAIT_S, Edge, question, wait_until

CHAT = "/v1/chat/completions"


def body(**changes: object) -> bytes:
    return msgspec.json.encode(question(**changes))


@pytest.mark.parametrize(
    ("content", "status", "param", "code"),
    [
        (b"", 400, None, "missing_body"),
        (b"{", 400, None, None),
        (b"\xff\xfe", 400, None, None),
        (b"[]", 400, None, "invalid_value"),
        (b"null", 400, None, "invalid_value"),
        (b"{}", 400, "model", "missing_required_parameter"),
        (b'{"model":"grok-chat-fast"}', 400, "messages", "missing_required_parameter"),
        (body(model=7), 400, "model", "invalid_value"),
        (body(model=""), 400, "model", "invalid_value"),
        (body(model="no-such-model"), 404, "model", "model_not_found"),
        (body(messages=[]), 400, "messages", "invalid_value"),
        (body(messages="Hello"), 400, "messages", "invalid_value"),
        (body(messages=[{"content": "x"}]), 400, "messages[0].role", "missing_required_parameter"),
        (body(messages=[{"role": "robot", "content": "x"}]), 400, "messages.0.role", None),
        (body(stream="yes"), 400, "stream", "invalid_value"),
        (body(temperature="hot"), 400, "temperature", "invalid_value"),
        (body(temperature=3), 400, "temperature", "invalid_value"),
        (body(n=2), 400, "n", "unsupported_value"),
        (b'{"model":' + b"[" * 100_000, 400, None, None),
    ],
)
async def test_a_bad_body_is_refused_by_name(
    edge: Edge, content: bytes, status: int, param: str | None, code: str | None
) -> None:
    response = await edge.client.post(CHAT, content=content)

    error = response.json()["error"]
    assert response.status_code == status
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    if param is not None:
        assert error["param"].replace("[0]", ".0") == param.replace("[0]", ".0")
    if code is not None:
        assert error["code"] == code
    assert not edge.script.opened.is_set()


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer sk-wrong-0123456789abcdef"},
        {"authorization": f"Basic {API_KEY}"},
        {"authorization": "Bearer"},
        {"authorization": f"Bearer {API_KEY}x"},
        {"authorization": b"Bearer \xc3\xa9\xff"},
        {"x-api-key": "wrong"},
        {"x-api-key": "x" * 5000},
    ],
)
@pytest.mark.parametrize(
    ("method", "path"), [("POST", CHAT), ("GET", "/v1/models"), ("GET", "/metrics")]
)
async def test_without_a_good_key_nothing_is_done(
    edge: Edge, headers: dict[str, str], method: str, path: str
) -> None:
    del edge.client.headers["authorization"]

    response = await edge.client.request(method, path, headers=headers, content=body())

    assert response.status_code == 401
    assert response.json()["error"]["type"] == "authentication_error"
    assert response.json()["error"]["code"] == "invalid_api_key"
    assert not edge.script.opened.is_set()


async def test_a_key_in_the_url_is_not_a_key(edge: Edge) -> None:
    del edge.client.headers["authorization"]

    response = await edge.client.get(f"/v1/models?key={API_KEY}&api_key={API_KEY}")

    assert response.status_code == 401


async def test_both_headers_carry_the_key(edge: Edge) -> None:
    del edge.client.headers["authorization"]

    for headers in ({"x-api-key": API_KEY}, {"authorization": f"bearer  {API_KEY}"}):
        assert (await edge.client.get("/v1/models", headers=headers)).status_code == 200


@pytest.mark.parametrize("is_declared", [True, False])
async def test_a_huge_body_is_refused(edge: Edge, *, is_declared: bool) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b" " * 100_000

    content = b" " * 2_000_000 if is_declared else pieces()
    response = await edge.client.post(CHAT, content=content)

    assert response.status_code == 413
    assert response.json()["error"]["code"] == "request_too_large"


async def test_a_body_that_stops_coming_is_given_up(edge: Edge) -> None:
    reader, writer = await edge.open()
    writer.write(
        f"POST {CHAT} HTTP/1.1\r\nhost: x\r\nx-api-key: {API_KEY}\r\n"
        "content-length: 100\r\n\r\n{".encode()
    )
    async with asyncio.timeout(WAIT_S):
        head = await reader.readuntil(b"\r\n\r\n")
    writer.close()

    assert head.startswith(b"HTTP/1.1 408 ")


async def test_a_bad_body_without_a_key_is_never_read(edge: Edge) -> None:
    reader, writer = await edge.open()
    writer.write(f"POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n".encode())
    async with asyncio.timeout(WAIT_S):
        head = await reader.readuntil(b"\r\n\r\n")
    writer.close()

    assert head.startswith(b"HTTP/1.1 401 ")


async def test_leaving_in_the_middle_of_the_body_is_no_error(edge: Edge) -> None:
    _, writer = await edge.open()
    writer.write(
        f"POST {CHAT} HTTP/1.1\r\nhost: x\r\nx-api-key: {API_KEY}\r\n"
        "content-length: 100\r\n\r\n{".encode()
    )
    await writer.drain()
    writer.close()

    async def is_over() -> bool:
        return 'route="/v1/chat/completions"' in edge.state.metrics.render().decode()

    await wait_until(is_over)
    text = edge.state.metrics.render().decode()
    assert 'status="4xx"' in text
    assert 'status="5xx"' not in text
    assert "g2a_requests_in_flight 0.0" in text


async def test_an_answer_that_is_empty_is_an_error(edge: Edge) -> None:
    async def nothing() -> AsyncIterator[EventBatch]:
        for text in tuple[str, ...]():
            yield [TextDelta(text)]

    edge.script.play = nothing
    response = await edge.client.post(CHAT, json=question())

    assert response.status_code == 502
    assert response.json()["error"]["code"] == "upstream_stream_empty"
