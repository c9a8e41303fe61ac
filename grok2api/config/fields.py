"""What the schema tells about each setting: for the defaults file, errors, masks and forms."""

import math
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any, get_type_hints

import msgspec
from msgspec import Struct, inspect

from grok2api.errors import SettingsError

_SECTION_SEPARATOR = "."
_UNITS = {
    "_s": "seconds",
    "_h": "hours",
    "_d": "days",
    "_mb": "megabytes",
    "_bytes": "bytes",
    "_per_minute": "per minute",
}
_BOOLEANS = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "false", "no", "off"), False),
}
_NOT_FINITE = frozenset({"nan", "inf", "infinity"})
_SHOWN_CHARACTERS = 60
_ENV_PREFIX = "GROK_"


class Kind(StrEnum):
    """What sort of value a setting holds."""

    TEXT = "text"
    BOOL = "bool"
    INT = "int"
    FLOAT = "float"
    CHOICE = "choice"
    LIST = "list"
    MAPPING = "mapping"
    PATH = "path"
    KEYS = "keys"


_ALLOWED = {
    Kind.BOOL: "true or false",
    Kind.LIST: 'a list of texts, as ["a", "b"] or "a,b"',
    Kind.MAPPING: 'texts by name, as {a = "b"} or "a=b,c=d"',
}


class FieldSpec(Struct, frozen=True):
    """One setting.

    `key` is its dotted name ("" where no file can set it), `attribute` its name in the Struct,
    `hint` its type as the Struct declares it, `allowed` the values it takes, in words.
    """

    key: str
    attribute: str
    kind: Kind
    hint: Any
    default: Any
    title: str
    help: str
    unit: str
    allowed: str
    choices: tuple[str, ...] = ()
    synonyms: dict[str, str] = {}
    variables: tuple[str, ...] = ()
    is_secret: bool = False

    @property
    def path(self) -> tuple[str, ...]:
        """The tables this setting stands in, the outermost first."""
        return tuple(self.section.split(_SECTION_SEPARATOR)) if self.section else ()

    @property
    def section(self) -> str:
        """The name of the TOML table this setting stands in."""
        return self.key.rpartition(_SECTION_SEPARATOR)[0]

    @property
    def name(self) -> str:
        """What it is called within its table."""
        return self.key.rpartition(_SECTION_SEPARATOR)[2]


class Section(Struct, frozen=True):
    """One TOML table: its name and what it is about."""

    name: str
    help: str


def describe(root: type[Struct], prefix: str = "") -> list[FieldSpec]:
    """Return every setting below `root`, in the order of the schema."""
    return list(_walk(root, prefix))


def describe_sections(root: type[Struct], prefix: str = "") -> list[Section]:
    """Return the tables of `root`, each before those within it, in the order of the schema."""
    found: list[Section] = []
    for name, kind in get_type_hints(root).items():
        if isinstance(kind, type) and issubclass(kind, Struct):
            key = f"{prefix}{name}"
            found.append(Section(key, (kind.__doc__ or "").strip()))
            found += describe_sections(kind, f"{key}{_SECTION_SEPARATOR}")
    return found


def convert_value(spec: FieldSpec, raw: object, where: str) -> Any:
    """Return `raw`, from TOML or a variable, as the value of `spec`.

    Raises:
        SettingsError: it cannot be one. Names `where` and what is allowed; never shows a secret.
    """
    try:
        return msgspec.convert(_normalise(spec, raw), spec.hint, strict=False)
    except msgspec.ValidationError:
        shown = "this value" if spec.is_secret else _shorten(raw)
        name = f" {spec.key}:" if spec.key and spec.key not in where else ""
        raise SettingsError(f"{where}:{name} {shown} is not {spec.allowed}") from None


def mask(spec: FieldSpec, value: object) -> object:
    """Return `value` as it may be shown: a secret only as "(set)" or "(empty)"."""
    if not spec.is_secret:
        return str(value) if isinstance(value, Path) else value
    return "(set)" if value else "(empty)"


def _walk(root: type[Struct], prefix: str) -> Iterator[FieldSpec]:
    hints = get_type_hints(root, include_extras=True)
    described = inspect.type_info(root)
    if not isinstance(described, inspect.StructType):
        raise TypeError(f"{root.__name__} is not a Struct")
    for field in described.fields:
        key = f"{prefix}{field.name}"
        if isinstance(field.type, inspect.StructType):
            yield from _walk(field.type.cls, f"{key}{_SECTION_SEPARATOR}")
        else:
            yield _describe_field(field, key, hints[field.name])


def _describe_field(field: inspect.Field, key: str, hint: Any) -> FieldSpec:
    if not isinstance(field.type, inspect.Metadata):
        raise TypeError(f"{key} has no Meta(title=, description=)")
    about = field.type.extra_json_schema or {}
    extra = field.type.extra or {}
    key = extra.get("key", key)
    kind = _kind_of(field.type.type)
    choices = tuple(map(str, getattr(field.type.type, "values", ())))
    own = _own_variables(key) if key else ()
    return FieldSpec(
        key=key,
        attribute=field.name,
        kind=kind,
        hint=hint,
        default=field.default_factory() if callable(field.default_factory) else field.default,
        title=about["title"],
        help=about["description"],
        unit=next((unit for end, unit in _UNITS.items() if field.name.endswith(end)), ""),
        allowed=extra.get("form") or _allowed(kind, field.type.type, choices),
        choices=choices,
        synonyms=extra.get("synonyms", {}),
        variables=(*extra.get("env", ()), *own),
        is_secret=bool(extra.get("secret")),
    )


def _own_variables(key: str) -> tuple[str, ...]:
    """`a.b` is GROK_A_B or GROK_A__B; deeper keys read the same way."""
    upper = key.upper()
    return (
        _ENV_PREFIX + upper.replace(_SECTION_SEPARATOR, "_"),
        _ENV_PREFIX + upper.replace(_SECTION_SEPARATOR, "__"),
    )


def _kind_of(described: inspect.Type) -> Kind:
    kinds: dict[type[inspect.Type], Kind] = {
        inspect.StrType: Kind.TEXT,
        inspect.BoolType: Kind.BOOL,
        inspect.IntType: Kind.INT,
        inspect.FloatType: Kind.FLOAT,
        inspect.LiteralType: Kind.CHOICE,
        inspect.CustomType: Kind.PATH,
        inspect.DictType: Kind.MAPPING,
    }
    if isinstance(described, inspect.VarTupleType):
        return Kind.KEYS if isinstance(described.item_type, inspect.BytesType) else Kind.LIST
    return kinds[type(described)]


def _allowed(kind: Kind, described: inspect.Type, choices: tuple[str, ...]) -> str:
    if kind in _ALLOWED:
        return _ALLOWED[kind]
    match kind:
        case Kind.CHOICE:
            return "one of " + ", ".join(choices)
        case Kind.INT:
            return "a whole number" + _bounds(described)
        case Kind.FLOAT:
            return "a number" + _bounds(described)
        case _:
            longest = getattr(described, "max_length", None)
            return "a text" + (f" of at most {longest} characters" if longest else "")


def _bounds(described: inspect.Type) -> str:
    low: float | None = getattr(described, "ge", None)
    above: float | None = getattr(described, "gt", None)
    high: float | None = getattr(described, "le", None)
    start = f" from {low}" if low is not None else ""
    if above is not None:
        start = f" above {above} and up"
    return start + (f" to {high}" if high is not None else "")


def _normalise(spec: FieldSpec, raw: object) -> object:
    """Bring the ways people write a value to the one msgspec takes."""
    value = _read_text(spec, raw.strip()) if isinstance(raw, str) else raw
    is_endless = isinstance(value, float) and not math.isfinite(value)
    return None if is_endless else value


def _read_text(spec: FieldSpec, text: str) -> object:
    word = text.lower()
    match spec.kind:
        case Kind.BOOL:
            return _BOOLEANS.get(word, text)
        case Kind.CHOICE:
            return spec.synonyms.get(word, word)
        case Kind.LIST | Kind.MAPPING:
            items = [item.strip() for item in text.split(",") if item.strip()]
            return items if spec.kind is Kind.LIST else _read_pairs(items)
        case Kind.FLOAT if word.lstrip("+-") in _NOT_FINITE:
            return None
        case Kind.PATH:
            return Path(text)
        case _:
            return text


def _read_pairs(items: list[str]) -> dict[str, str] | None:
    """Return what items such as `a=b` say; None where one is no such thing."""
    pairs = [(name.strip(), value.strip()) for name, _, value in (i.partition("=") for i in items)]
    return dict(pairs) if all(name and value for name, value in pairs) else None


def _shorten(raw: object) -> str:
    text = repr(raw)
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"
