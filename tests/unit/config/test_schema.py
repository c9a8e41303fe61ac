"""The schema is complete, and everything derived from it is current."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from grok2api.config.defaults import render_defaults, render_value
from grok2api.config.fields import FieldSpec, Kind, convert_value, describe, mask
from grok2api.config.layers import read_toml
from grok2api.config.legacy import ALIASES
from grok2api.config.loader import load_boot, load_settings
from grok2api.config.schema import BootSettings, Settings
from grok2api.resources import find_resource

SPECS = [*describe(BootSettings), *describe(Settings)]
BY_KEY = {spec.key: spec for spec in SPECS if spec.key}


def uncommented() -> str:
    return re.sub(r"(?m)^#(\w+ = )", r"\1", render_defaults())


def keys_of(tables: dict[str, Any], prefix: str = "") -> set[str]:
    """Return the dotted names of all values."""
    names: set[str] = set()
    for name, value in tables.items():
        key = f"{prefix}{name}"
        is_table = isinstance(value, dict) and key not in BY_KEY
        names |= keys_of(value, f"{key}.") if is_table else {key}
    return names


def test_committed_defaults_file_is_the_generated_one() -> None:
    committed = find_resource("config.defaults.toml").read_text(encoding="utf-8")

    assert committed == render_defaults(), "run: grok2api config defaults > config.defaults.toml"


def test_defaults_file_changes_nothing_as_it_is() -> None:
    tables = tomllib.loads(render_defaults())

    assert keys_of(tables) == set()


def test_uncommented_defaults_file_states_exactly_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(uncommented())

    loaded = load_settings(tmp_path, {})
    boot = load_boot({"data_dir": tmp_path}, {})

    assert loaded.settings == Settings()
    assert loaded.unknown == []
    assert boot == BootSettings(data_dir=tmp_path)


def test_defaults_file_names_every_setting(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(uncommented())

    assert keys_of(read_toml(path)) == set(BY_KEY)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.key or spec.attribute)
def test_setting_is_described_and_its_default_is_allowed(spec: FieldSpec) -> None:
    assert spec.title
    assert spec.help.endswith(".")
    if spec.kind is not Kind.KEYS:
        assert convert_value(spec, spec.default, "here") == spec.default


def test_number_of_seconds_or_bytes_says_its_unit() -> None:
    bare = {"server.port", "server.workers", "retry.max_attempts", "account.max_concurrency"}
    bare |= {"account.selection.max_waiting", "account.selection.max_waiting_per_key"}
    bare |= {"account.refresh.concurrency"}
    bare |= {"performance.upstream_connections", "performance.redis_connections"}
    bare |= {"batch.concurrency", "responses.max_count", "responses.max_background"}
    bare |= {"files.max_files", "files.upload_concurrency"}
    bare |= {"security.rate_limit_burst"}
    bare |= {"logging.file_backups"}
    bare |= {"cache.local.low_water", "video.concurrency", "video.max_jobs_per_key"}
    bare |= {"stats.log_max_entries", "stats.actions_max_entries", "stats.file_backups"}

    numbers = {spec.key for spec in SPECS if spec.kind in {Kind.INT, Kind.FLOAT} and not spec.unit}

    assert numbers == bare


def test_variables_are_unambiguous() -> None:
    names = [name for spec in SPECS for name in spec.variables]

    assert len(names) == len(set(names))


def test_old_names_point_to_settings_and_hide_none() -> None:
    assert {alias.new for alias in ALIASES} <= set(BY_KEY)
    assert not {alias.old for alias in ALIASES} & set(BY_KEY)


def test_secret_is_masked_and_the_rest_shown() -> None:
    assert mask(BY_KEY["app.app_key"], "hunter2") == "(set)"
    assert mask(BY_KEY["app.app_key"], "") == "(empty)"
    assert mask(BY_KEY["retry.max_attempts"], 3) == 3


def test_values_are_written_as_toml() -> None:
    value = ['say "hi" \\d', True, 3, 2.5, "ü\n", {"a *": "b", "c": "d"}, {}]

    assert tomllib.loads(f"x = {render_value(value)}")["x"] == value
