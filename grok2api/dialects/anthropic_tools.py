"""Tools of the Anthropic API: the client's own, and those that its servers would run."""

from collections.abc import Sequence

import msgspec
from msgspec import Raw, Struct

from grok2api.dialects.fields import decode, missing, refusal
from grok2api.dialects.tools.definitions import check_choice, check_tools
from grok2api.domain.tools import ChoiceKind, Tool, ToolChoice
from grok2api.wire.anthropic.requests import BlockType, ToolBody, ToolChoiceBody

MAX_TOOLS = 1024

_KIND = msgspec.json.Decoder(BlockType)
_TOOL = msgspec.json.Decoder(ToolBody)
_WEB_SEARCH = "web_search"
# Finds tools that are not loaded; here all of them are.
_TOOL_SEARCH = "tool_search_tool_"


class OfferedTools(Struct, frozen=True):
    """The client's tools; `has_search`: it wants the web searched, which the upstream does."""

    tools: tuple[Tool, ...] = ()
    has_search: bool = False


def parse_tools(wire: Sequence[Raw] | None) -> OfferedTools:
    """Return the tools of a request.

    Raises:
        InvalidRequestError: one is of a kind that nobody here can run; it is named.
    """
    tools: list[tuple[Tool, str]] = []
    has_search = False
    for index, raw in enumerate(wire or ()):
        at = f"tools[{index}]"
        body = decode(_TOOL, raw, at)
        kind = body.type or "custom"
        if kind == "custom" or body.input_schema is not None:
            tools.append((_parse_tool(body, at), at))
        elif _is_search(body):
            has_search = True
        elif not kind.startswith(_TOOL_SEARCH):
            raise refusal(
                f"The tool '{kind[:80]}' is not supported: only tools with an 'input_schema' and "
                "web search are.",
                at,
                "unsupported_value",
            )
    return OfferedTools(check_tools(tools, schema="input_schema", most=MAX_TOOLS), has_search)


def wants_search(wire: Sequence[Raw] | None) -> bool:
    """Return whether the client wants to see the searches that were run."""
    return any(_is_search(decode(_KIND, raw, "tools")) for raw in wire or ())


def parse_choice(wire: ToolChoiceBody | str | None, offered: OfferedTools) -> ToolChoice:
    """Return which tools may or must be called.

    Raises:
        InvalidRequestError: a call is demanded of a tool that was not offered.
    """
    body = ToolChoiceBody(wire) if isinstance(wire, str) else wire or ToolChoiceBody()
    is_parallel = body.disable_parallel_tool_use is not True
    kind, names = ChoiceKind.AUTO, tuple[str, ...]()
    match body.type:
        case "none":
            kind = ChoiceKind.NONE
        case "any" if offered.tools or not offered.has_search:
            kind = ChoiceKind.REQUIRED
        case "tool" if not (offered.has_search and (body.name or "").startswith(_WEB_SEARCH)):
            kind, names = ChoiceKind.REQUIRED, (body.name or "",)
        case _:
            # The upstream decides by itself when to search.
            pass
    return check_choice(ToolChoice(kind, names, is_parallel), offered.tools, "tool_choice")


def _is_search(body: ToolBody | BlockType) -> bool:
    return (body.type or "").startswith(_WEB_SEARCH)


def _parse_tool(body: ToolBody, at: str) -> Tool:
    if not body.name:
        raise missing(f"{at}.name")
    return Tool(
        body.name,
        body.description or "",
        body.input_schema or {},
        is_strict=body.strict is True,
    )
