"""What operators are shown of settings and of changes to them; secrets never."""

from typing import Any, Final

from msgspec import Struct

from grok2api.config.fields import FieldSpec, mask
from grok2api.config.schema import Settings
from grok2api.config.sources import BY_KEY, value_of

START: Final = "start"
MASKS: Final = ("(set)", "(empty)", "***REDACTED***")
"""How secrets are shown, here and by older versions: nobody means them as values."""


class SettingView(Struct, frozen=True, kw_only=True):
    """One setting. `origin` is default, file, store, environment, or start for those of a process.

    `source` names the file or variable. A secret has no `value`, only `is_set`. `locked` says why
    it cannot be changed here, "" where it can; `is_stored`: a change of it is kept.
    """

    key: str
    section: str
    title: str
    help: str
    kind: str
    unit: str
    allowed: str
    choices: tuple[str, ...]
    default: Any
    value: Any
    is_secret: bool
    is_set: bool
    is_stored: bool
    origin: str
    source: str
    locked: str


class SettingsView(Struct, frozen=True):
    """All settings, as they are in force from a revision on.

    `problem` says why what is stored cannot be used, "" where it can; the values are then those of
    file and environment.
    """

    revision: int
    settings: list[SettingView]
    unknown: list[str]
    problem: str


class Difference(Struct, frozen=True):
    """What a change does to one setting; secrets are "(set)" or "(empty)"."""

    key: str
    before: Any
    after: Any


class Problem(Struct, frozen=True):
    """Why a change is refused; `key` is "" where it is about all of it."""

    key: str
    code: str
    message: str


class Draft(Struct, frozen=True):
    """What would be stored as the revision after `revision`, and what is wrong with it."""

    revision: int
    values: dict[str, Any]
    differences: list[Difference]
    problems: list[Problem]


def view_setting(
    spec: FieldSpec,
    value: Any,
    *,
    origin: str = START,
    source: str = "",
    locked: str = "This is read when a process starts.",
    is_stored: bool = False,
) -> SettingView:
    """Return a setting as it may be shown."""
    hidden = spec.is_secret
    return SettingView(
        key=spec.key or spec.attribute,
        section=spec.section,
        title=spec.title,
        help=spec.help,
        kind=spec.kind.value,
        unit=spec.unit,
        allowed=spec.allowed,
        choices=spec.choices,
        default=None if hidden else mask(spec, spec.default),
        value=None if hidden else mask(spec, value),
        is_secret=hidden,
        is_set=bool(value) if hidden else value != spec.default,
        is_stored=is_stored,
        origin=origin,
        source=source,
        locked=locked,
    )


def show_value(settings: Settings | None, key: str) -> Any:
    """Return the value in force, as it may be shown; None where it is not known."""
    spec = BY_KEY.get(key)
    return None if settings is None or spec is None else mask(spec, value_of(settings, spec))
