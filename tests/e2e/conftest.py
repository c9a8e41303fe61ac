"""Installations that end with their test."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.installation import Installation, make_sessions


@pytest.fixture
def install(tmp_path: Path) -> Iterator[Callable[..., Installation]]:
    """Start installations; all of them end with the test."""
    made: list[Installation] = []

    def build(
        *, accounts: int = 3, tier: str = "basic", simulator: tuple[str, ...] = (), **options: Any
    ) -> Installation:
        folder = tmp_path / f"i{len(made)}"
        folder.mkdir()
        installation = Installation(folder, **options)
        made.append(installation)
        installation.start_simulator(*simulator)
        installation.start()
        if accounts:
            sessions = make_sessions(accounts)
            installation.register(sessions, tier=tier)
            installation.import_accounts(*sessions, tier=tier)
        return installation

    yield build
    for installation in made:
        installation.close()
    for installation in made:
        assert installation.find_secrets() == []
