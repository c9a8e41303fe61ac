"""The gateway's two confirmations of a session, in whatever order they come."""

from grok2api.errors import UpstreamError, UpstreamProtocolError, UpstreamUnavailableError
from grok2api.providers.grok_web import wire
from grok2api.providers.grok_web.codec import refusal
from grok2api.providers.grok_web.codec.failure import parse_failure
from grok2api.providers.grok_web.codec.loose import as_mapping, as_text


class Handshake:
    """Follows the opening of one session.

    `is_ready` says that both confirmations have come, for the conversation `conversation_id`;
    `error` that they never will.
    """

    __slots__ = ("_event_id", "_is_attached", "_is_created", "conversation_id", "error")

    def __init__(self, event_id: str) -> None:
        self._event_id = event_id
        self._is_created = False
        self._is_attached = False
        self.conversation_id = ""
        self.error: UpstreamError | None = None

    @property
    def is_ready(self) -> bool:
        return self._is_created and self._is_attached and self.error is None

    def feed(self, message: bytes) -> None:
        """Take one message; what is not about the handshake is left out."""
        try:
            decoded = wire.HANDSHAKE_MESSAGE.decode(message)
        except (ValueError, RecursionError):
            return
        event = decoded.event
        if event is None or self.error is not None:
            return
        match event.type:
            case "session.created":
                self._take_created(event, as_text(decoded.session_id).strip())
            case "conversation.attached":
                self._take_attached(as_text(as_mapping(event.conversation).get("id")).strip())
            case "error":
                self.error = refusal.classify_in_band(parse_failure(event.error))
            case "session.ended":
                self.error = UpstreamUnavailableError(
                    "The upstream ended its session before it had begun.",
                    code="upstream_session_ended",
                )
            case _:
                pass

    def _take_created(self, event: wire.HandshakeEvent, session_id: str) -> None:
        wanted = as_text(event.client_event_id).strip()
        if wanted and wanted != self._event_id:
            return
        self._is_created = True
        if not self.conversation_id:
            self.conversation_id = session_id
        elif session_id and session_id != self.conversation_id:
            self.error = _mismatch()

    def _take_attached(self, conversation_id: str) -> None:
        if not conversation_id or conversation_id != (self.conversation_id or conversation_id):
            self.error = _mismatch()
            return
        self._is_attached = True
        self.conversation_id = conversation_id


def _mismatch() -> UpstreamError:
    return UpstreamProtocolError(
        "The upstream opened another conversation than the one asked for.",
        code="upstream_conversation_mismatch",
    )
