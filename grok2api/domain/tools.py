"""Functions that a client offers to the model, and what the answer has to look like."""

from enum import StrEnum
from typing import Any

from msgspec import Struct


class Tool(Struct, frozen=True):
    """A function of the client's.

    `parameters` is a JSON Schema of an object, as JSON holds it; {} says nothing. A custom tool
    takes free text instead of arguments; `grammar` describes it where the client gave one.
    """

    name: str
    description: str = ""
    parameters: dict[str, Any] = {}
    is_strict: bool = False
    is_custom: bool = False
    grammar: str = ""


class ChoiceKind(StrEnum):
    """Whether the model calls tools."""

    AUTO = "auto"
    NONE = "none"
    REQUIRED = "required"


class ToolChoice(Struct, frozen=True):
    """Which tools may or must be called.

    `names` restricts the choice to some of the tools; () leaves all. A forced function is REQUIRED
    with its one name. `is_parallel` False allows one call an answer.
    """

    kind: ChoiceKind = ChoiceKind.AUTO
    names: tuple[str, ...] = ()
    is_parallel: bool = True


class FormatKind(StrEnum):
    """What the visible text has to be."""

    TEXT = "text"
    JSON_OBJECT = "json_object"
    JSON_SCHEMA = "json_schema"


class AnswerFormat(Struct, frozen=True):
    """The form of the answer. `schema` is a JSON Schema, for JSON_SCHEMA only."""

    kind: FormatKind = FormatKind.TEXT
    name: str = ""
    schema: dict[str, Any] = {}
    is_strict: bool = False
