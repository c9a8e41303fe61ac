"""What a refusal says: code, type and message, and the documented words that decide its meaning."""

from typing import Final

from msgspec import Struct

from grok2api.providers.grok_web import wire
from grok2api.providers.grok_web.codec.loose import Loose, as_mapping, as_text, first_text

PERMISSION_DENIED: Final = "7"
RESOURCE_EXHAUSTED: Final = "8"
UNAUTHENTICATED: Final = "16"
_UNAUTHORIZED: Final = 401

# Words a machine writes; in an answer about the session they leave no doubt.
_DEAD_WORDS = ("invalid-credentials", "bad-credentials", "email-domain-rejected")
# Prose, which an answer about something else may hold too.
_DEAD_PROSE = (
    "failed to look up session id",
    "session not found",
    "account suspended",
    "token revoked",
    "token expired",
)
_BLOCKED = ("blocked-user", "user is blocked")
_MODERATED = (
    "content-moderated",
    "content violates usage guidelines",
    "safety_check_type_",
    "content policy",
    "content moderation",
)
_USAGE = ("usage limit", "usage quota")
_RATE = ("too many requests", "rate limit")


class Failure(Struct, frozen=True):
    """A refusal in the upstream's own words; `is_json` is False for a body that was plain text."""

    code: str = ""
    type: str = ""
    message: str = ""
    is_json: bool = True

    def mentions(self, *words: str) -> bool:
        """Whether one of `words` stands in code, type or message, in any case."""
        texts = (self.code.lower(), self.type.lower(), self.message.lower())
        return any(word in text for word in words for text in texts)

    @property
    def is_blocked(self) -> bool:
        return self.mentions(*_BLOCKED)

    @property
    def is_dead_session(self) -> bool:
        return self.mentions(*_DEAD_WORDS, *_DEAD_PROSE)

    @property
    def is_about_session(self) -> bool:
        """Whether the session was refused, be it by a marker or by the bare code for that."""
        return self.is_dead_session or self._has_session_code

    def confirms_dead_session(self, status: int | None) -> bool:
        """Whether a marker leaves no doubt.

        An upstream may quote the request in its answer; so a marker in an answer that is about
        something else (another code) proves nothing, and prose proves it only where the status or
        the code speaks of the session too.
        """
        if status == _UNAUTHORIZED or self._has_session_code:
            return self.is_dead_session
        is_other_code = self.code.isdigit() and self.code != PERMISSION_DENIED
        return self.is_json and not is_other_code and self.mentions(*_DEAD_WORDS)

    @property
    def _has_session_code(self) -> bool:
        return self.code.lower() in {UNAUTHENTICATED, "unauthenticated"}

    @property
    def is_moderated(self) -> bool:
        return self.mentions(*_MODERATED)

    @property
    def is_anti_bot(self) -> bool:
        return self.mentions("anti-bot", "anti_bot")

    @property
    def is_usage_limit(self) -> bool:
        return self.mentions(*_USAGE)

    @property
    def is_rate_limit(self) -> bool:
        return self.code == RESOURCE_EXHAUSTED or self.mentions(*_RATE)


def parse_failure(value: object) -> Failure:
    """Read an error of a stream: an object, an object around one, or a text."""
    if isinstance(value, str):
        return Failure(message=value)
    return _from_object(as_mapping(value))


def parse_body(body: bytes) -> Failure:
    """Read the body of a refused request."""
    value = decode_json(body)
    if value is None:
        return Failure(message=body.decode("utf-8", "replace").strip(), is_json=False)
    if isinstance(value, str):
        return Failure(message=value)
    return _from_object(as_mapping(value))


def decode_json(body: bytes) -> object:
    """Decode a body, or return None if it is no JSON (or says null, which is as much)."""
    try:
        value: object = wire.ANY_JSON.decode(body)
    except (ValueError, RecursionError):
        return None
    return value


def _from_object(root: Loose) -> Failure:
    inner = as_mapping(root.get("error"))
    code = first_text(inner, "code", "error_code") or first_text(root, "code", "error_code")
    kind = first_text(inner, "type", "error_type") or first_text(root, "type", "error_type")
    message = (
        first_text(inner, "message", "error", "detail")
        or as_text(root.get("error")).strip()
        or first_text(root, "message", "error_message", "detail")
    )
    return Failure(code, kind, message)
