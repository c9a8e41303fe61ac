"""A frugal HTTP client for measurements: raw sockets, no parsing beyond what is counted."""

import asyncio
from dataclasses import dataclass, field
from time import perf_counter

import msgspec


@dataclass(slots=True)
class Stream:
    """What one streamed request saw. Times are seconds since it was sent."""

    status: int = 0
    chunks: int = 0
    first_s: float = 0.0
    total_s: float = 0.0


@dataclass(slots=True)
class Target:
    """Where to send requests."""

    host: str
    port: int
    key: str
    model: str = "grok-chat-fast"
    opened: list[asyncio.StreamWriter] = field(default_factory=list)

    def request(self, prompt: str, *, stream: bool) -> bytes:
        body = msgspec.json.encode(
            {
                "model": self.model,
                "stream": stream,
                "messages": [{"role": "user", "content": prompt}],
            }
        )
        head = (
            "POST /v1/chat/completions HTTP/1.1\r\n"
            f"host: {self.host}:{self.port}\r\nauthorization: Bearer {self.key}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
            "connection: close\r\n\r\n"
        )
        return head.encode() + body

    async def run(self, prompt: str, *, stream: bool = True) -> Stream:
        """Send one request and read its answer to the end."""
        seen = Stream()
        reader, writer = await asyncio.open_connection(self.host, self.port)
        started = perf_counter()
        try:
            writer.write(self.request(prompt, stream=stream))
            while data := await reader.read(65536):
                if not seen.status:
                    seen.status = int(data[9:12])
                found = data.count(b"data: {")
                if found and not seen.chunks:
                    seen.first_s = perf_counter() - started
                seen.chunks += found
        finally:
            writer.close()
        seen.total_s = perf_counter() - started
        return seen

    async def hold(self, prompt: str) -> None:
        """Open a stream, wait for its first event, and leave it open."""
        reader, writer = await asyncio.open_connection(self.host, self.port)
        self.opened.append(writer)
        writer.write(self.request(prompt, stream=True))
        seen = b""
        while b"data: {" not in seen:
            data = await reader.read(65536)
            if not data:
                raise ConnectionError(f"stream refused: {seen[:300]!r}")
            seen += data

    async def drop_all(self) -> None:
        """Close what `hold` opened."""
        for writer in self.opened:
            writer.close()
        self.opened.clear()
        await asyncio.sleep(0.5)


async def run_many(
    target: Target, prompt: str, *, count: int, width: int, stream: bool = True
) -> list[Stream]:
    """Send `count` requests, `width` at a time."""
    gate = asyncio.Semaphore(width)

    async def one() -> Stream:
        async with gate:
            return await target.run(prompt, stream=stream)

    return list(await asyncio.gather(*(one() for _ in range(count))))
