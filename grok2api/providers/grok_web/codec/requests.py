"""Requests to grok.com as values: the HTTP turn, the gateway and its messages, the session."""

from typing import Any

from msgspec import UNSET, Struct

from grok2api.domain.upstream import UpstreamRequest
from grok2api.providers.grok_web import wire
from grok2api.providers.grok_web.codec.identity import Headers

_encode = wire.ENCODER.encode


class TurnOptions(Struct, frozen=True):
    """What the operator decides for every turn.

    `is_temporary` keeps the conversation out of the account's history; `has_memory` lets the
    upstream use what it remembers of the account; `instruction` is the operator's own.
    """

    is_temporary: bool = True
    has_memory: bool = False
    instruction: str = ""


def http_turn(
    base_url: str,
    headers: Headers,
    prompt: str,
    mode: str,
    options: TurnOptions,
    attachments: tuple[str, ...] = (),
) -> UpstreamRequest:
    """Build the request of a new conversation over HTTP; `attachments` are ids of files."""
    instruction = options.instruction.strip()
    payload = wire.ConversationPayload(
        message=prompt,
        mode_id=mode,
        file_attachments=attachments,
        temporary=options.is_temporary,
        disable_memory=not options.has_memory,
        custom_personality=instruction or UNSET,
    )
    url = f"{base_url}/rest/app-chat/conversations/new"
    return UpstreamRequest("POST", url, headers, _encode(payload))


def session_query(base_url: str, headers: Headers) -> UpstreamRequest:
    """Build the request that asks who the account is."""
    return UpstreamRequest("GET", f"{base_url}/api/auth/session", headers)


def gateway_handshake(base_url: str, headers: Headers, user_id: str) -> UpstreamRequest:
    """Build the WebSocket upgrade of the chat gateway. `base_url` is http(s)."""
    # https becomes wss, http becomes ws.
    url = f"ws{base_url.removeprefix('http')}/ws/mgw/?uid={user_id}"
    return UpstreamRequest("GET", url, headers)


def open_session(mode: str, options: TurnOptions, event_id: str) -> bytes:
    """Encode the message that opens a new conversation."""
    grok = wire.SessionOptions(
        is_temporary=options.is_temporary, disable_memory=not options.has_memory
    )
    return _event(
        {
            "type": "session.create",
            "event_id": event_id,
            "session": {"model": mode, "x_grok": grok},
        }
    )


def ask(
    prompt: str,
    *,
    conversation_id: str,
    message_id: str,
    at_ms: int,
    attachments: tuple[str, ...] = (),
) -> tuple[bytes, bytes]:
    """Encode the two messages of a turn: the item, then the wish for an answer.

    `attachments` are the ids of uploaded files.
    """
    chunks: list[dict[str, Any]] = [
        {"mention": {"target": {"file_mention": {"file_id": file_id}}}} for file_id in attachments
    ]
    chunks.append({"text": {"text": prompt}})
    files = {"file_attachment_ids": attachments} if attachments else {}  # in both places
    item = {
        "type": "message",
        "role": "user",
        **files,
        "x_grok": {"client_message_id": message_id, "input_chunks": chunks},
    }
    created = {
        "type": "conversation.item.create",
        "event_id": f"evt_msg_{at_ms}",
        **files,
        "item": item,
    }
    wanted = {"type": "response.create", "event_id": f"evt_resp_{at_ms}"}
    return _event(created, conversation_id), _event(wanted, conversation_id)


def heartbeat(at_ms: int) -> bytes:
    """Encode the message that keeps the gateway open."""
    return _event({"type": "ping", "event_id": f"evt_hb_{at_ms}"})


def _event(event: dict[str, Any], conversation_id: str = "") -> bytes:
    message: dict[str, Any] = {"session_id": conversation_id} if conversation_id else {}
    return _encode({**message, "event": event})
