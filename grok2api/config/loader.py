"""Reads settings: defaults, then ${DATA_DIR}/config.toml, then the environment, then flags.

The only module that reads the environment.
"""

import os
from collections.abc import Mapping
from functools import reduce
from pathlib import Path
from typing import Any

from msgspec import Struct, convert, structs

from grok2api.config.defaults import render_defaults
from grok2api.config.fields import FieldSpec, Kind, describe
from grok2api.config.files import create_once, make_folder
from grok2api.config.layers import (
    FILE_NAME,
    Found,
    Layers,
    apply_environment,
    apply_file,
    apply_overrides,
    identity,
    list_unknown_variables,
)
from grok2api.config.legacy import PLACEHOLDERS
from grok2api.config.networks import ANYBODY, parse_network
from grok2api.config.schema import BootSettings, Settings
from grok2api.config.secret_key import FILE_NAME as KEY_FILE_NAME, ensure_keys, read_keys
from grok2api.errors import SettingsError

_BOOT_SPECS = tuple(describe(BootSettings))
_SPECS = tuple(describe(Settings))
_KNOWN_KEYS = frozenset(spec.key for spec in (*_BOOT_SPECS, *_SPECS) if spec.key)
_DATA_DIR_SPECS = tuple(spec for spec in _BOOT_SPECS if spec.attribute == "data_dir")
_DEFAULT = "default"


class LoadedSettings(Struct, frozen=True):
    """Settings in force, what was set but is not known here, and where each value comes from."""

    settings: Settings
    unknown: list[str]
    sources: dict[str, str]


class Shown(Struct, frozen=True):
    """A setting in force, as `config show` lists it."""

    spec: FieldSpec
    value: Any
    source: str


def load_boot(
    overrides: Mapping[str, object] | None = None, environment: Mapping[str, str] | None = None
) -> BootSettings:
    """Read what a process needs to exist. Writes nothing.

    `overrides` are flags by attribute (`host`, `data_dir`, …); None means not given. `secret_keys`
    is empty when there is no key file yet: `prepare` makes it.

    Raises:
        SettingsError: one line: where, which key, what is wrong and what is allowed.
    """
    return _build_boot(_read_boot(overrides or {}, _environment(environment)))


def load_settings(data_dir: Path, environment: Mapping[str, str] | None = None) -> LoadedSettings:
    """Read everything that shapes behaviour. Writes nothing.

    Raises:
        SettingsError: as `load_boot`; also when a secret is still a well-known placeholder.
    """
    variables = _environment(environment)
    layers = Layers(_SPECS)
    apply_file(layers, data_dir / FILE_NAME, _KNOWN_KEYS)
    apply_environment(layers, variables)
    _refuse_placeholders(layers.found)
    settings = _build_settings(layers.found)
    if settings.upstream.statsig_mode == "manual" and not settings.upstream.statsig_value:
        where = layers.found["upstream.statsig_mode"].source
        raise SettingsError(
            f'{where}: upstream.statsig_mode is "manual", so upstream.statsig_value must be set'
        )
    unknown = layers.unknown + list_unknown_variables(variables, (*_BOOT_SPECS, *_SPECS))
    sources = {spec.key: _source_of(layers, spec) for spec in _SPECS}
    return LoadedSettings(settings, unknown, sources)


def load_shown(
    overrides: Mapping[str, object] | None = None, environment: Mapping[str, str] | None = None
) -> list[Shown]:
    """Return every setting with its value and where that comes from.

    Raises:
        SettingsError: as `load_settings`.
    """
    variables = _environment(environment)
    boot_layers = _read_boot(overrides or {}, variables)
    boot = _build_boot(boot_layers)
    shown = [
        Shown(spec, getattr(boot, spec.attribute), _source_of_boot(boot_layers, spec, boot))
        for spec in _BOOT_SPECS
    ]
    loaded = load_settings(boot.data_dir, variables)
    for spec in _SPECS:
        section = reduce(getattr, spec.path, loaded.settings)
        shown.append(Shown(spec, getattr(section, spec.attribute), loaded.sources[spec.key]))
    return shown


def prepare(boot: BootSettings) -> BootSettings:
    """Make the data folder ready: the folder, config.toml and the secret key, where missing.

    Returns `boot` with its secret keys. Any number of processes may do this at the same time.

    Raises:
        SettingsError: the folder cannot be made or written to.
    """
    make_folder(boot.data_dir)
    create_once(boot.data_dir / FILE_NAME, render_defaults().encode())
    if boot.secret_keys:
        return boot
    return structs.replace(boot, secret_keys=ensure_keys(boot.data_dir))


def child_environment(
    boot: BootSettings, environment: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return this process's environment with `boot` in it, so that a child loads the same."""
    inherited = {
        name: text
        for name, text in _environment(environment).items()
        if name != "GROK2API_REDIS_URL_FILE"
    }
    return {
        **inherited,
        "SERVER_HOST": boot.host,
        "SERVER_PORT": str(boot.port),
        "SERVER_WORKERS": str(boot.workers),
        "GROK_SERVER_GRACEFUL_TIMEOUT_S": str(boot.graceful_timeout_s),
        "FORWARDED_ALLOW_IPS": ",".join(boot.forwarded_allow_ips),
        "DATA_DIR": str(boot.data_dir),
        "GROK2API_REDIS_URL": boot.redis_url,
        "LOG_LEVEL": boot.log_level,
        "LOG_FORMAT": boot.log_format,
    }


def demo_environment(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return this process's environment without what names real accounts, stores or folders.

    Only warnings are logged unless LOG_LEVEL says otherwise: the first screen is for the greeting.
    """
    own = {name for spec in _BOOT_SPECS if spec.is_secret for name in spec.variables}
    own |= {f"{name}_FILE" for name in own} | {"DATA_DIR"}
    return {"LOG_LEVEL": "warning"} | {
        name: text
        for name, text in _environment(environment).items()
        if name not in own and not name.startswith("GROK_")
    }


def _environment(given: Mapping[str, str] | None) -> Mapping[str, str]:
    return os.environ if given is None else given


def _read_boot(overrides: Mapping[str, object], variables: Mapping[str, str]) -> Layers:
    first = Layers(_DATA_DIR_SPECS)
    apply_environment(first, variables)
    apply_overrides(first, overrides)
    data_dir = _absolute(BootSettings(**first.values()).data_dir)
    layers = Layers(_BOOT_SPECS)
    apply_file(layers, data_dir / FILE_NAME, _KNOWN_KEYS)
    apply_environment(layers, variables)
    apply_overrides(layers, overrides)
    return layers


def _build_boot(layers: Layers) -> BootSettings:
    boot = BootSettings(**layers.values())
    if proxies := layers.found.get("server.forwarded_allow_ips"):
        for entry in set(proxies.value) - {ANYBODY}:
            parse_network(entry, f"{proxies.source}: server.forwarded_allow_ips")
    data_dir = _absolute(boot.data_dir)
    # Accounts sealed with a key of the file stay readable behind one of the variable.
    keys = tuple(dict.fromkeys((*boot.secret_keys, *read_keys(data_dir))))
    return structs.replace(boot, data_dir=data_dir, secret_keys=keys)


def _build_settings(found: Mapping[str, Found]) -> Settings:
    tables: dict[str, Any] = {}
    for spec in _SPECS:
        if spec.key in found:
            table = tables
            for name in spec.path:
                table = table.setdefault(name, {})
            table[spec.attribute] = found[spec.key].value
    return convert(tables, Settings)


def _refuse_placeholders(found: Mapping[str, Found]) -> None:
    for key, remedy in (
        ("app.app_key", "or take it out: the first start makes one and prints it"),
        ("app.api_key", "or make a client key with `grok2api keys create NAME`"),
    ):
        value = found[key].value if key in found else ()
        if PLACEHOLDERS & set((value,) if isinstance(value, str) else value):
            raise SettingsError(
                f"{found[key].source}: {key} is a placeholder everybody knows; "
                f"choose your own, {remedy}"
            )


def _source_of(layers: Layers, spec: FieldSpec) -> str:
    found = layers.found.get(identity(spec))
    return _DEFAULT if found is None else found.source


def _source_of_boot(layers: Layers, spec: FieldSpec, boot: BootSettings) -> str:
    if spec.kind is Kind.KEYS and boot.secret_keys and identity(spec) not in layers.found:
        return str(boot.data_dir / KEY_FILE_NAME)
    return _source_of(layers, spec)


def _absolute(path: Path) -> Path:
    return path.expanduser().absolute()
