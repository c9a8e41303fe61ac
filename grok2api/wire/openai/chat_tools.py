"""Tools, calls and response formats of Chat Completions as on the wire."""

from typing import Any

from msgspec import UNSET, Struct, UnsetType

# -- in the request


class SchemaBody(Struct, frozen=True):
    """The schema of a JSON answer."""

    name: str | None = None
    schema: dict[str, Any] | None = None
    strict: bool | None = None


class ResponseFormat(Struct, frozen=True):
    """What form the answer shall have."""

    type: str = "text"
    json_schema: SchemaBody | None = None


class FunctionBody(Struct, frozen=True):
    """A function that is offered."""

    name: str = ""
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class GrammarBody(Struct, frozen=True):
    """A grammar for the text of a custom tool."""

    definition: str = ""


class CustomFormat(Struct, frozen=True):
    """What the text of a custom tool looks like."""

    type: str = "text"
    grammar: GrammarBody | None = None


class CustomBody(Struct, frozen=True):
    """A custom tool that is offered."""

    name: str = ""
    description: str | None = None
    format: CustomFormat | None = None


class RequestTool(Struct, frozen=True):
    """A tool that is offered. Some clients put the fields of the function beside the type."""

    type: str = "function"
    function: FunctionBody | None = None
    custom: CustomBody | None = None
    name: str = ""
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class NamedTool(Struct, frozen=True):
    """The name of a tool."""

    name: str = ""


class ChosenTool(Struct, frozen=True):
    """A tool that is referred to, its name nested or not."""

    function: NamedTool | None = None
    custom: NamedTool | None = None
    name: str | None = None


class AllowedTools(Struct, frozen=True):
    """Tools the model is restricted to; `mode` is auto or required."""

    mode: str = "auto"
    tools: list[ChosenTool] = []


class ToolChoiceBody(ChosenTool, frozen=True):
    """Which tool must or may be called. Some clients put the fields of a restriction at the top."""

    type: str = ""
    allowed_tools: AllowedTools | None = None
    mode: str = "auto"
    tools: list[ChosenTool] = []


# -- in the answer


class FunctionOut(Struct, frozen=True, kw_only=True):
    """The function of a call, or a piece of it."""

    name: str | UnsetType = UNSET
    arguments: str


class CustomOut(Struct, frozen=True, kw_only=True):
    """The custom tool of a call, or a piece of it."""

    name: str | UnsetType = UNSET
    input: str


class ToolCallOut(Struct, frozen=True, kw_only=True):
    """A call, or a piece of it; pieces have an `index` and only the first has the rest."""

    index: int | UnsetType = UNSET
    id: str | UnsetType = UNSET
    type: str | UnsetType = UNSET
    function: FunctionOut | UnsetType = UNSET
    custom: CustomOut | UnsetType = UNSET
