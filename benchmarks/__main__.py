"""Measure what the gateway adds: `make bench`. How and what: benchmarks/README.md."""

import argparse
import asyncio
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.floor import build_turn, is_installed, open_nginx, read_stream
from benchmarks.load import Target, run_many
from benchmarks.upstream import open_bare
from grok2api.config.site import ChatTransport
from tests.e2e.installation import Installation, make_sessions

ACCOUNTS = 50
HTTP_OK = 200
IDLE_S = 3


@dataclass(frozen=True, slots=True)
class Cpu:
    """CPU seconds used so far, by the web workers and by the store."""

    workers_s: float
    store_s: float


def read_cpu(here: Installation) -> Cpu:
    """Read the operating system's own accounting."""

    def used(processes: list[psutil.Process]) -> float:
        return float(sum(t.user + t.system for t in (p.cpu_times() for p in processes)))

    stores = [p for p in here.everything() if p.name().startswith(("valkey", "redis"))]
    return Cpu(used(here.worker_processes()), used(stores))


def report(name: str, value: float, unit: str, note: str = "") -> None:
    """Print one figure."""
    print(f"{name:<46} {value:>10.1f} {unit:<4} {note}", flush=True)  # noqa: T201


async def idle_cpu(here: Installation) -> None:
    """CPU that a worker takes when nothing is asked of it."""
    before = read_cpu(here)
    await asyncio.sleep(IDLE_S)
    after = read_cpu(here)
    report("CPU a second when idle", (after.workers_s - before.workers_s) / IDLE_S * 1e3, "ms")


async def paced_chunks(here: Installation, target: Target, *, streams: int) -> None:
    """CPU for each chunk of streams whose tokens come one by one."""
    tokens, delay_ms = (2000, 5) if streams == 1 else (300, 20)
    prompt = f"Go. [[sim: tokens={tokens}; delay_ms={delay_ms}; reasoning=]]"
    await run_many(target, prompt, count=streams, width=streams)
    before = read_cpu(here)
    seen = await run_many(target, prompt, count=streams, width=streams)
    after = read_cpu(here)
    short = "Go. [[sim: tokens=1; reasoning=]]"
    base_before = read_cpu(here)
    await run_many(target, short, count=streams, width=streams)
    base = read_cpu(here)
    chunks = sum(s.chunks for s in seen)
    requests_s = base.workers_s - base_before.workers_s
    cost = (after.workers_s - before.workers_s - requests_s) / chunks
    report(
        f"CPU a paced chunk, {streams} streams", cost * 1e6, "µs", f"{chunks} chunks, requests not"
    )


async def floor_chunks(here: Installation, *, streams: int) -> None:
    """The same paced streams through nginx instead of the gateway."""
    tokens, delay_ms = (2000, 5) if streams == 1 else (300, 20)
    prompt = f"Go. [[sim: tokens={tokens}; delay_ms={delay_ms}; reasoning=]]"
    turn = build_turn(here.sim, make_sessions(1)[0], prompt)
    with tempfile.TemporaryDirectory() as folder:
        async with open_nginx(Path(folder), here.sim) as nginx:
            before_s = nginx.cpu_s()
            seen = await asyncio.gather(*(read_stream(nginx.port, turn) for _ in range(streams)))
            cost = (nginx.cpu_s() - before_s) / sum(seen)
    report(f"  the same through nginx, {streams} streams", cost * 1e6, "µs", "the floor")


async def requests(here: Installation, target: Target, *, count: int, width: int) -> None:
    """CPU for each short request, streamed and not."""
    for stream in (True, False):
        prompt = "Hi. [[sim: tokens=3; reasoning=]]"
        await run_many(target, prompt, count=50, width=width, stream=stream)
        before = read_cpu(here)
        seen = await run_many(target, prompt, count=count, width=width, stream=stream)
        after = read_cpu(here)
        bad = [s.status for s in seen if s.status != HTTP_OK]
        if bad:
            raise SystemExit(f"{len(bad)} of {count} requests failed: {sorted(set(bad))}")
        kind = "streamed" if stream else "plain"
        report(f"CPU a request, {kind}", (after.workers_s - before.workers_s) / count * 1e3, "ms")
        report(f"  of the store, {kind}", (after.store_s - before.store_s) / count * 1e3, "ms")


async def first_token(
    here: Installation, target: Target, *, transport: ChatTransport, count: int
) -> None:
    """Time to the first token, through the gateway and with our upstream client alone."""
    prompt = "Hi. [[sim: tokens=3; reasoning=]]"
    await run_many(target, prompt, count=10, width=1)
    through, bare = [], []
    async with open_bare(here.sim, transport, make_sessions(1)[0]) as upstream:
        await upstream.first_event_s(prompt)
        for _ in range(count):
            through.append((await target.run(prompt)).first_s)
            bare.append(await upstream.first_event_s(prompt))
    a, b = statistics.median(through), statistics.median(bare)
    report("First token through the gateway", a * 1e3, "ms", "median")
    report("First token of the upstream client alone", b * 1e3, "ms", "median")
    report("Added time to first token", (a - b) * 1e3, "ms")


async def open_streams(here: Installation, target: Target, *, count: int) -> None:
    """Memory of the workers while many streams are open and idle."""

    def rss() -> int:
        return sum(p.memory_info().rss for p in here.worker_processes())

    idle = rss()
    prompt = "Hold. [[sim: tokens=100000; delay_ms=60000; reasoning=]]"
    await asyncio.gather(*(target.hold(prompt) for _ in range(count)))
    held = rss()
    await target.drop_all()
    report("Memory of the worker, idle", idle / 2**20, "MB")
    report(f"Memory of the worker, {count} open streams", held / 2**20, "MB")
    report("Memory an open stream", (held - idle) / count / 1024, "kB")


async def measure(here: Installation, transport: ChatTransport, *, is_quick: bool) -> None:
    """Run every measurement."""
    target = Target("127.0.0.1", here.port, here.key)
    scale = 1 if is_quick else 4
    await idle_cpu(here)
    await requests(here, target, count=100 * scale, width=8)
    await first_token(here, target, transport=transport, count=50 * scale)
    for streams in (1, 16, 16 * scale):
        await paced_chunks(here, target, streams=streams)
        if transport == "http" and is_installed():
            await floor_chunks(here, streams=streams)
    await open_streams(here, target, count=125 * scale)


def main() -> None:
    """Start an installation for each transport and measure it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a quarter of the load")
    parser.add_argument("--transport", choices=["websocket", "http"], action="append")
    options = parser.parse_args()
    for transport in options.transport or ["websocket", "http"]:
        print(f"\n{transport} to the upstream, one worker, Python {sys.version.split()[0]}")  # noqa: T201
        with tempfile.TemporaryDirectory() as folder:
            here = Installation(
                Path(folder),
                workers=1,
                settings={
                    "GROK_UPSTREAM_CHAT_TRANSPORT": transport,
                    "GROK_ACCOUNT_MAX_CONCURRENCY": "20",
                    "GROK_PERFORMANCE_UPSTREAM_CONNECTIONS": "1000",
                },
            )
            try:
                here.start_simulator()
                here.start()
                sessions = make_sessions(ACCOUNTS)
                here.register(sessions, tier="heavy")  # its quota lasts for all of it
                here.import_accounts(*sessions, tier="heavy")
                asyncio.run(measure(here, transport, is_quick=options.quick))
            finally:
                here.close()


if __name__ == "__main__":
    main()
