"""Affinity: which conversation a request belongs to, so that it stays with its account."""

from enum import StrEnum

from msgspec import Struct


class AffinityRule(StrEnum):
    """What told the conversation, the most certain first."""

    GATEWAY = "gateway"
    """Our own header."""
    RESPONSE = "response"
    """The request continues a response that we gave."""
    CLAUDE_CODE = "claude_code"
    CODEX = "codex"
    SESSION = "session"
    """A header of another client or front end."""
    PROMPT_CACHE_KEY = "prompt_cache_key"
    USER = "user"
    """A user field that names a session."""
    CONTENT = "content"
    """How the conversation begins; two conversations may begin alike."""
    NONE = "none"


class AffinityHints(Struct, frozen=True, kw_only=True):
    """What the body of a request says of its conversation.

    `continues` is the digest under which the response was given that this request continues.
    """

    prompt_cache_key: str = ""
    metadata_user_id: str = ""
    user: str = ""
    continues: str = ""


class Affinity(Struct, frozen=True):
    """A conversation of one client key: its digest, "" where there is none, and what told it."""

    digest: str = ""
    rule: AffinityRule = AffinityRule.NONE
