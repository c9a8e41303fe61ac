"""Maintenance processes: one leads, another takes over, one that was halted cannot write."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest
from redis import Redis

from grok2api.domain.ids import AccountId
from grok2api.store import keys
from grok2api.store.accounts import AccountStore
from grok2api.store.cipher import SecretCipher
from grok2api.store.connection import open_redis
from tests.cli.service import Service, free_port, is_gone
from tests.conftest import AccountMaker
from tests.e2e.installation import Installation, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

TTL_S = 4.0
HAND_OVER_S = TTL_S + 2
Candidate = Callable[..., "Process"]


class Process(Service):
    """One `grok2api maintenance` and what it has logged."""

    def events(self, name: str) -> list[dict[str, Any]]:
        lines = [msgspec.json.decode(line) for line in self.said.splitlines()]
        return [line for line in lines if line["msg"] == name]

    @property
    def epochs(self) -> list[int]:
        """The epochs it has led, in their order."""
        return [line["epoch"] for line in self.events("leadership_taken")]


@pytest.fixture
def candidate(tmp_path: Path, redis_url: str) -> Iterator[Candidate]:
    """Start maintenance processes on one store; all of them end with the test."""
    made: list[Process] = []

    def start(**variables: str) -> Process:
        folder = tmp_path / f"m{len(made)}"
        folder.mkdir()
        settings = {
            "GROK2API_REDIS_URL": redis_url,
            "GROK_MAINTENANCE_LEADER_TTL_S": str(TTL_S),
            "GROK_MAINTENANCE_LEASE_REAP_INTERVAL_S": "0.1",
            **variables,
        }
        made.append(Process(("maintenance",), folder, settings))
        return made[-1]

    yield start
    for process in made:
        process.process.kill()
        process.process.wait(10)


def start_two(candidate: Candidate) -> tuple[Process, Process]:
    """Return one that leads and one that follows."""
    first = candidate()
    wait_until(lambda: first.epochs, what="election")
    second = candidate()
    wait_until(lambda: second.events("leadership_followed"), what="following")
    return first, second


def plant_lost_lease(url: str) -> None:
    """Leave an account with a lease that has run out."""

    async def plant() -> None:
        async with open_redis(url) as redis:
            accounts = AccountMaker(AccountStore(redis, SecretCipher([b"k" * 32])))
            await accounts.save(AccountId("a"))
            await accounts.lease("lost", ttl_s=0.001)

    asyncio.run(plant())


def test_leader_frees_what_ran_out(candidate: Candidate, redis_url: str) -> None:
    plant_lost_lease(redis_url)

    candidate()

    with Redis.from_url(redis_url) as client:
        wait_until(lambda: not client.hlen(keys.leases()), what="freeing of the lease")


def test_killed_leader_is_replaced_within_its_lease(candidate: Candidate) -> None:
    first, second = start_two(candidate)

    first.process.kill()

    wait_until(lambda: second.epochs, seconds=HAND_OVER_S, what="hand-over")
    assert second.epochs[0] > first.epochs[0]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopped_leader_resigns_and_ends_well(candidate: Candidate, number: signal.Signals) -> None:
    first, second = start_two(candidate)

    code = first.end(number)

    assert code == 0, first.said
    assert first.events("leadership_resigned")
    wait_until(lambda: second.epochs, seconds=HAND_OVER_S, what="hand-over")
    assert second.epochs[0] > first.epochs[0]
    assert second.end(number) == 0
    assert "Traceback" not in first.said + second.said


def test_follower_that_is_stopped_leaves_the_leader_alone(candidate: Candidate) -> None:
    first, second = start_two(candidate)

    assert second.end() == 0

    third = candidate()
    wait_until(lambda: third.events("leadership_followed"), what="following")
    assert first.epochs == first.epochs[:1]
    assert not first.events("leadership_lost")


def test_leader_that_was_halted_finds_out_writes_nothing_and_follows(
    candidate: Candidate, redis_url: str
) -> None:
    first, second = start_two(candidate)
    first.process.send_signal(signal.SIGSTOP)
    wait_until(lambda: second.epochs, seconds=HAND_OVER_S, what="hand-over")
    second.process.send_signal(signal.SIGSTOP)  # or it would free the lease that follows
    plant_lost_lease(redis_url)

    first.process.send_signal(signal.SIGCONT)
    wait_until(lambda: first.events("leadership_lost"), seconds=TTL_S, what="finding out")

    with Redis.from_url(redis_url) as client:
        is_untouched = client.hexists(keys.leases(), "lost")
        epoch = int(client.hget(keys.leader(), "epoch") or 0)
        # While this is still the second's, the first had no right to write before.
        assert epoch == second.epochs[0]
        assert is_untouched
        second.process.send_signal(signal.SIGCONT)
        wait_until(lambda: not client.hlen(keys.leases()), what="freeing by who leads")
    wait_until(
        lambda: len(first.events("leadership_followed")) + len(second.events("leadership_lost")),
        what="agreement on one leader",
    )


def test_service_restarts_its_maintenance_and_leaves_none_behind(
    install: Callable[..., Installation],
) -> None:
    here = install(accounts=0, workers=1, settings={"GROK_MAINTENANCE_LEADER_TTL_S": "1"})

    def maintenance() -> psutil.Process | None:
        return next((p for p in here.everything() if "maintenance" in p.cmdline()), None)

    def led() -> int:
        return here.log.read_text().count('"msg":"leadership_taken"')

    wait_until(lambda: led() == 1, what="election")
    first = maintenance()
    assert first is not None
    first.kill()
    wait_until(lambda: led() == 2, what="restart and election")
    family = here.everything()
    second = maintenance()

    code = here.stop()

    assert code == 0
    assert second is not None
    assert [process for process in family if not is_gone(process)] == []
    assert '"msg":"leadership_resigned"' in here.log.read_text(), "it was stopped before the store"


def test_store_of_the_folder_serves_one_maintenance_alone(tmp_path: Path) -> None:
    alone = Process(("maintenance",), tmp_path, {"SERVER_PORT": str(free_port())})
    try:
        wait_until(lambda: alone.epochs, what="election")
        family = alone.family()
    finally:
        code = alone.end()

    assert code == 0
    assert len(family) == 2  # itself and the store
    assert [process for process in family if not is_gone(process)] == []
