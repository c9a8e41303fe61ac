"""The header of a Lua script is its contract: parse it, and expand the includes it names."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, field

from grok2api.resources import find_resource

_REPLY_TYPES = ("string", "integer", "bytes")
_ARG_TYPES = ("string", "integer", "bytes")
_KEY_TYPES = ("ZSET", "HASH", "STRING", "LIST", "SET", "STREAM")
_TAG = re.compile(r"^-- @(\w+)\s+(\S.*)$")
_FUNCTION = re.compile(r"^local function (\w+)\(", re.MULTILINE)

Word = str | bytes | int


class Parameter(Struct, frozen=True):
    """A declared key or argument; `types` has several members for a repeated group of keys."""

    name: str
    types: tuple[str, ...]


class Header(Struct, frozen=True, kw_only=True):
    """What a script declares about itself."""

    name: str
    keys: tuple[Parameter, ...] = ()
    args: tuple[Parameter, ...] = ()
    more_keys: Parameter | None = None
    more_args: Parameter | None = None
    replies: dict[str, tuple[Parameter, ...]] = field(default_factory=dict)
    includes: tuple[str, ...] = ()
    is_repeatable: bool = False

    def order_keys(self, given: Mapping[str, str | Sequence[str]]) -> list[str]:
        """Return the keys in their declared order.

        Raises:
            ValueError: a name is missing or unknown, or a group is incomplete.
        """
        self._check_names("key", given, self.keys, self.more_keys)
        ordered = [_take(given[key.name], str, key) for key in self.keys]
        if self.more_keys is not None:
            more = list(given[self.more_keys.name])
            if len(more) % len(self.more_keys.types):
                raise ValueError(f"{self.name}: {self.more_keys.name} is not whole groups")
            ordered += more
        return ordered

    def order_args(self, given: Mapping[str, Word | Sequence[str | bytes]]) -> list[Word]:
        """Return the arguments in their declared order.

        Raises:
            ValueError: a name is missing or unknown.
            TypeError: a value has the wrong type.
        """
        self._check_names("argument", given, self.args, self.more_args)
        ordered: list[Word] = [
            _take(given[arg.name], _PYTHON_TYPES[arg.types[0]], arg) for arg in self.args
        ]
        if self.more_args is not None:
            more = given[self.more_args.name]
            if isinstance(more, (str, bytes, int)):
                raise TypeError(f"{self.name}: {self.more_args.name} takes several values")
            ordered += more
        return ordered

    def decode(self, raw: Any) -> list[Any]:
        """Turn a raw reply into its word and its typed fields.

        Raises:
            ValueError: the reply is not one that the header declares.
        """
        word = raw[0].decode()
        fields = self.replies.get(word)
        if fields is None or len(fields) != len(raw) - 1:
            raise ValueError(f"reply {word!r} with {len(raw) - 1} fields is not declared")
        return [word, *(_decode_field(f, value) for f, value in zip(fields, raw[1:], strict=True))]

    def _check_names(
        self,
        what: str,
        given: Mapping[str, object],
        declared: tuple[Parameter, ...],
        more: Parameter | None,
    ) -> None:
        names = {parameter.name for parameter in declared}
        if more is not None:
            names.add(more.name)
        if given.keys() != names:
            wrong = ", ".join(sorted(given.keys() ^ names))
            raise ValueError(f"{self.name}: {what} missing or unknown: {wrong}")


_PYTHON_TYPES: dict[str, type] = {"string": str, "integer": int, "bytes": bytes}


def list_scripts() -> list[str]:
    """Return the names of all scripts, such as "account/acquire"."""
    root = find_resource("lua")
    return sorted(
        path.relative_to(root).with_suffix("").as_posix()
        for path in root.glob("*/*.lua")
        if path.parent.name != "include"
    )


def expand_script(name: str) -> tuple[Header, str]:
    """Return the header of script `name` and its text with the includes in it.

    Keys that an include declares come before the script's own.

    Raises:
        ValueError: the header, or an include, is not as it must be.
        FileNotFoundError: there is no such script.
    """
    root = find_resource("lua")
    source = (root / f"{name}.lua").read_text(encoding="utf-8")
    header = parse_header(name, source)
    head, body = _split(source)
    parts = [head]
    for position, include in enumerate(header.includes):
        text = (root / "include" / f"{include}.lua").read_text(encoding="utf-8")
        _check_include(include, text, header.includes[:position])
        header = _with_keys_of(header, parse_header(include, text))
        parts.append(text)
    return header, "".join([*parts, body])


def expand_all(target: Path) -> list[Path]:
    """Write every expanded script below `target`, for luacheck and the debugger."""
    written = []
    for name in list_scripts():
        path = target / f"{name}.lua"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(expand_script(name)[1], encoding="utf-8")
        written.append(path)
    return written


def parse_header(name: str, source: str) -> Header:
    """Read the contract from the comment at the top of `source`.

    Raises:
        ValueError: a line says something that the contract does not know.
    """
    head, _ = _split(source)
    if not head.startswith("--- "):
        raise ValueError(f"{name}: the first line must say what the script does")
    lines = [match.groups() for line in head.splitlines() if (match := _TAG.match(line))]
    tagged: dict[str, list[str]] = {}
    for tag, text in lines:
        tagged.setdefault(tag, []).append(text)
    unknown = tagged.keys() - _TAGS
    if unknown:
        raise ValueError(f"{name}: unknown tags {sorted(unknown)}")
    return Header(
        name=name,
        keys=tuple(_parameter(name, text, _KEY_TYPES) for text in tagged.get("key", [])),
        args=tuple(_parameter(name, text, _ARG_TYPES) for text in tagged.get("arg", [])),
        more_keys=_only(name, tagged.get("keys", []), _KEY_TYPES),
        more_args=_only(name, tagged.get("args", []), _ARG_TYPES),
        replies=dict(_reply(name, text) for text in tagged.get("reply", [])),
        includes=tuple(tagged.get("include", [])),
        is_repeatable="repeatable" in tagged,
    )


_TAGS = frozenset(("key", "keys", "arg", "args", "reply", "repeatable", "cost", "include", "needs"))


def _with_keys_of(header: Header, include: Header) -> Header:
    return msgspec.structs.replace(
        header,
        keys=include.keys + header.keys,
        more_keys=header.more_keys or include.more_keys,
    )


def _split(source: str) -> tuple[str, str]:
    lines = source.splitlines(keepends=True)
    for number, line in enumerate(lines):
        if not line.startswith("--"):
            return "".join(lines[:number]), "".join(lines[number:])
    return source, ""


def _parameter(name: str, text: str, types: Sequence[str]) -> Parameter:
    parameter, _, rest = text.partition(" ")
    found = tuple(rest.split(maxsplit=1)[0].split(",")) if rest.strip() else ()
    if not found or not set(found) <= set(types):
        raise ValueError(f"{name}: expected a name and one of {types}: {text!r}")
    return Parameter(parameter, found)


def _only(name: str, texts: list[str], types: Sequence[str]) -> Parameter | None:
    if len(texts) > 1:
        raise ValueError(f"{name}: only one list of keys and one of arguments may trail")
    return _parameter(name, texts[0], types) if texts else None


def _reply(name: str, text: str) -> tuple[str, tuple[Parameter, ...]]:
    word, *fields = text.partition("(")[0].split()
    parsed = []
    for entry in fields:
        field_name, _, type_name = entry.partition(":")
        if type_name not in _REPLY_TYPES:
            raise ValueError(f"{name}: reply field {entry!r} has no known type")
        parsed.append(Parameter(field_name, (type_name,)))
    return word, tuple(parsed)


def _check_include(name: str, text: str, before: Sequence[str]) -> None:
    if _FUNCTION.findall(text) != [name]:
        raise ValueError(f"include {name}: must hold the local function {name} and nothing else")
    tags = [match.groups() for line in text.splitlines() if (match := _TAG.match(line))]
    needs = {value for tag, value in tags if tag == "needs"}
    if not needs <= set(before):
        raise ValueError(f"include {name}: include {sorted(needs - set(before))} before it")


def _take(value: Any, expected: type, parameter: Parameter) -> Any:
    if not isinstance(value, expected) or isinstance(value, bool):
        raise TypeError(f"{parameter.name} must be {expected.__name__}")
    return value


def _decode_field(parameter: Parameter, value: Any) -> Any:
    match parameter.types[0]:
        case "string":
            return value.decode() if isinstance(value, bytes) else value
        case "integer":
            return int(value) if isinstance(value, bytes) else value
        case _:
            return value
