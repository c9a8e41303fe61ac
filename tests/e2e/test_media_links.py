"""Links on a whole installation: any worker opens them, and slow readers cost no memory."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import psutil
import pytest

from tests.e2e.installation import Installation, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

Install = Callable[..., Installation]
MB = 1024 * 1024
FILM_BYTES = 200 * MB
CLIENTS = 50
TAKEN_BYTES = 3 * MB
GROWTH_BYTES = 60 * MB


async def make_film() -> AsyncIterator[bytes]:
    yield b"\x00\x00\x00\x18ftypmp42"
    piece = os.urandom(MB)
    left = FILM_BYTES - 12
    while left:
        yield piece[:left]
        left -= min(left, len(piece))


def resident_bytes(workers: list[psutil.Process]) -> int:
    return sum(worker.memory_info().rss for worker in workers)
