"""The object graphs of one worker: one for new requests, older ones until nobody uses them.

A change of settings opens a new graph beside the old one. A request uses the graph that was
current when it came to its very end, and so do responses and videos that it left behind.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from types import TracebackType
from typing import Final, Self

import structlog
from starlette.types import Scope

from grok2api.config.schema import Settings
from grok2api.errors import GatewayError
from grok2api.web.state import AppState

log = structlog.get_logger(__name__)

KEY: Final = "graphs"

OpenState = Callable[[Settings], AbstractAsyncContextManager[AppState]]


class _Graph:
    """One object graph, and what keeps it open."""

    __slots__ = ("_idle", "_retired", "_users", "state")

    def __init__(self, state: AppState) -> None:
        self.state = state
        self._users = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._retired = asyncio.Event()

    def take(self) -> None:
        self._users += 1
        self._idle.clear()

    def give_back(self) -> None:
        self._users -= 1
        if self._users == 0:
            self._idle.set()

    def retire(self) -> None:
        """Take no more requests: what nobody waits for is left to the next graph."""
        self.state.videos.runner.begin_draining()
        self._retired.set()

    async def finish(self, grace_s: float) -> None:
        """Let responses and videos come to their end; stop those that have not in time."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.state.responses.background.close(grace_s))
            group.create_task(self.state.videos.runner.close(grace_s))

    def abandon(self) -> None:
        """Wait for nobody any more."""
        self._retired.set()
        self._idle.set()

    async def wait_unused(self) -> None:
        """Return when it was retired, and all that was begun with it has ended."""
        await self._retired.wait()
        await self._idle.wait()
        await self.state.responses.background.wait_idle()
        await self.state.videos.runner.wait_idle()


class Graphs:
    """All object graphs of this worker; use it as an async context manager."""

    __slots__ = (
        "_current",
        "_graphs",
        "_group",
        "_is_draining",
        "_open_state",
        "is_unread",
    )

    def __init__(self, open_state: OpenState, *, is_unread: bool = False) -> None:
        self._open_state = open_state
        self._group = asyncio.TaskGroup()
        self._graphs: set[_Graph] = set()
        self._current: _Graph | None = None
        self._is_draining = False
        self.is_unread = is_unread
        """Whether nobody knows yet what the operator has set: nothing may go out by guess."""

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for graph in self._graphs:
            graph.abandon()
        await self._group.__aexit__(kind, error, trace)

    @property
    def current(self) -> AppState:
        """What new requests get."""
        return self._newest.state

    @property
    def count(self) -> int:
        """How many graphs are open."""
        return len(self._graphs)

    @contextmanager
    def use(self) -> Iterator[AppState]:
        """Use the current graph in the body: it stays open, and the same, to the end of it."""
        graph = self._newest
        graph.take()
        try:
            yield graph.state
        finally:
            graph.give_back()

    async def replace(self, settings: Settings) -> None:
        """Build a graph from `settings` for what comes from now on.

        Raises:
            GatewayError: it could not be built; all stays as it is.
        """
        opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._group.create_task(self._keep_open(settings, opened))
        await opened

    def begin_draining(self) -> None:
        """Take on no more work that nobody waits for."""
        self._is_draining = True
        for graph in self._graphs:
            graph.state.videos.runner.begin_draining()

    async def finish(self, grace_s: float) -> None:
        """Let what runs without a client come to its end; stop what has not in time."""
        async with asyncio.TaskGroup() as group:
            for graph in self._graphs:
                group.create_task(graph.finish(grace_s))

    @property
    def _newest(self) -> _Graph:
        if self._current is None:
            raise RuntimeError("no graph has been opened")
        return self._current

    async def _keep_open(self, settings: Settings, opened: "asyncio.Future[None]") -> None:
        # In a task of its own: what a graph holds is opened and closed by the same one.
        graph: _Graph | None = None
        try:
            async with self._open_state(settings) as state:
                graph = _Graph(state)
                self._install(graph)
                if not opened.done():
                    opened.set_result(None)
                await graph.wait_unused()
        except Exception as error:
            if not opened.done():
                opened.set_exception(error)
            elif isinstance(error, GatewayError):
                log.warning("graph_not_closed", detail=error.detail or error.message)
            else:  # raised, it would end the graph that serves requests too
                log.exception("graph_not_closed", exc_info=error)
        finally:
            if graph is not None:
                self._graphs.discard(graph)

    def _install(self, graph: _Graph) -> None:
        self._graphs.add(graph)
        previous, self._current = self._current, graph
        if self._is_draining:
            self.begin_draining()
        if previous is not None:
            previous.retire()
            log.info("settings_taken", older_graphs=len(self._graphs) - 1)


def graphs_in(scope: Scope) -> Graphs:
    """Return the graphs of the worker that serves a scope; the lifespan has put them there."""
    graphs: Graphs = scope["state"][KEY]
    return graphs
