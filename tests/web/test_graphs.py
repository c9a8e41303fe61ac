"""Graphs of one worker: a request sees one to its end, and nothing of an old one is left."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from grok2api.bootstrap import open_gateway
from grok2api.config.schema import BootSettings, FeatureSettings, PerformanceSettings, Settings
from grok2api.errors import SettingsError
from grok2api.web.graphs import Graphs
from grok2api.web.state import AppState

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
async def graphs(tmp_path: Path, redis_url: str) -> AsyncIterator[Graphs]:
    """The graphs of a whole gateway."""
    boot = BootSettings(data_dir=tmp_path, redis_url=redis_url, secret_keys=(b"k" * 32,))
    async with open_gateway(boot) as opened:
        yield opened


def settings_of(number: int) -> Settings:
    """Return settings that can be told apart."""
    return Settings(features=FeatureSettings(custom_instruction=f"number {number}"))


def number_of(state: AppState) -> str:
    return state.settings.features.custom_instruction


def count_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def settle(graphs: Graphs, count: int = 1) -> None:
    """Wait until so many graphs are open."""
    async with asyncio.timeout(20):
        while graphs.count != count:  # noqa: ASYNC110 - nobody tells when a graph has closed
            await asyncio.sleep(0.005)


async def test_new_requests_get_the_new_graph_and_old_ones_keep_theirs(graphs: Graphs) -> None:
    await graphs.replace(settings_of(1))
    with graphs.use() as first:
        await graphs.replace(settings_of(2))
        with graphs.use() as second:
            assert (number_of(first), number_of(second)) == ("number 1", "number 2")
            await settle(graphs, 2)  # that of before the test has closed

    await settle(graphs)
    assert number_of(graphs.current) == "number 2"


async def test_what_is_single_per_process_is_shared(graphs: Graphs) -> None:
    before = graphs.current

    await graphs.replace(settings_of(1))

    after = graphs.current
    assert after is not before
    assert (after.metrics, after.drain, after.config) == (
        before.metrics,
        before.drain,
        before.config,
    )


async def test_old_graph_takes_on_no_video(graphs: Graphs) -> None:
    with graphs.use() as old:
        await graphs.replace(settings_of(1))

        assert old.videos.runner.is_draining
        assert not graphs.current.videos.runner.is_draining


async def test_graph_of_a_worker_that_drains_takes_on_no_video(graphs: Graphs) -> None:
    graphs.begin_draining()

    await graphs.replace(settings_of(1))

    assert graphs.current.videos.runner.is_draining


async def test_graph_that_cannot_be_built_changes_nothing() -> None:
    @asynccontextmanager
    async def refuse(_: Settings) -> AsyncIterator[AppState]:
        raise SettingsError("no")
        yield

    async with Graphs(refuse) as graphs:
        with pytest.raises(SettingsError):
            await graphs.replace(Settings())

        assert graphs.count == 0


async def test_thousand_changes_under_load_leave_one_graph(graphs: Graphs) -> None:
    await graphs.replace(settings_of(0))
    await settle(graphs)
    tasks, files = len(asyncio.all_tasks()), count_files()
    is_over = asyncio.Event()
    served = 0

    async def request(pauses: int) -> None:
        nonlocal served
        while not is_over.is_set():
            with graphs.use() as state:
                number = number_of(state)
                for _ in range(pauses):
                    await asyncio.sleep(0)
                await state.health.check()  # its store is open
                assert number_of(state) == number
            served += 1

    async with asyncio.TaskGroup() as group:
        for pauses in (0, 1, 5, 50):
            group.create_task(request(pauses))
        for number in range(1, 1001):
            await graphs.replace(settings_of(number))
        is_over.set()

    await settle(graphs)
    assert served
    assert number_of(graphs.current) == "number 1000"
    assert len(asyncio.all_tasks()) <= tasks
    assert count_files() <= files + PerformanceSettings().redis_connections


async def test_abandoned_requests_keep_no_worker(tmp_path: Path, redis_url: str) -> None:
    boot = BootSettings(data_dir=tmp_path, redis_url=redis_url, secret_keys=(b"k" * 32,))
    async with asyncio.timeout(20):
        async with open_gateway(boot) as graphs:
            graphs.use().__enter__()  # never left
            await graphs.replace(settings_of(1))

        assert graphs.count == 0


def test_settings_that_look_the_same_are_the_same() -> None:
    assert settings_of(1) == settings_of(1)
    assert settings_of(1) != settings_of(2)
    assert msgspec.structs.replace(settings_of(1)) == settings_of(1)
