"""Several streams read as one: what fails is told once, and nothing goes on behind it."""

import asyncio
import gc
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import pytest

from grok2api.services.interleave import interleave


async def counts(until: int) -> AsyncGenerator[int, None]:
    for number in range(until):
        await asyncio.sleep(0)
        yield number


async def test_every_item_comes_with_the_number_of_its_source() -> None:
    async with aclosing(interleave([counts(n) for n in (2, 0, 3)], at_once=2)) as items:
        found = [item async for item in items]

    assert sorted(found) == [(0, 0), (0, 1), (2, 0), (2, 1), (2, 2)]


async def test_failures_at_the_same_time_are_one_error_and_no_warning() -> None:
    warnings: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, what: warnings.append(what))

    async def fails() -> AsyncGenerator[int, None]:
        for is_over in (False, True):
            await asyncio.sleep(0)
            if is_over:
                raise ValueError("no")
            yield 1

    async def read_all() -> str:
        try:
            async with aclosing(interleave([fails(), fails()], at_once=2)) as items:
                async for _ in items:
                    pass
        except ValueError as error:
            return str(error)  # its traceback would keep what nobody looked at
        return ""

    assert await read_all() == "no"
    gc.collect()
    assert warnings == []


async def test_failure_of_one_closes_the_others() -> None:
    closed = asyncio.Event()

    async def hangs() -> AsyncGenerator[int, None]:
        try:
            yield 1
            await asyncio.Event().wait()
        finally:
            closed.set()

    async def fails() -> AsyncGenerator[int, None]:
        yield 1
        raise ValueError("no")

    async def read_all() -> None:
        async with aclosing(interleave([hangs(), fails()], at_once=2)) as items:
            async for _ in items:
                pass

    with pytest.raises(ValueError, match="no"):
        await read_all()
    assert closed.is_set()
