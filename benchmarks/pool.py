"""Measure what lending accounts costs the store: `make bench-pool`. See benchmarks/README.md."""

import argparse
import asyncio
import multiprocessing
import secrets
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack

import msgspec

from benchmarks.pool_server import CIPHER, PoolServer, open_pool_server
from grok2api.domain.account import Lease, Mode, Outcome, Pool, ProviderKind, Tier
from grok2api.domain.ids import LeaseId
from grok2api.domain.selection import SelectionPolicy, Strategy, Wish
from grok2api.store.accounts import AccountStore, Release
from grok2api.store.connection import open_redis

SIZES = (10, 1_000, 100_000, 1_000_000)
SMALL, LARGE, MOST_RATIO = 1_000, 1_000_000, 1.5
BATCH = 100
ROUNDS = 8
MEMORY_SAMPLE = 50_000
WAITING = 1_000
PROCESSES, TASKS = 4, 8
POLICY = SelectionPolicy(lease_ttl_s=600.0)


def say(line: str) -> None:
    """Print a line of figures at once."""
    print(line, flush=True)  # noqa: T201


def pair_cost_us(server: PoolServer, policy: SelectionPolicy, pairs: int) -> float:
    """Return the server's CPU for one acquire and its release, sent in batches, in µs."""

    def calls(ids: list[str]) -> Iterator[tuple[object, ...]]:
        for lease_id in ids:
            yield server.acquire(lease_id, policy)
            yield server.release(lease_id)

    used_s = 0.0
    for _ in range(pairs // BATCH):
        batch = list(calls([secrets.token_hex(8) for _ in range(BATCH)]))
        before_s = server.cpu_s()
        answers = server.run(batch)
        used_s += server.cpu_s() - before_s
        check(answers[0::2], b"leased")
        check(answers[1::2], b"released")
    return used_s / pairs * 1e6


def check(answers: list[list[object]], word: bytes) -> None:
    """Stop where a script said something else than `word`."""
    odd = [answer for answer in answers if answer[0] != word]
    if odd:
        raise SystemExit(f"expected {word!r}, got {odd[0]!r}")


def time_acquires(server: PoolServer, policy: SelectionPolicy, count: int) -> list[float]:
    """Return how long each of `count` acquires took over the unix socket, in µs."""
    taken = []
    for _ in range(count):
        lease_id = secrets.token_hex(8)
        call = server.acquire(lease_id, policy)
        started = time.perf_counter()
        answer = server.ask(call)
        taken.append((time.perf_counter() - started) * 1e6)
        check([answer], b"leased")
        check([server.ask(server.release(lease_id))], b"released")
    return taken


def by_size(sizes: list[int], binary: str, pairs: int) -> None:
    """Cost of a pair and time of an acquire for each strategy, by how many accounts there are.

    The servers take turns, so that whatever else the machine does meets all of them.
    """
    with ExitStack() as stack:
        servers = {size: stack.enter_context(open_pool_server(binary))[0] for size in sorted(sizes)}
        for size, server in servers.items():
            started_s = server.cpu_s()
            server.load(size)
            say(f"one save, {size} accounts: {(server.cpu_s() - started_s) / size * 1e6:.0f} µs")
        for strategy in Strategy:
            policy = msgspec.structs.replace(POLICY, strategy=strategy)
            costs: dict[int, list[float]] = {size: [] for size in servers}
            taken: dict[int, list[float]] = {size: [] for size in servers}
            for _ in range(ROUNDS):
                for size, server in servers.items():
                    costs[size].append(pair_cost_us(server, policy, pairs // ROUNDS))
                    taken[size] += time_acquires(server, policy, pairs // ROUNDS // 4)
            for size in servers:
                cost, median = statistics.median(costs[size]), statistics.median(taken[size])
                say(
                    f"{strategy:<10} {size:>8} accounts   CPU a pair {cost:6.1f} µs   "
                    f"median acquire {median:6.1f} µs   {1e6 / cost:6.0f} pairs/s"
                )
            if {SMALL, LARGE} <= servers.keys():
                ratio = statistics.median(taken[LARGE]) / statistics.median(taken[SMALL])
                word = "ok" if ratio <= MOST_RATIO else "TOO MUCH"
                say(f"{strategy:<10} median acquire {LARGE} : {SMALL} = {ratio:.2f} {word}")


def memory(binary: str) -> None:
    """Memory of an account, new and used."""
    for tier in (Tier.BASIC, Tier.SUPER):
        with open_pool_server(binary) as (server, _):
            empty = server.memory_bytes()
            server.load(MEMORY_SAMPLE, tier)
            new = (server.memory_bytes() - empty) / MEMORY_SAMPLE
            policy = msgspec.structs.replace(POLICY, strategy=Strategy.LRU)
            for _ in range(MEMORY_SAMPLE // BATCH):
                ids = [secrets.token_hex(8) for _ in range(BATCH)]
                server.run([server.acquire(i, policy, tier) for i in ids])
                server.run([server.release(i) for i in ids])
            used = (server.memory_bytes() - empty) / MEMORY_SAMPLE
            say(f"memory of an account, {tier:<6} new {new:5.0f} bytes   used {used:5.0f} bytes")


def open_leases(binary: str, pairs: int) -> None:
    """Cost of a pair while every account has leases open."""
    for leases in (1, 8, 64):
        with open_pool_server(binary) as (server, _):
            server.load(SMALL)
            policy = msgspec.structs.replace(POLICY, max_concurrency=leases + 1)
            for _ in range(leases * SMALL // BATCH):
                ids = [secrets.token_hex(8) for _ in range(BATCH)]
                check(server.run([server.acquire(i, policy) for i in ids]), b"leased")
            cost = pair_cost_us(server, policy, pairs)
            say(f"CPU a pair, {leases:>2} leases open on each of {SMALL} accounts  {cost:6.1f} µs")


def hand_over(binary: str, rounds: int) -> None:
    """Cost of a release that hands its slot to the first of many who wait."""
    with open_pool_server(binary) as (server, _):
        server.load(1)
        policy = msgspec.structs.replace(
            POLICY, max_concurrency=1, wait_s=300.0, max_waiting=2 * WAITING,
            max_waiting_per_key=2 * WAITING,
        )  # fmt: skip
        ids = [f"{n:016x}" for n in range(rounds + WAITING + 1)]
        check([server.ask(server.acquire(ids[0], policy))], b"leased")
        check(server.run([server.acquire(i, policy) for i in ids[1:WAITING]]), b"waiting")
        release_s, wait_s = 0.0, 0.0
        for at in range(rounds):
            before_s = server.cpu_s()
            check([server.ask(server.acquire(ids[WAITING + at], policy))], b"waiting")
            middle_s = server.cpu_s()
            check([server.ask(server.release(ids[at]))], b"released")
            wait_s += middle_s - before_s
            release_s += server.cpu_s() - middle_s
        say(
            f"{WAITING} requests wait: one more {wait_s / rounds * 1e6:.1f} µs, "
            f"release and hand-over {release_s / rounds * 1e6:.1f} µs"
        )


async def _work(url: str, rounds: int) -> None:
    wish = Wish(pools=(Pool(ProviderKind.GROK_WEB, Tier.BASIC),), modes=(Mode.FAST,))

    async def turn(store: AccountStore) -> None:
        for _ in range(rounds):
            lease = await store.acquire(wish, POLICY, LeaseId(secrets.token_hex(8)))
            if not isinstance(lease, Lease):
                raise SystemExit(f"no lease: {lease}")
            await store.release(lease, Release(outcome=Outcome.OK, is_used=True))

    async with open_redis(url, pool_size=TASKS) as redis:
        store = AccountStore(redis, CIPHER)
        await asyncio.gather(*(turn(store) for _ in range(TASKS)))


def work(url: str, rounds: int) -> None:
    """Acquire and release from one worker process, as the gateway does."""
    asyncio.run(_work(url, rounds))


def processes(binary: str, rounds: int) -> None:
    """Acquires a second that worker processes get out of one server."""
    with open_pool_server(binary) as (server, url):
        server.load(SMALL)
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(PROCESSES, mp_context=spawn) as pool:
            list(pool.map(work, [url] * PROCESSES, [1] * PROCESSES))
            before_s, started = server.cpu_s(), time.perf_counter()
            list(pool.map(work, [url] * PROCESSES, [rounds] * PROCESSES))
            taken_s, used_s = time.perf_counter() - started, server.cpu_s() - before_s
        pairs = PROCESSES * TASKS * rounds
        say(
            f"{PROCESSES} worker processes, {TASKS} requests each at a time: "
            f"{pairs / taken_s:.0f} pairs/s, server CPU a pair {used_s / pairs * 1e6:.1f} µs"
        )


def main() -> None:
    """Run every measurement."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pool", description=__doc__)
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)), help="numbers of accounts")
    parser.add_argument("--server", default="", help="server binary instead of the bundled one")
    parser.add_argument("--pairs", type=int, default=8_000, help="leases of each measurement")
    options = parser.parse_args()
    by_size([int(word) for word in options.sizes.split(",")], options.server, options.pairs)
    memory(options.server)
    open_leases(options.server, options.pairs)
    hand_over(options.server, options.pairs // 8)
    processes(options.server, options.pairs // 8)


if __name__ == "__main__":
    main()
