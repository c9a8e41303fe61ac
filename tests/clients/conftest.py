"""One installation for all clients, one running program a client, and which cells have passed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest

from tests.clients.drivers import CLIENTS, MESSAGES, Client, Driver
from tests.clients.table import Table
from tests.e2e.installation import Installation, make_sessions, wait_until

ALIASES = "claude-sonnet-5=grok-chat-fast, claude-*=grok-chat-fast"
TABLE = pytest.StashKey[Table]()


class Bench(msgspec.Struct):
    """A client's program in front of the installation."""

    client: Client
    driver: Driver
    here: Installation

    def ask(self, feature: str, *directives: str, **given: Any) -> Any:
        """Let the client use `feature`; the upstream follows `directives`, call by call."""
        queued = {"directives": list(directives)}
        httpx2.post(f"{self.here.sim}/_sim/script", json=queued).raise_for_status()
        asked = {
            "model": "claude-sonnet-5" if self.client.api == MESSAGES else "grok-chat-fast",
            "prompt": "Tell me about tides.",
            "result": "Sunny.",
        }
        return self.driver.ask(feature, **(asked | given))

    def total(self, name: str) -> int:
        """Return a sum over all accounts of the upstream's books."""
        return sum(page[name] for page in self.here.ledger()["accounts"].values())


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One attempt a request, so that the upstream's books count what clients send."""
    settings = {"GROK_MODELS_ALIASES": ALIASES, "GROK_RETRY_MAX_ATTEMPTS": "1"}
    running = Installation(tmp_path_factory.mktemp("clients"), settings=settings)
    try:
        running.start_simulator()
        running.start()
        sessions = make_sessions(12)
        running.register(sessions)
        running.import_accounts(*sessions)
        yield running
        assert wait_until(lambda: running.open_leases() == 0, what="release")
    finally:
        running.close()
    assert running.find_secrets() == []


@pytest.fixture(scope="module")
def drivers(here: Installation) -> Iterator[dict[Client, Driver]]:
    """Programs that are running; a test adds its own."""
    running: dict[Client, Driver] = {}
    yield running
    for driver in running.values():
        driver.close()


@pytest.fixture
def bench(
    request: pytest.FixtureRequest,
    here: Installation,
    drivers: dict[Client, Driver],
    tmp_path: Path,
) -> Iterator[Bench]:
    """What a test queued and did not use is nothing to the next one."""
    client: Client = request.param
    if client not in drivers:
        drivers[client] = Driver(client, url=here.url, key=here.key, log=tmp_path / "stderr")
    table = request.config.stash[TABLE]
    table.versions[client] = drivers[client].versions
    httpx2.post(f"{here.sim}/_sim/reset", json={}).raise_for_status()
    yield Bench(client, drivers[client], here)
    assert here.ledger()["violations"] == []


@pytest.fixture
def table(request: pytest.FixtureRequest) -> Table:
    return request.config.stash[TABLE]


def pytest_configure(config: pytest.Config) -> None:
    config.stash[TABLE] = Table()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test of a feature with every client that has it, of a lack with those that do not."""
    for name, is_lack in (("cell", False), ("lack", True)):
        marker = metafunc.definition.get_closest_marker(name)
        if marker is not None:
            chosen = [c for c in CLIENTS if (marker.args[0] in c.lacks) is is_lack]
            metafunc.parametrize("bench", chosen, indirect=True, ids=lambda client: client.label)


def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """Note the cell of a test that has passed."""
    cell = item.get_closest_marker("cell")
    if cell is None or call.when != "call" or call.excinfo is not None:
        return
    assert isinstance(item, pytest.Function)
    client = item.callspec.params["bench"]
    assert isinstance(client, Client)
    item.config.stash[TABLE].passed.add((client, cell.args[0]))
