"""Finds the conversation that a request belongs to, from its headers and its body."""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence

import msgspec
from msgspec import Struct

from grok2api.domain.affinity import Affinity, AffinityHints, AffinityRule
from grok2api.domain.chat import ChatRequest, ContentPart, Message, Role, TextPart

MAX_ID_CHARS = 512
"""What is longer names no conversation."""
MAX_CONTENT_CHARS = 32_768
"""How much of the system prompt, and of the first question, tells conversations apart."""

_DIGEST_BYTES = 16
# What a part counts at least, so that a great many tiny ones are no great work.
_LEAST_CHARS = 64

# Clients were seen with these headers in November 2026; where one sends several, the first names
# its conversation best.
_SESSION_HEADERS = (
    "x-session-id",
    "session_id",
    "x-session-affinity",
    "x-opencode-session",
    "x-openwebui-chat-id",
    "x-grok-conv-id",
    "x-grok-session-id",
)

# `x-anthropic-billing-header: cc_version=…; cch=…;` changes from one turn to the next.
_ATTRIBUTION = re.compile(
    r"^[ \t]{0,16}[\w-]{0,64}(?:billing|attribution)[\w-]{0,64}[ \t]{0,16}:.*$",
    re.IGNORECASE | re.MULTILINE,
)

# `user_…_account__session_<id>`, `chat-id:<id>`. A bare id may be a person's and is not taken.
_NAMED_SESSION = re.compile(
    r"(?:session|conversation|thread|chat)(?:[_-]?id)?[_:=/-]+([0-9a-z][0-9a-z-]{7,})",
    re.IGNORECASE,
)


class _Identity(Struct, frozen=True):
    """A user field that is JSON, as Claude Code sends it."""

    session_id: str = ""


_IDENTITY = msgspec.json.Decoder(_Identity)


def find_affinity(headers: Mapping[str, str], request: ChatRequest, *, salt: str) -> Affinity:
    """Return the conversation of `request`, by the first rule that finds one.

    `headers` have lower-case names; what clients call their sessions is only ever hashed. `salt`
    is the id of the client key: two keys never share a digest, whatever they send. Only a
    `continues` hint is taken as it is, since it is such a digest.
    """
    hints = request.hints
    if names := _names_of_header(headers, "x-grok2api-session"):
        return _digest(salt, AffinityRule.GATEWAY, names)
    if hints.continues:
        return Affinity(hints.continues, AffinityRule.RESPONSE)
    if names := _names_of_header(headers, "x-claude-code-session-id", "x-claude-code-agent-id"):
        return _digest(salt, AffinityRule.CLAUDE_CODE, names)
    for rule, names in (
        (AffinityRule.CODEX, _codex_names(headers)),
        (AffinityRule.SESSION, _first(headers.get(name, "") for name in _SESSION_HEADERS)),
        (AffinityRule.PROMPT_CACHE_KEY, _first((hints.prompt_cache_key,))),
        (AffinityRule.USER, _session_of_user(hints)),
        (AffinityRule.CONTENT, _beginning(request.messages)),
    ):
        if names:
            return _digest(salt, rule, names)
    return Affinity()


def _digest(salt: str, rule: AffinityRule, names: Iterable[str]) -> Affinity:
    hashed = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    for text in (salt, rule.value, *names):
        data = text.encode("utf-8", "surrogatepass")
        # With its length before it, no text can run into the next one.
        hashed.update(len(data).to_bytes(8, "big") + data)
    return Affinity(hashed.hexdigest(), rule)


def _clean(value: str) -> str:
    value = value.strip()
    return value if len(value) <= MAX_ID_CHARS else ""


def _first(values: Iterable[str]) -> tuple[str, ...]:
    """Return the first value that names something, alone."""
    return next(((value,) for value in map(_clean, values) if value), ())


def _names_of_header(headers: Mapping[str, str], name: str, within: str = "") -> tuple[str, ...]:
    """Return the value of a header and of the one that divides it; () without the first."""
    value = _clean(headers.get(name, ""))
    return (value, _clean(headers.get(within, ""))) if value else ()


def _codex_names(headers: Mapping[str, str]) -> tuple[str, ...]:
    session, thread = (_clean(headers.get(name, "")) for name in ("session-id", "thread-id"))
    if session or thread:
        return session, thread
    # The number behind the colon grows when the history is compacted; the conversation goes on.
    return _first((headers.get("x-codex-window-id", "").partition(":")[0],))


def _session_of_user(hints: AffinityHints) -> tuple[str, ...]:
    return _first(map(_named_session, (hints.metadata_user_id, hints.user)))


def _named_session(text: str) -> str:
    if len(text) > MAX_ID_CHARS:
        return ""
    try:
        return _IDENTITY.decode(text.encode("utf-8", "surrogatepass")).session_id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        found = _NAMED_SESSION.search(text)
    is_id = found is not None and any(character.isdigit() for character in found[1])
    return found[1] if found is not None and is_id else ""


def _beginning(messages: Sequence[Message]) -> tuple[str, ...]:
    """Return the instructions before the first question, and the question; () without one."""
    at = next((n for n, message in enumerate(messages) if message.role is Role.USER), None)
    if at is None:
        return ()
    question = _bounded(map(_text_of, messages[at].parts))
    instructions = (
        _without_attribution(_text_of(part)[:MAX_CONTENT_CHARS])
        for message in messages[:at]
        if message.role in {Role.SYSTEM, Role.DEVELOPER}
        for part in message.parts
    )
    return (_bounded(instructions), question) if question.strip() else ()


def _without_attribution(text: str) -> str:
    lower = text.lower()
    is_marked = "billing" in lower or "attribution" in lower  # far cheaper than the pattern
    return _ATTRIBUTION.sub("", text) if is_marked else text


def _text_of(part: ContentPart) -> str:
    return part.text if isinstance(part, TextPart) else part.url


def _bounded(texts: Iterable[str]) -> str:
    """Join `texts` as far as they count."""
    kept: list[str] = []
    left = MAX_CONTENT_CHARS
    for text in texts:
        if left <= 0:
            break
        kept.append(text[:left])
        left -= max(len(text), _LEAST_CHARS)
    return "\n".join(kept)
