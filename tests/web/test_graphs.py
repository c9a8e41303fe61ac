"""Graphs of one worker: a request sees one to its end, and nothing of an old one is left."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path

import httpx2
import msgspec
import pytest

from grok2api.bootstrap import open_gateway, open_maintenance
from grok2api.config.fields import FieldSpec, Kind
from grok2api.config.schema import (
    BootSettings,
    FeatureSettings,
    FileSettings,
    PerformanceSettings,
    ResponsesSettings,
    Settings,
)
from grok2api.config.sources import SPECS, Sources
from grok2api.domain.ids import ClientKeyId, ResponseId
from grok2api.domain.response import EventSlice, KeptResponse, ResponseState
from grok2api.errors import (
    GatewayError,
    RateLimitExceededError,
    SettingsError,
    ShuttingDownError,
    StoreUnavailableError,
)
from grok2api.services.background import Ending, Tell
from grok2api.services.budget import BYTES_PER_MB
from grok2api.services.settings_check import check_settings
from grok2api.store.cipher import SecretCipher
from grok2api.store.connection import open_redis
from grok2api.store.settings import SettingsStore
from grok2api.web.application import build_app
from grok2api.web.graphs import Graphs
from grok2api.web.state import AppState
from tests.conftest import find_free_port, find_server, run_server as run_store
from tests.web.conftest import port_of, run_server, wait_until

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


class Broken:
    """A graph that cannot be opened."""

    def __init__(self, _: Settings) -> None:
        pass

    async def __aenter__(self) -> AppState:
        raise SettingsError("no")

    async def __aexit__(self, *_: object) -> None:
        raise AssertionError


async def test_graph_that_cannot_be_built_changes_nothing() -> None:
    async with Graphs(Broken) as graphs:
        with pytest.raises(SettingsError):
            await graphs.replace(Settings())

        assert graphs.count == 0


TEXTS = (
    "",
    "x",
    "a/b",
    "../a",
    "chrome",
    "chrome999",
    "http://h",
    "http://h:1/x",
    "s3://b/..",
    "*",
)


def values_of(spec: FieldSpec) -> Iterator[object]:
    """Yield values that a setting might be given: its limits, its choices, texts of all sorts."""
    yield spec.default
    yield from spec.choices
    numbers = [float(word) for word in re.findall(r"\d+(?:\.\d+)?", spec.allowed)]
    match spec.kind:
        case Kind.BOOL:
            yield from (True, False)
        case Kind.INT:
            yield from map(int, numbers)
        case Kind.FLOAT:
            yield from numbers
        case Kind.MAPPING:
            yield from ({"a": "grok-chat-fast"}, {"a*": "no-such-model"}, {"": ""})
        case Kind.LIST:
            yield from ([text] for text in TEXTS)
        case _:
            yield from TEXTS


def may_be_saved(sources: Sources, key: str, value: object) -> bool:
    try:
        sources.compose({key: value})
    except SettingsError:
        return False
    return True


async def test_a_graph_and_jobs_can_be_built_from_whatever_may_be_saved(
    tmp_path: Path, redis_url: str
) -> None:
    boot = BootSettings(data_dir=tmp_path, redis_url=redis_url, secret_keys=(b"k" * 32,))
    sources, tried = Sources(judge=check_settings), set[str]()
    async with open_gateway(boot) as graphs, open_maintenance(boot) as runner:
        for spec in SPECS:
            for value in values_of(spec):
                if may_be_saved(sources, spec.key, value):
                    settings = sources.compose({spec.key: value}).settings
                    await graphs.replace(settings)
                    runner._build_runner(settings)
                    tried.add(spec.key)

    assert tried == {spec.key for spec in SPECS}


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


async def start_aside(state: AppState, name: str, go_on: asyncio.Event) -> KeptResponse:
    """Begin a background response that is whole once `go_on` is set."""

    async def produce(_: Tell) -> Ending:
        await go_on.wait()
        return Ending(ResponseState.COMPLETED, b"whole", EventSlice(1, 1, b"x"))

    def fail(error: GatewayError) -> Ending:
        raise AssertionError(error)

    kept = KeptResponse(
        id=ResponseId(name),
        owner=ClientKeyId("key_1"),
        body=b"begun",
        state=ResponseState.IN_PROGRESS,
    )
    await state.responses.background.start(kept, produce, fail)
    return kept


async def test_background_response_keeps_its_graph_open(graphs: Graphs) -> None:
    go_on = asyncio.Event()
    with graphs.use() as old:
        kept = await start_aside(old, "resp_1", go_on)
    await graphs.replace(settings_of(1))
    await graphs.replace(settings_of(2))
    await settle(graphs, 2)
    assert old.responses.background.running == 1

    go_on.set()

    await settle(graphs)
    found = await graphs.current.responses.find(kept.owner, kept.id)
    assert (found.state, found.body) == (ResponseState.COMPLETED, b"whole")


async def test_limits_of_a_worker_hold_over_all_its_graphs(graphs: Graphs) -> None:
    go_on = asyncio.Event()

    def limited(most: int) -> Settings:
        return Settings(
            responses=ResponsesSettings(max_background=most), files=FileSettings(memory_mb=most)
        )

    await graphs.replace(limited(2))
    old = graphs.current
    await start_aside(old, "resp_1", go_on)
    async with old.files.uploads.hold(3):
        await graphs.replace(limited(1))
        with pytest.raises(RateLimitExceededError):
            await start_aside(graphs.current, "resp_2", go_on)
        assert graphs.current.files.uploads.free == FileSettings().upload_concurrency - 3
        assert old.files.free_bytes == graphs.current.files.free_bytes == BYTES_PER_MB

    await graphs.replace(limited(2))
    await start_aside(graphs.current, "resp_3", go_on)
    go_on.set()
    await settle(graphs)


async def test_videos_of_older_graphs_count(graphs: Graphs) -> None:
    old = graphs.current.videos.runner._parts.workers

    await graphs.replace(settings_of(1))

    assert graphs.current.videos.runner._parts.workers is old


async def test_end_of_the_worker_ends_what_old_graphs_still_do(
    tmp_path: Path, redis_url: str
) -> None:
    errors: list[GatewayError] = []

    async def produce(_: Tell) -> Ending:
        await asyncio.Event().wait()
        raise AssertionError

    def fail(error: GatewayError) -> Ending:
        errors.append(error)
        return Ending(ResponseState.FAILED, b"", EventSlice(1, 1, b"x"))

    kept = KeptResponse(
        id=ResponseId("resp_1"),
        owner=ClientKeyId("key_1"),
        body=b"",
        state=ResponseState.IN_PROGRESS,
    )
    boot = BootSettings(data_dir=tmp_path, redis_url=redis_url, secret_keys=(b"k" * 32,))
    async with asyncio.timeout(20):
        async with open_gateway(boot) as graphs:
            await graphs.current.responses.background.start(kept, produce, fail)
            await graphs.replace(settings_of(1))
            await graphs.finish(0.0)

    assert [type(error) for error in errors] == [ShuttingDownError]


async def test_nothing_is_served_by_a_guess_while_the_store_cannot_be_read(
    tmp_path: Path, cipher: SecretCipher
) -> None:
    port = find_free_port()
    url = f"redis://127.0.0.1:{port}"
    boot = BootSettings(data_dir=tmp_path, redis_url=url, secret_keys=(b"k" * 32,))
    async with (
        run_server(build_app(partial(open_gateway, boot))) as server,
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port_of(server)}") as client,
    ):
        statuses = [(await client.get(path)).status_code for path in ("/v1/models", "/healthz")]
        assert statuses == [503, 200]

        with run_store(find_server("valkey"), tmp_path / "store", "--port", str(port)):
            async with open_redis(url) as redis:
                await save_when_possible(SettingsStore(redis, cipher))

            async def is_served() -> bool:
                return (await client.get("/v1/models")).status_code == 200

            await wait_until(is_served)  # nobody needs a key, says the store


async def save_when_possible(store: SettingsStore) -> None:
    """Let everybody in, as soon as there is a store."""

    async def save() -> bool:
        try:
            await store.save({"security.allow_anonymous_api": True}, 0, by="x", changed=[])
        except StoreUnavailableError:
            return False
        return True

    await wait_until(save)
