"""Images and documents at the edge: what is refused, how early, and at what cost."""

import asyncio
import base64
import contextlib
from pathlib import Path

import msgspec

from tests.web.conftest import API_KEY, WAIT_S, Edge, question

CHAT = "/v1/chat/completions"
MB = 1024 * 1024
PAGE_BYTES = 4096


def with_image(url: str) -> dict[str, object]:
    parts = [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": url}},
    ]
    return question(messages=[{"role": "user", "content": parts}])


async def leave(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES


async def test_picture_that_is_none_is_told_with_code_and_place(edge: Edge) -> None:
    text = base64.b64encode(b"no picture").decode()

    reply = await edge.client.post(CHAT, json=with_image(f"data:image/png;base64,{text}"))

    assert reply.status_code == 400
    assert reply.json()["error"]["code"] == "invalid_image_input"
    assert reply.json()["error"]["param"] == "messages[0].content[1]"
    assert edge.script.sessions == []


async def test_address_inside_is_refused_in_a_stream_too(edge: Edge) -> None:
    body = with_image("http://169.254.169.254/latest/meta-data/") | {"stream": True}

    reply = await edge.client.post(CHAT, json=body)

    assert reply.status_code == 400
    assert reply.json()["error"]["code"] == "invalid_image_input"
    assert "public address" in reply.json()["error"]["message"]


async def test_hundred_megabytes_are_refused_before_they_are_sent(edge: Edge) -> None:
    reader, writer = await edge.open()
    writer.write(
        f"POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {API_KEY}\r\n"
        f"content-length: {100 * MB}\r\n\r\n".encode()
    )
    async with asyncio.timeout(WAIT_S):
        head = await reader.readuntil(b"\r\n\r\n")
    await leave(writer)

    assert head.startswith(b"HTTP/1.1 413 ")


async def test_hundred_megabytes_without_a_length_cost_no_memory(edge: Edge) -> None:
    _, writer = await edge.open()
    start = msgspec.json.encode(with_image("data:image/png;base64,"))[:-4]
    writer.write(
        f"POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {API_KEY}\r\n"
        f"transfer-encoding: chunked\r\n\r\n{len(start):x}\r\n".encode()
        + start
        + b"\r\n"
    )
    before, sent, piece = resident_bytes(), 0, b"A" * 65536
    try:
        async with asyncio.timeout(WAIT_S):
            while sent < 100 * MB:
                writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
                await writer.drain()
                sent += len(piece)
    except ConnectionError:
        pass
    finally:
        await leave(writer)

    assert resident_bytes() - before < 40 * MB
    assert edge.script.sessions == []
