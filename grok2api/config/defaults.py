"""The text of config.defaults.toml: each setting, what it means and its default, commented out."""

import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from grok2api.config.fields import FieldSpec, Kind, Section, describe, describe_sections
from grok2api.config.schema import BootSettings, Settings

_WIDTH = 98
_HEAD = """\
# Settings of grok2api.
#
# Every setting stands here with its default, switched off by the "#" before its name. To change
# one, take the "#" away and write your value; what stays commented out follows the defaults of the
# version you run. `grok2api config check` reads this file, `grok2api config show` tells what is in
# force and where it comes from.
#
# A variable of the environment wins over this file: GROK_RETRY_MAX_ATTEMPTS is max_attempts in
# [retry], and so is GROK_RETRY__MAX_ATTEMPTS. A secret can stand in a file of its own, named by the
# variable with _FILE at its end: GROK_APP_API_KEY_FILE=/run/secrets/api_key.
"""
_BOOT_SECTIONS = (
    Section("server", "Where and how the gateway listens. Read at start."),
    Section("store", "Where state is kept. Read at start."),
    Section("tracing", "Spans for OpenTelemetry. Read at start."),
)


def render_defaults() -> str:
    """Return the commented TOML, generated from the schema."""
    specs = [*describe(BootSettings), *describe(Settings)]
    lines = [_HEAD.rstrip()]
    for section in (*_BOOT_SECTIONS, *describe_sections(Settings)):
        lines += [f"\n[{section.name}]", *_comment(section.help)]
        for spec in specs:
            if spec.section == section.name:
                lines += ["", *_render_field(spec)]
    return "\n".join(lines) + "\n"


def render_value(value: Any) -> str:
    """Return `value` as TOML."""
    if isinstance(value, tuple | list):
        return "[" + ", ".join(render_value(item) for item in value) + "]"
    if isinstance(value, dict):
        pairs = (f"{render_value(name)} = {render_value(item)}" for name, item in value.items())
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, Path):
        value = str(value)
    return msgspec.json.encode(value).decode()


def _render_field(spec: FieldSpec) -> Iterator[str]:
    yield from _comment(" ".join(filter(None, (spec.help, _limits(spec), _variables(spec)))))
    yield f"#{spec.name} = {render_value(spec.default)}"


def _limits(spec: FieldSpec) -> str:
    if spec.kind in {Kind.BOOL, Kind.LIST, Kind.MAPPING}:
        return ""
    unit = f", {'' if spec.unit.startswith('per ') else 'in '}{spec.unit}" if spec.unit else ""
    allowed = spec.allowed[0].upper() + spec.allowed[1:]
    return "" if allowed == "A text" else f"{allowed}{unit}."


def _variables(spec: FieldSpec) -> str:
    others = [name for name in spec.variables if not name.startswith("GROK_")]
    return f"Also from {', '.join(others)}." if others else ""


def _comment(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent="# ", subsequent_indent="# ")
