"""Tool usage cards of the HTTP stream: which tool the upstream runs, and with what query."""

import re

from msgspec import Struct

from grok2api.domain.chat import SearchKind
from grok2api.providers.grok_web import wire
from grok2api.providers.grok_web.codec.loose import Loose, as_mapping, first_text

_ID_NAMES = ("toolUsageCardId", "tool_usage_card_id", "id")
_KINDS = {
    "websearch": SearchKind.WEB,
    "xsearch": SearchKind.X,
    "xkeywordsearch": SearchKind.X,
    "xsemanticsearch": SearchKind.X,
}
_NAME_TAG = re.compile(r"<xai:tool_name>(.*?)</xai:tool_name>", re.DOTALL)
_ARGUMENTS_TAG = re.compile(r"<xai:tool_args>(.*?)</xai:tool_args>", re.DOTALL)
_CDATA = re.compile(r"\A\s*<!\[CDATA\[(.*)\]\]>\s*\Z", re.DOTALL)


class ToolCard(Struct, frozen=True):
    """A tool run that begins. `kind` is None for a tool that is no search."""

    id: str
    kind: SearchKind | None
    query: str


def read_tool_card(response: wire.StreamResponse) -> ToolCard:
    """Read the card of a frame: its structured form, else the tags in the token."""
    card = as_mapping(response.tool_usage_card)
    call_id = first_text(card, *_ID_NAMES) or first_text({"id": response.tool_usage_card_id}, "id")
    call_id = call_id or _step_key(response)
    for name, tool in card.items():
        if isinstance(tool, dict):
            arguments = as_mapping(tool.get("args")) or tool
            return ToolCard(call_id, _kind_of(name), _query_of(arguments))
    name = first_text({"name": response.tool_name}, "name") or first_text(
        card, "toolName", "tool_name", "name"
    )
    token = response.token or ""
    arguments = _arguments_in(token)
    return ToolCard(call_id, _kind_of(name or _inner(_NAME_TAG, token)), _query_of(arguments))


def _kind_of(name: str) -> SearchKind | None:
    return _KINDS.get(name.replace("_", "").strip().lower())


def _query_of(arguments: Loose) -> str:
    return first_text(arguments, "query", "q")


def _arguments_in(token: str) -> Loose:
    try:
        return as_mapping(wire.ANY_JSON.decode(_inner(_ARGUMENTS_TAG, token)))
    except (ValueError, RecursionError):
        return {}


def _inner(tag: re.Pattern[str], token: str) -> str:
    found = tag.search(token)
    if found is None:
        return ""
    plain = _CDATA.match(found[1])
    return (plain[1] if plain else found[1]).strip()


def _step_key(response: wire.StreamResponse) -> str:
    """Tell runs without an id apart by who runs them in which step."""
    names = {"agent": response.rollout_id, "answer": response.response_id}
    who = first_text(names, "agent", "answer")
    step = first_text({"step": response.message_step_id}, "step")
    return f"{who}:{step}" if who else ""
