"""What the file and the environment say, and what is in force with changes laid between them."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct, convert

from grok2api.config.fields import FieldSpec, convert_value, describe
from grok2api.config.layers import Found
from grok2api.config.legacy import PLACEHOLDERS
from grok2api.config.schema import BootSettings, Settings
from grok2api.errors import SettingsError

BOOT_SPECS: Final = tuple(describe(BootSettings))
SPECS: Final = tuple(describe(Settings))
BY_KEY: Final = {spec.key: spec for spec in SPECS}
DEFAULT: Final = "default"
STORE: Final = "store"

_START_SECTIONS: Final = frozenset({"performance"})
"""Sections of sizes that a process takes once."""


class LoadedSettings(Struct, frozen=True):
    """Settings in force, what was set but is not known here, and where each value comes from."""

    settings: Settings
    unknown: list[str]
    sources: dict[str, str]


def _accept(_: Settings) -> None:
    """Find nothing wrong."""


class Sources(Struct, frozen=True):
    """What the file and the environment of this process say, by key; read once at its start.

    `judge` raises SettingsError for settings whose values are fine, but which no process could
    work with: only the parts that they are for know that.
    """

    file: dict[str, Found] = {}
    environment: dict[str, Found] = {}
    unknown: list[str] = []
    judge: Callable[[Settings], None] = _accept

    def compose(self, stored: Mapping[str, Any] | None = None) -> LoadedSettings:
        """Lay the sources over each other: defaults, file, `stored` by key, environment.

        What is stored for a key that this version does not know is ignored, and told.

        Raises:
            SettingsError: a value is wrong, does not go with another one, or cannot be used.
        """
        stored = stored or {}
        changes = {
            key: Found(read_change(key, value), STORE)
            for key, value in stored.items()
            if key in BY_KEY and not is_read_at_start(key)
        }
        found = {**self.file, **changes, **self.environment}
        _refuse_placeholders(found)
        settings = _build(found)
        _check_statsig(settings, found)
        self.judge(settings)
        unknown = self.unknown + [f"{STORE}: {key}" for key in sorted(stored.keys() - changes)]
        sources = {key: found[key].source if key in found else DEFAULT for key in BY_KEY}
        return LoadedSettings(settings, unknown, sources)


def is_read_at_start(key: str) -> bool:
    """Whether a setting counts from the start of a process to its end."""
    spec = BY_KEY.get(key)
    if spec is None:
        return any(key in {boot.key, boot.attribute} for boot in BOOT_SPECS)
    return spec.section in _START_SECTIONS


def read_change(key: str, raw: object) -> Any:
    """Return `raw` as the value of the setting `key`, which is known.

    Raises:
        SettingsError: it cannot be one.
    """
    return convert_value(BY_KEY[key], raw, key)


def to_plain(value: object) -> Any:
    """Return the value of a setting as JSON has it."""
    return msgspec.to_builtins(value)


def value_of(settings: Settings, spec: FieldSpec) -> Any:
    """Return the value that a setting has."""
    section: Any = settings
    for name in spec.path:
        section = getattr(section, name)
    return getattr(section, spec.attribute)


def _build(found: Mapping[str, Found]) -> Settings:
    tables: dict[str, Any] = {}
    for spec in SPECS:
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


def _check_statsig(settings: Settings, found: Mapping[str, Found]) -> None:
    if settings.upstream.statsig_mode == "manual" and not settings.upstream.statsig_value:
        where = found["upstream.statsig_mode"].source
        raise SettingsError(
            f'{where}: upstream.statsig_mode is "manual", so upstream.statsig_value must be set'
        )
