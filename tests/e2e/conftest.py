"""Installations that end with their test, or with their module."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.installation import Installation, make_sessions

Install = Callable[..., Installation]


@contextmanager
def _installing(root: Path) -> Iterator[Install]:
    made: list[Installation] = []

    def build(
        *,
        accounts: int = 3,
        tier: str = "basic",
        simulator: tuple[str, ...] = (),
        **options: object,
    ) -> Installation:
        folder = root / f"i{len(made)}"
        folder.mkdir()
        installation = Installation(folder, **options)  # type: ignore[arg-type]
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


@pytest.fixture
def install(tmp_path: Path) -> Iterator[Install]:
    """Start installations; all of them end with the test."""
    with _installing(tmp_path) as build:
        yield build


@pytest.fixture(scope="module")
def installs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Install]:
    """Start installations; all of them end with the tests of the module."""
    with _installing(tmp_path_factory.mktemp("e2e")) as build:
        yield build
