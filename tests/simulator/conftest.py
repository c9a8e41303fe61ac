"""A simulator on a real port."""

from collections.abc import AsyncIterator

import pytest

from grok2api.simulator.options import SimulatorOptions
from tests.simulator.client import Site, open_site


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    """A simulator that knows nobody but `s1`."""
    async with open_site(SimulatorOptions()) as site:
        await site.register({"session": "s1", "name": "s1"})
        yield site
