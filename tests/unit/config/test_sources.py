"""Changes lie between the file and the environment."""

from pathlib import Path

import pytest

from grok2api.config.loader import load_sources
from grok2api.config.sources import BY_KEY, is_read_at_start, read_change, to_plain
from grok2api.errors import SettingsError

FILE = "[retry]\nmax_attempts = 5\nbudget_s = 20\n[performance]\nredis_connections = 8\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.toml").write_text(FILE)
    return tmp_path


def test_change_wins_over_the_file_and_the_environment_over_the_change(folder: Path) -> None:
    sources = load_sources(folder, {"GROK_RETRY_BUDGET_S": "30"})

    loaded = sources.compose({"retry.max_attempts": 7, "retry.budget_s": 40})

    assert (loaded.settings.retry.max_attempts, loaded.settings.retry.budget_s) == (7, 30)
    assert loaded.sources["retry.max_attempts"] == "store"
    assert loaded.sources["retry.budget_s"] == "GROK_RETRY_BUDGET_S"
    assert loaded.sources["retry.base_delay_s"] == "default"


def test_composing_leaves_the_sources_as_they_are(folder: Path) -> None:
    sources = load_sources(folder, {})

    sources.compose({"retry.max_attempts": 7})

    assert sources.compose().settings.retry.max_attempts == 5


def test_change_of_what_this_version_does_not_take_is_told_and_ignored(folder: Path) -> None:
    stored = {"no.such": 1, "performance.redis_connections": 9, "retry.max_attempts": 7}

    loaded = load_sources(folder, {}).compose(stored)

    assert loaded.unknown == ["store: no.such", "store: performance.redis_connections"]
    assert loaded.settings.performance.redis_connections == 8
    assert loaded.settings.retry.max_attempts == 7


@pytest.mark.parametrize(
    "stored",
    [
        {"retry.max_attempts": 0},
        {"retry.max_attempts": None},
        {"app.app_key": "CHANGE_ME_NOW"},
        {"upstream.statsig_mode": "manual"},
    ],
)
def test_wrong_change_is_refused(folder: Path, stored: dict[str, object]) -> None:
    with pytest.raises(SettingsError):
        load_sources(folder, {}).compose(stored)


def test_values_that_need_each_other_may_come_from_two_sources(folder: Path) -> None:
    sources = load_sources(folder, {"GROK_UPSTREAM_STATSIG_VALUE": "abc"})

    assert sources.compose({"upstream.statsig_mode": "manual"}).settings.upstream.statsig_value


@pytest.mark.parametrize("key", sorted(BY_KEY))
def test_default_of_every_setting_can_be_stored_and_read_again(key: str) -> None:
    default = BY_KEY[key].default

    assert read_change(key, to_plain(default)) == default


def test_what_a_process_is_made_of_is_read_at_its_start() -> None:
    for key in ("server.port", "data_dir", "logging.file", "performance.redis_connections"):
        assert is_read_at_start(key), key
    for key in ("retry.max_attempts", "logging.level", "no.such"):
        assert not is_read_at_start(key), key


def test_log_level_comes_from_the_variable_and_from_older_files(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[logging]\nfile_level = "ERROR"\nmax_files = 7\n')

    logs = load_sources(tmp_path, {}).compose().settings.logging
    assert (logs.level, logs.file_backups) == ("error", 7)
    assert (
        load_sources(tmp_path, {"LOG_LEVEL": "WARN"}).compose().settings.logging.level == "warning"
    )
