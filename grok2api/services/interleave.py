"""Several streams at the same time, read as one."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import TypeVar

T = TypeVar("T")


async def interleave(
    sources: Sequence[AsyncGenerator[T, None]], *, at_once: int
) -> AsyncGenerator[tuple[int, T], None]:
    """Yield what comes from `sources`, with the number of each; iterate it under `aclosing`.

    So many run at the same time, the next begins when one has ended. None of them goes on while its
    last item waits to be read. What one raises is raised, and all others are closed.
    """
    loop = asyncio.get_running_loop()
    running: dict[asyncio.Task[T], int] = {}
    following = 0
    try:
        while running or following < len(sources):
            while len(running) < at_once and following < len(sources):
                running[loop.create_task(_next(sources[following]))] = following
                following += 1
            done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                index = running.pop(task)
                try:
                    item = task.result()
                except StopAsyncIteration:
                    continue
                yield index, item
                running[loop.create_task(_next(sources[index]))] = index
    finally:
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)
        for source in sources[:following]:
            await source.aclose()


async def _next(source: AsyncGenerator[T, None]) -> T:
    return await anext(source)
