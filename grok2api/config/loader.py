"""Reads settings: defaults, then ${DATA_DIR}/config.toml, then the environment, then flags.

The only module that reads the environment.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct, structs

from grok2api.config.defaults import render_defaults
from grok2api.config.fields import FieldSpec, Kind
from grok2api.config.files import create_once, make_folder
from grok2api.config.layers import (
    FILE_NAME,
    Layers,
    apply_environment,
    apply_file,
    apply_overrides,
    identity,
    list_unknown_variables,
)
from grok2api.config.networks import ANYBODY, parse_network
from grok2api.config.schema import BootSettings
from grok2api.config.secret_key import FILE_NAME as KEY_FILE_NAME, ensure_keys, read_keys
from grok2api.config.sources import (
    BOOT_SPECS,
    DEFAULT,
    SPECS,
    LoadedSettings,
    Sources,
    value_of,
)

_KNOWN_KEYS = frozenset(spec.key for spec in (*BOOT_SPECS, *SPECS) if spec.key)
_DATA_DIR_SPECS = tuple(spec for spec in BOOT_SPECS if spec.attribute == "data_dir")


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


def load_sources(data_dir: Path, environment: Mapping[str, str] | None = None) -> Sources:
    """Read what the file and the environment say of all that shapes behaviour. Writes nothing.

    Raises:
        SettingsError: as `load_boot`.
    """
    variables = _environment(environment)
    file, own = Layers(SPECS), Layers(SPECS)
    apply_file(file, data_dir / FILE_NAME, _KNOWN_KEYS)
    apply_environment(own, variables)
    unknown = list_unknown_variables(variables, (*BOOT_SPECS, *SPECS))
    return Sources(file.found, own.found, [*file.unknown, *own.unknown, *unknown])


def load_settings(data_dir: Path, environment: Mapping[str, str] | None = None) -> LoadedSettings:
    """Read what file and environment put in force; changes of the store are not among it.

    Raises:
        SettingsError: as `load_boot`; also when a secret is still a well-known placeholder.
    """
    return load_sources(data_dir, environment).compose()


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
        for spec in BOOT_SPECS
    ]
    loaded = load_settings(boot.data_dir, variables)
    for spec in SPECS:
        value = value_of(loaded.settings, spec)
        shown.append(Shown(spec, value, loaded.sources[spec.key]))
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
        "LOG_FORMAT": boot.log_format,
    }


def demo_environment(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return this process's environment without what names real accounts, stores or folders.

    Only warnings are logged unless LOG_LEVEL says otherwise: the first screen is for the greeting.
    """
    own = {name for spec in BOOT_SPECS if spec.is_secret for name in spec.variables}
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
    layers = Layers(BOOT_SPECS)
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


def _source_of(layers: Layers, spec: FieldSpec) -> str:
    found = layers.found.get(identity(spec))
    return DEFAULT if found is None else found.source


def _source_of_boot(layers: Layers, spec: FieldSpec, boot: BootSettings) -> str:
    if spec.kind is Kind.KEYS and boot.secret_keys and identity(spec) not in layers.found:
        return str(boot.data_dir / KEY_FILE_NAME)
    return _source_of(layers, spec)


def _absolute(path: Path) -> Path:
    return path.expanduser().absolute()
