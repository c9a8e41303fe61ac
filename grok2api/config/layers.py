"""Lays the sources of settings over each other: file, then environment, then flags."""

import re
import tomllib
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from grok2api.config.fields import FieldSpec, Kind, convert_value
from grok2api.config.files import read_text
from grok2api.config.legacy import (
    ALIASES,
    DEFAULT_LOG_FOLDER,
    IGNORED_VARIABLES,
    LOG_FOLDER,
    LOG_NAME,
    LOG_SWITCH,
    Alias,
)
from grok2api.config.secret_key import parse_keys
from grok2api.errors import SettingsError

FILE_NAME = "config.toml"
_PREFIX = "GROK_"
_FILE_SUFFIX = "_FILE"
_LOG_FILE = "logging.file"
_YES = frozenset({"1", "true", "yes", "on"})
_SHARED_VARIABLE = "SERVER_STORAGE_URL"
_REDIS_URL = re.compile(r"(rediss?(\+(sentinel|cluster))?|unix)://")


class Found(Struct, frozen=True):
    """A value and where it comes from: a file, a variable or a flag."""

    value: Any
    source: str


class Layers(Struct):
    """What was found, by setting (its key, or its attribute where it has none)."""

    specs: Sequence[FieldSpec]
    found: dict[str, Found] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)

    def values(self) -> dict[str, Any]:
        """Return attribute → value, for specs without a table."""
        return {
            spec.attribute: self.found[identity(spec)].value
            for spec in self.specs
            if identity(spec) in self.found
        }


def identity(spec: FieldSpec) -> str:
    """Return the name of a setting in `Layers.found`."""
    return spec.key or spec.attribute


def read_toml(path: Path) -> dict[str, Any]:
    """Return the tables of `path`; {} where there is no such file.

    Raises:
        SettingsError: it cannot be read, or is not TOML; names line and column.
    """
    text = read_text(path)
    try:
        return {} if text is None else tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path}: not valid TOML: {error}") from None


def apply_file(layers: Layers, path: Path, known: frozenset[str]) -> None:
    """Take what the file at `path` says; `known` are the keys of all settings there are.

    Raises:
        SettingsError: the file, or the value of a setting in it, is wrong.
    """
    flat = dict(_flatten(read_toml(path), known))
    specs = {spec.key: spec for spec in layers.specs if spec.key}
    for alias in ALIASES:
        if alias.old in flat and alias.new in specs:
            value = alias.translate(flat[alias.old], flat)
            _apply_alias(layers, alias, specs[alias.new], value, f"{path}: {alias.old}")
    for key, spec in specs.items():
        if key in flat:
            where = f"{path}: {key}"
            layers.found[key] = Found(convert_value(spec, flat[key], where), str(path))
    old = {alias.old for alias in ALIASES}
    layers.unknown += sorted(f"{path}: {key}" for key in flat.keys() - known - old)


def read_older_names(tables: Mapping[str, Any], known: Collection[str]) -> dict[str, Any]:
    """Return the values of `tables` by key, those of older names under the names of today."""
    flat = dict(_flatten(tables, known))
    for alias in ALIASES:
        if alias.old in flat:
            flat[alias.new] = alias.translate(flat.pop(alias.old), flat)
    return flat


def apply_environment(layers: Layers, environment: Mapping[str, str]) -> None:
    """Take what variables say. An empty variable counts as not set.

    Raises:
        SettingsError: a variable is wrong, or the file it names cannot be read.
    """
    specs = {spec.key: spec for spec in layers.specs if spec.key}
    _apply_old_log_file(layers, specs, environment)
    for alias in ALIASES:
        for name in _variables_of(alias.old):
            if environment.get(name) and alias.new in specs:
                value = alias.translate(_read_plain(environment[name]), {})
                _apply_alias(layers, alias, specs[alias.new], value, name)
    for spec in layers.specs:
        for name in reversed(spec.variables):
            _apply_variable(layers, spec, name, environment)


def apply_overrides(layers: Layers, overrides: Mapping[str, object]) -> None:
    """Take what flags say, by attribute; None is not said.

    Raises:
        SettingsError: a value is wrong.
    """
    for spec in layers.specs:
        raw = overrides.get(spec.attribute)
        if raw is not None:
            flag = "--" + spec.attribute.replace("_", "-")
            layers.found[identity(spec)] = Found(convert_value(spec, raw, flag), flag)


def list_unknown_variables(environment: Mapping[str, str], specs: Sequence[FieldSpec]) -> list[str]:
    """Return the variables that look like settings and are none."""
    known = {name for spec in specs for name in spec.variables}
    known |= {name + _FILE_SUFFIX for name in known}
    known |= {name for alias in ALIASES for name in _variables_of(alias.old)}
    unknown = {name for name in environment if name.startswith(_PREFIX)} - known
    unknown |= {name for name in IGNORED_VARIABLES if environment.get(name)}
    if not _is_meant(_SHARED_VARIABLE, environment.get(_SHARED_VARIABLE, "")):
        unknown.add(f"{_SHARED_VARIABLE} (not a Redis URL)")
    return sorted(unknown)


def _apply_variable(
    layers: Layers, spec: FieldSpec, name: str, environment: Mapping[str, str]
) -> None:
    text, where = environment.get(name, "").strip(), name
    path = environment.get(name + _FILE_SUFFIX, "").strip() if spec.is_secret else ""
    if path:
        if text:
            raise SettingsError(f"{name} and {name}{_FILE_SUFFIX} are both set; keep one")
        text, where = _read_secret_file(name + _FILE_SUFFIX, Path(path)), name + _FILE_SUFFIX
    if not text or not _is_meant(name, text):
        return
    is_keys = spec.kind is Kind.KEYS
    value = parse_keys(text, where) if is_keys else convert_value(spec, text, where)
    layers.found[identity(spec)] = Found(value, where)


def _apply_alias(layers: Layers, alias: Alias, spec: FieldSpec, raw: object, where: str) -> None:
    """Old values are taken where they still make sense, and reported where not."""
    if raw in ("", []):
        return
    try:
        value = convert_value(spec, raw, where)
    except SettingsError as error:
        layers.unknown.append(f"{error.message}; {spec.key} stays as it is")
    else:
        layers.found[alias.new] = Found(value, where)


def _apply_old_log_file(
    layers: Layers, specs: Mapping[str, FieldSpec], environment: Mapping[str, str]
) -> None:
    """Older versions had a switch and a folder; a folder alone meant that it is on."""
    switch, folder = environment.get(LOG_SWITCH, ""), environment.get(LOG_FOLDER, "")
    if _LOG_FILE not in specs or not (switch or folder):
        return
    is_on = bool(folder) if not switch else switch.strip().lower() in _YES
    file = str(Path(folder or DEFAULT_LOG_FOLDER) / LOG_NAME) if is_on else ""
    layers.found[_LOG_FILE] = Found(file, LOG_SWITCH if switch else LOG_FOLDER)


def _flatten(
    tables: Mapping[str, Any], known: Collection[str], prefix: str = ""
) -> Iterator[tuple[str, Any]]:
    for name, value in tables.items():
        key = f"{prefix}{name}"
        if isinstance(value, dict) and key not in known:
            yield from _flatten(value, known, f"{key}.")
        else:
            yield key, value


def _variables_of(key: str) -> tuple[str, str]:
    upper = key.upper()
    return _PREFIX + upper.replace(".", "_"), _PREFIX + upper.replace(".", "__")


def _read_plain(text: str) -> object:
    """Read a variable as TOML would, where it is a plain number or truth value."""
    word = text.strip().lower()
    if word in {"true", "false"}:
        return word == "true"
    return int(word) if word.isdecimal() else text


def _read_secret_file(name: str, path: Path) -> str:
    text = read_text(path)
    if text is None or not text.strip():
        raise SettingsError(f"{name}: {path} is {'missing' if text is None else 'empty'}")
    return text.strip()


def _is_meant(name: str, text: str) -> bool:
    """One variable of older versions also held addresses of other databases."""
    return name != _SHARED_VARIABLE or not text or _REDIS_URL.match(text) is not None
