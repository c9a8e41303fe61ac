"""Tools of the Responses API: all the forms in which clients write them."""

from typing import Final

import msgspec
from msgspec import Raw, Struct

from grok2api.dialects.fields import decode, is_given, missing, refusal
from grok2api.dialects.openai_response_calls import ToolName
from grok2api.dialects.tools.definitions import check_choice, check_tools
from grok2api.domain.tools import ChoiceKind, Tool, ToolChoice
from grok2api.wire.openai.responses import ToolBody, ToolChoiceBody

MAX_TOOLS: Final = 1024

_SEARCHES = frozenset({"web_search", "web_search_preview", "x_search"})
# What the client would do itself, and what the upstream does unasked: an answer without these is
# poorer at most. The others would have to be run by us.
_HARMLESS = frozenset({"local_shell", "shell", "apply_patch", "tool_search", "image_generation"})
_SEPARATOR = "__"

_TOOL = msgspec.json.Decoder(ToolBody)
_CHOICE = msgspec.json.Decoder(str | ToolChoiceBody)


class ToolSet(Struct, frozen=True):
    """What a client offers. `names` are by the names that the model knows.

    `has_search`: searches of the upstream's are wanted. `ignored` are types without effect.
    """

    tools: tuple[Tool, ...] = ()
    names: dict[str, ToolName] = {}
    has_search: bool = False
    ignored: tuple[str, ...] = ()


def model_name(name: str, namespace: str | None) -> str:
    """Return the name that the model knows a tool by."""
    return f"{namespace}{_SEPARATOR}{name}" if namespace else name


def parse_tools(raws: list[Raw] | None) -> ToolSet:
    """Return the tools of a request.

    Raises:
        InvalidRequestError: a tool has another form, or a type that cannot be served.
    """
    found: list[tuple[Tool, str]] = []
    names: dict[str, ToolName] = {}
    ignored: list[str] = []
    has_search = False
    for index, raw in enumerate(raws or ()):
        at = f"tools[{index}]"
        body = decode(_TOOL, raw, at)
        kind = _plain_type(body.type)
        if kind in _SEARCHES:
            has_search = True
        elif kind in _HARMLESS:
            ignored.append(kind)
        else:
            for tool, name, tool_at in _parse_callable(body, at):
                found.append((tool, tool_at))
                names[tool.name] = name
    tools = check_tools(found, most=MAX_TOOLS)
    return ToolSet(tools, names, has_search, tuple(ignored))


def parse_choice(raw: Raw, tools: ToolSet, *, is_parallel: bool) -> ToolChoice:
    """Return which of `tools` may or must be called.

    Raises:
        InvalidRequestError: it has another form, or names a tool that is not offered.
    """
    kind = ChoiceKind.AUTO
    names: tuple[str, ...] = ()
    if is_given(raw):
        choice = decode(_CHOICE, raw, "tool_choice")
        kind, names = (_kind_of(choice), ()) if isinstance(choice, str) else _choose(choice, tools)
    if kind is ChoiceKind.REQUIRED and not tools.tools and tools.has_search:
        # The upstream decides by itself when to search.
        kind = ChoiceKind.AUTO
    return check_choice(ToolChoice(kind, names, is_parallel), tools.tools, "tool_choice")


def _choose(choice: ToolChoiceBody, tools: ToolSet) -> tuple[ChoiceKind, tuple[str, ...]]:
    if choice.type == "allowed_tools":
        listed = [_named(entry, tools) for entry in choice.tools or ()]
        names = tuple(name for name in listed if name)
        return (_kind_of(choice.mode or "auto") if names else ChoiceKind.AUTO), names
    name = _named(choice, tools)
    return (ChoiceKind.REQUIRED, (name,)) if name else (ChoiceKind.AUTO, ())


def _named(choice: ToolChoiceBody, tools: ToolSet) -> str:
    """Return the tool that is meant; "" for one that the upstream has by itself."""
    if choice.type not in ("function", "custom"):
        kind = _plain_type(choice.type)
        if kind in _SEARCHES or kind in _HARMLESS:
            return ""
        raise refusal(f"The tool type '{choice.type[:80]}' is not supported.", "tool_choice")
    given = choice.function.name if choice.function else choice.name or ""
    name = model_name(given, choice.namespace)
    if name in tools.names:
        return name
    alike = [known for known, tool in tools.names.items() if tool.name == given]
    if len(alike) != 1:
        raise refusal(f"'tools' has no tool named '{given[:80]}'.", "tool_choice")
    return alike[0]


def _kind_of(word: str) -> ChoiceKind:
    try:
        return ChoiceKind(word)
    except ValueError:
        raise refusal(
            "'tool_choice' is 'none', 'auto', 'required' or an object.", "tool_choice"
        ) from None


def _parse_callable(body: ToolBody, at: str) -> list[tuple[Tool, ToolName, str]]:
    """Return the functions and custom tools of one entry of `tools`, and where each stands."""
    if body.type != "namespace":
        return [_parse_one(body, at, "")]
    if not body.name:
        raise missing(f"{at}.name")
    return [
        _parse_one(decode(_TOOL, raw, f"{at}.tools[{n}]"), f"{at}.tools[{n}]", body.name)
        for n, raw in enumerate(body.tools or ())
    ]


def _parse_one(body: ToolBody, at: str, namespace: str) -> tuple[Tool, ToolName, str]:
    is_custom = body.type == "custom"
    if body.type != "function" and not is_custom:
        raise refusal(
            f"The tool type '{body.type[:80]}' is not supported.",
            f"{at}.type",
            "unsupported_value",
        )
    function = body.function
    name = function.name if function else body.name
    if not name:
        raise missing(f"{at}.name")
    known = model_name(name, namespace)
    grammar = body.format.definition if body.format else None
    tool = Tool(
        name=known,
        description=(function.description if function else body.description) or "",
        parameters=(function.parameters if function else body.parameters) or {},
        is_strict=bool(function.strict if function else body.strict),
        is_custom=is_custom,
        grammar=(grammar or "") if is_custom else "",
    )
    return tool, ToolName(name, namespace, is_custom), f"{at}.function" if function else at


def _plain_type(kind: str) -> str:
    """Return a type without the date of its version: `web_search_2025_08_26`."""
    head, *_ = kind.split("_20", 1)
    return head
