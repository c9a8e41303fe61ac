"""The tools, choices and formats that clients send: what every dialect checks of them."""

import re
from collections.abc import Iterable
from typing import Any, Final

from grok2api.domain.json_schema import JsonSchema, SchemaError
from grok2api.domain.tools import ChoiceKind, Tool, ToolChoice
from grok2api.errors import InvalidRequestError

MAX_TOOLS: Final = 128
_NAME = re.compile(r"[A-Za-z0-9_.:/-]{1,128}")


def check_tools(
    tools: Iterable[tuple[Tool, str]],
    *,
    param: str = "tools",
    schema: str = "parameters",
    most: int = MAX_TOOLS,
) -> tuple[Tool, ...]:
    """Return `tools`, each of which came with the path where the client put it.

    `schema` is the field of a tool that holds its schema.

    Raises:
        InvalidRequestError: too many, a name that is missing, wrong or given twice, a bad schema.
    """
    given = list(tools)
    if len(given) > most:
        raise InvalidRequestError(
            f"At most {most} tools can be given.", param=param, code="array_above_max_length"
        )
    found: dict[str, Tool] = {}
    for tool, at in given:
        if not _NAME.fullmatch(tool.name):
            raise InvalidRequestError(
                "A tool needs a name of 1 to 128 letters, digits and '_.:/-'.",
                param=f"{at}.name",
                code="invalid_value",
            )
        if tool.name in found:
            raise InvalidRequestError(
                f"Two tools have the name '{tool.name}'.", param=f"{at}.name", code="invalid_value"
            )
        check_schema(tool.parameters, f"{at}.{schema}", "invalid_function_parameters")
        found[tool.name] = tool
    return tuple(found.values())


def check_schema(schema: dict[str, Any], at: str, code: str) -> None:
    """Check that a client's JSON Schema is one.

    Raises:
        InvalidRequestError: it is none.
    """
    try:
        JsonSchema(schema)
    except SchemaError as problem:
        raise InvalidRequestError(
            f"This is not a JSON Schema that can be used: {problem}.", param=at, code=code
        ) from None


def check_choice(choice: ToolChoice, tools: Iterable[Tool], param: str) -> ToolChoice:
    """Return `choice`, if it can be met with `tools`.

    Raises:
        InvalidRequestError: it names a tool that is not there, or demands one where there is none.
    """
    names = {tool.name for tool in tools}
    unknown = [name for name in choice.names if name not in names]
    if unknown:
        raise InvalidRequestError(
            f"The tool choice names '{unknown[0]}', which is not among the tools.",
            param=param,
            code="invalid_value",
        )
    if choice.kind is ChoiceKind.REQUIRED and not names:
        raise InvalidRequestError(
            "A tool is required, but none is given.", param=param, code="invalid_value"
        )
    return choice
