"""Tools and response formats of Chat Completions: wire to domain, and how calls are shown."""

from collections.abc import Iterator
from typing import Final, assert_never

from msgspec import UNSET, Struct

from grok2api.dialects.tools.definitions import check_choice, check_schema, check_tools
from grok2api.domain.chat import ToolArguments, ToolCall, ToolCallEnded, ToolCallStarted
from grok2api.domain.tools import AnswerFormat, ChoiceKind, FormatKind, Tool, ToolChoice
from grok2api.errors import InvalidRequestError
from grok2api.wire.openai.chat import ChatCompletionRequest, Delta
from grok2api.wire.openai.chat_tools import (
    ChosenTool,
    CustomBody,
    CustomOut,
    FunctionBody,
    FunctionOut,
    NamedTool,
    RequestTool,
    ResponseFormat,
    ToolCallOut,
    ToolChoiceBody,
)

# The upstream searches by itself, whether a client offers that or not.
_BUILT_IN = ("web_search", "web_search_preview", "x_search", "live_search")
_KINDS = {
    "auto": ChoiceKind.AUTO,
    "none": ChoiceKind.NONE,
    "required": ChoiceKind.REQUIRED,
    "any": ChoiceKind.REQUIRED,
}


def parse_tools(wire: ChatCompletionRequest) -> tuple[Tool, ...]:
    """Return what the client offers, in the new form or the old one.

    Raises:
        InvalidRequestError: a tool that makes no sense or cannot be offered.
    """
    if is_legacy(wire):
        functions = enumerate(wire.functions or ())
        return check_tools(
            ((_function(f), f"functions[{index}]") for index, f in functions), param="functions"
        )
    return check_tools(_find_tools(wire.tools or []))


def parse_choice(wire: ChatCompletionRequest, tools: tuple[Tool, ...]) -> ToolChoice:
    """Return which of `tools` may or must be called.

    Raises:
        InvalidRequestError: a choice that cannot be met.
    """
    if is_legacy(wire):
        choice = _choose(wire.function_call, "function_call", is_parallel=False)
        return check_choice(choice, tools, "function_call")
    is_parallel = wire.parallel_tool_calls is not False
    choice = _choose(wire.tool_choice, "tool_choice", is_parallel=is_parallel)
    return check_choice(choice, tools, "tool_choice")


def parse_format(wire: ResponseFormat | None) -> AnswerFormat:
    """Return what the text of the answer has to be.

    Raises:
        InvalidRequestError: an unknown format, or a schema that is none.
    """
    match wire.type if wire else "text":
        case "text":
            return AnswerFormat()
        case "json_object":
            return AnswerFormat(FormatKind.JSON_OBJECT)
        case "json_schema":
            body = wire.json_schema if wire else None
            at = "response_format.json_schema"
            if body is None:
                raise InvalidRequestError(
                    f"Missing required parameter: '{at}'.",
                    param=at,
                    code="missing_required_parameter",
                )
            schema = body.schema or {}
            check_schema(schema, f"{at}.schema", "invalid_json_schema")
            return AnswerFormat(
                FormatKind.JSON_SCHEMA, body.name or "", schema, is_strict=body.strict is True
            )
        case _:
            raise InvalidRequestError(
                "'response_format.type' is one of: text, json_object, json_schema.",
                param="response_format.type",
                code="invalid_value",
            )


def is_legacy(wire: ChatCompletionRequest) -> bool:
    """Whether the client knows functions only, and no tools."""
    return wire.tools is None and wire.functions is not None


def _find_tools(tools: list[RequestTool]) -> Iterator[tuple[Tool, str]]:
    for index, tool in enumerate(tools):
        at = f"tools[{index}]"
        match tool.type:
            case "function" if tool.function is not None:
                yield _function(tool.function), f"{at}.function"
            case "function":
                flat = FunctionBody(tool.name, tool.description, tool.parameters, tool.strict)
                yield _function(flat), at
            case "custom":
                yield _custom(tool.custom or CustomBody(tool.name, tool.description)), at
            case name if name in _BUILT_IN:
                pass
            case name:
                raise InvalidRequestError(
                    f"Tools of type '{name}' are not supported.",
                    param=f"{at}.type",
                    code="unsupported_value",
                )


def _function(body: FunctionBody) -> Tool:
    return Tool(
        body.name, body.description or "", body.parameters or {}, is_strict=body.strict is True
    )


def _custom(body: CustomBody) -> Tool:
    grammar = body.format.grammar if body.format else None
    return Tool(
        body.name,
        body.description or "",
        is_custom=True,
        grammar=grammar.definition if grammar else "",
    )


def _choose(
    wire: str | ToolChoiceBody | NamedTool | None, param: str, *, is_parallel: bool
) -> ToolChoice:
    kind, names = ChoiceKind.AUTO, list[str]()
    match wire:
        case None:
            pass
        case str(word):
            kind = _kind(word, param)
        case NamedTool(name):
            kind, names = ChoiceKind.REQUIRED, [name]
        case ToolChoiceBody(type="allowed_tools"):
            allowed = wire.allowed_tools or wire
            kind = _kind(allowed.mode, f"{param}.mode")
            names = [_name_of(tool) for tool in allowed.tools]
        case ToolChoiceBody(type=word) if word in _KINDS:
            kind = _KINDS[word]
        case ToolChoiceBody():
            kind, names = ChoiceKind.REQUIRED, [_name_of(wire)]
        case _:
            assert_never(wire)
    return ToolChoice(kind, tuple(names), is_parallel)


def _kind(word: str, param: str) -> ChoiceKind:
    kind = _KINDS.get(word)
    if kind is None:
        raise InvalidRequestError(
            f"'{param}' is one of: auto, none, required; or it names a tool.",
            param=param,
            code="invalid_value",
        )
    return kind


def _name_of(tool: ChosenTool) -> str:
    named = tool.function or tool.custom
    return named.name if named else tool.name or ""


class CallStyle(Struct, frozen=True):
    """How calls are shown: those of `custom` tools have an input; old clients know one function."""

    custom: frozenset[str] = frozenset()
    is_legacy: bool = False

    @classmethod
    def of(cls, wire: ChatCompletionRequest) -> "CallStyle":
        """Return what the client that sent `wire` understands."""
        bodies = (tool.custom or tool for tool in wire.tools or () if tool.type == "custom")
        return cls(frozenset(body.name for body in bodies), is_legacy(wire))

    def render(self, call: ToolCall) -> ToolCallOut:
        """Return a whole call."""
        if call.name in self.custom:
            custom = CustomOut(name=call.name, input=call.arguments)
            return ToolCallOut(id=call.id, type="custom", custom=custom)
        function = FunctionOut(name=call.name, arguments=call.arguments)
        return ToolCallOut(id=call.id, type="function", function=function)


FUNCTIONS_ONLY: Final = CallStyle()
"""What clients understand that offer no custom tools."""


class CallDeltas:
    """Renders the events of calls as deltas."""

    __slots__ = ("_custom_indexes", "_style", "text")

    def __init__(self, style: CallStyle) -> None:
        self._style = style
        self._custom_indexes: set[int] = set()
        self.text: list[str] = []
        """Names and arguments, to be counted."""

    def render(self, event: ToolCallStarted | ToolArguments | ToolCallEnded) -> Delta | None:
        """Return what `event` adds to the message; None for nothing."""
        match event:
            case ToolCallEnded():
                return None
            case ToolCallStarted():
                self.text.append(event.name)
                call = self._style.render(ToolCall(event.id, event.name, ""))
                if call.custom is not UNSET:
                    self._custom_indexes.add(event.index)
                if self._style.is_legacy:
                    return Delta(function_call=call.function)
            case ToolArguments():
                self.text.append(event.text)
                if self._style.is_legacy:
                    return Delta(function_call=FunctionOut(arguments=event.text))
                call = (
                    ToolCallOut(custom=CustomOut(input=event.text))
                    if event.index in self._custom_indexes
                    else ToolCallOut(function=FunctionOut(arguments=event.text))
                )
            case _:
                assert_never(event)
        piece = ToolCallOut(
            index=event.index,
            id=call.id,
            type=call.type,
            function=call.function,
            custom=call.custom,
        )
        return Delta(tool_calls=[piece])
