"""JSON Schemas that clients give: whether they make sense, and whether a value fits."""

from typing import Any, Final

import jsonschema_rs
from msgspec import Struct

_MAX_REGEX_STEPS: Final = 100_000
# Regular expressions come from clients: neither their size nor their running time may be theirs to
# choose.
_PATTERNS: Final = jsonschema_rs.FancyRegexOptions(
    backtrack_limit=_MAX_REGEX_STEPS, size_limit=1_000_000, dfa_size_limit=1_000_000
)


class SchemaError(ValueError):
    """A schema that cannot be used; the text says why."""


class Misfit(Struct, frozen=True):
    """Where a value does not fit its schema, and why. `path` is like `items[0].name`."""

    path: str
    why: str


class JsonSchema:
    """A schema ready for use. Nothing is ever fetched: references lead into the schema only."""

    __slots__ = ("_validator",)

    def __init__(self, schema: dict[str, Any]) -> None:
        """Read `schema`.

        Raises:
            SchemaError: it is none.
        """
        try:
            self._validator = _compile(schema)
        except SchemaError:
            # Clients name versions of the standard that nobody has.
            if "$schema" not in schema:
                raise
            self._validator = _compile({k: v for k, v in schema.items() if k != "$schema"})

    def find_misfit(self, value: object) -> Misfit | None:
        """Return the first place where `value` does not fit; None if it fits."""
        try:
            error = next(iter(self._validator.iter_errors(value)), None)
        except (ValueError, RecursionError) as problem:
            return Misfit("", _reason(problem))
        if error is None:
            return None
        return Misfit(_render_path(error.instance_path), error.message)


def _compile(schema: dict[str, Any]) -> jsonschema_rs.Validator:
    try:
        return jsonschema_rs.validator_for(schema, offline=True, pattern_options=_PATTERNS)
    except (ValueError, RecursionError) as problem:
        raise SchemaError(_reason(problem)) from None


def _reason(problem: Exception) -> str:
    if isinstance(problem, jsonschema_rs.ValidationError):
        return problem.message
    return str(problem).partition("\n")[0]


def _render_path(path: list[str | int]) -> str:
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return "".join(steps).removeprefix(".")
