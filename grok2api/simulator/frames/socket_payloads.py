"""What a client may say on the gateway socket, key by key."""

import re
from typing import Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from grok2api.simulator.identity import is_uuid4

_INIT_ID = re.compile(r"evt_init_(.+)")
_MS = r"[1-9]\d{12}"
_MESSAGE_ID = re.compile(rf"evt_msg_({_MS})")
_RESPONSE_ID = re.compile(rf"evt_resp_({_MS})")
_HEARTBEAT_ID = re.compile(rf"evt_hb_{_MS}")

_SWITCHES = (
    ("use_chunk", True),
    ("enable_side_by_side", True),
    ("force_side_by_side", False),
    ("enable_image_generation", True),
    ("image_generation_count", 2),
    ("disable_text_follow_ups", False),
    ("disable_artifact", True),
    ("force_concise", False),
    ("protocol_capabilities", ["conversation_attached", "custom_methods_v1"]),
)
_NEW_ONLY = ("keep_context", "is_temporary", "disable_memory")
_EXISTING_ONLY = ("conversation_id", "load_existing", "needs_history")


class _Strict(Struct, forbid_unknown_fields=True):
    """A mapping whose keys are all known."""


class SessionSwitches(_Strict):
    """`session.x_grok` of both forms; `check_session` tells them apart."""

    protocol_capabilities: list[str]
    use_chunk: bool
    enable_side_by_side: bool
    force_side_by_side: bool
    enable_image_generation: bool
    image_generation_count: int
    disable_text_follow_ups: bool
    disable_artifact: bool
    force_concise: bool
    keep_context: bool | UnsetType = UNSET
    is_temporary: bool | UnsetType = UNSET
    disable_memory: bool | UnsetType = UNSET
    conversation_id: str | UnsetType = UNSET
    load_existing: bool | UnsetType = UNSET
    needs_history: bool | UnsetType = UNSET


class SessionBody(_Strict):
    """`session` of `session.create`."""

    model: Literal["fast", "auto", "expert", "heavy"]
    x_grok: SessionSwitches


class SessionCreate(_Strict, tag_field="type", tag="session.create"):
    """Opens or continues a conversation."""

    event_id: str
    session: SessionBody


class TextBody(_Strict):
    """`{"text": …}`."""

    text: str


class FileBody(_Strict):
    """`{"file_id": …}`."""

    file_id: str


class MentionTarget(_Strict):
    """`{"file_mention": …}`."""

    file_mention: FileBody


class MentionBody(_Strict):
    """`{"target": …}`."""

    target: MentionTarget


class InputChunk(_Strict):
    """A piece of the turn: a mention or the text."""

    mention: MentionBody | UnsetType = UNSET
    text: TextBody | UnsetType = UNSET


class ItemSwitches(_Strict):
    """`item.x_grok`."""

    client_message_id: str
    input_chunks: list[InputChunk]


class Item(_Strict, tag_field="type", tag="message"):
    """The user's message."""

    role: Literal["user"]
    x_grok: ItemSwitches
    file_attachment_ids: list[str] | UnsetType = UNSET


class ItemCreate(_Strict, tag_field="type", tag="conversation.item.create"):
    """The turn."""

    event_id: str
    item: Item
    parent_response_id: str | UnsetType = UNSET
    file_attachment_ids: list[str] | UnsetType = UNSET


class ResponseCreate(_Strict, tag_field="type", tag="response.create"):
    """Asks for the answer."""

    event_id: str


class Ping(_Strict, tag_field="type", tag="ping"):
    """The heartbeat."""

    event_id: str


ClientEvent = SessionCreate | ItemCreate | ResponseCreate | Ping


class Envelope(_Strict):
    """A message of the client."""

    event: ClientEvent
    session_id: str | UnsetType = UNSET


ENVELOPE_DECODER = msgspec.json.Decoder(Envelope)


def check_session(envelope: Envelope, event: SessionCreate) -> list[str]:
    """Return what is wrong with a `session.create`."""
    found = _INIT_ID.fullmatch(event.event_id)
    problems = []
    if found is None or not is_uuid4(found[1]):
        problems.append("event_id of session.create must be evt_init_ and a UUID")
    switches = event.session.x_grok
    problems += [
        f"x_grok.{name} must be {value!r}"
        for name, value in _SWITCHES
        if getattr(switches, name) != value
    ]
    is_new = envelope.session_id is UNSET
    wanted, unwanted = (_NEW_ONLY, _EXISTING_ONLY) if is_new else (_EXISTING_ONLY, _NEW_ONLY)
    problems += [f"x_grok.{n} is missing" for n in wanted if getattr(switches, n) is UNSET]
    problems += [
        f"x_grok.{n} does not belong here" for n in unwanted if getattr(switches, n) is not UNSET
    ]
    if is_new and switches.keep_context is True:
        problems.append("x_grok.keep_context must be False")
    if not is_new and switches.conversation_id != envelope.session_id:
        problems.append("x_grok.conversation_id must equal session_id")
    if not is_new and (switches.load_existing, switches.needs_history) != (True, False):
        problems.append("x_grok must have load_existing true and needs_history false")
    return problems


def check_turn(item: ItemCreate, response: ResponseCreate, *, is_follow_up: bool) -> list[str]:
    """Return what is wrong with the two messages of a turn."""
    problems = []
    sent = _MESSAGE_ID.fullmatch(item.event_id)
    asked = _RESPONSE_ID.fullmatch(response.event_id)
    if sent is None or asked is None or sent[1] != asked[1]:
        problems.append("evt_msg_ and evt_resp_ must carry the same 13 digits of milliseconds")
    if is_follow_up != (item.parent_response_id is not UNSET):
        problems.append("parent_response_id belongs to follow-up turns, and only there")
    if not is_uuid4(item.item.x_grok.client_message_id):
        problems.append("client_message_id must be a UUID")
    files = item.file_attachment_ids
    if files == [] or item.item.file_attachment_ids != files:
        problems.append("file_attachment_ids must stand in event and item, or in neither")
    *mentions, last = [*item.item.x_grok.input_chunks] or [InputChunk()]
    mentioned = [m.mention.target.file_mention.file_id for m in mentions if m.mention]
    if (
        len(mentioned) != len(mentions)
        or mentioned != (files or [])
        or any(m.text for m in mentions)
    ):
        problems.append("input_chunks must be one mention per file before the text")
    if last.mention is not UNSET or last.text is UNSET or not last.text.text.strip():
        problems.append("input_chunks must end with one text that is not empty")
    return problems


def check_ping(envelope: Envelope, ping: Ping) -> list[str]:
    """Return what is wrong with a heartbeat."""
    if envelope.session_id is not UNSET or not _HEARTBEAT_ID.fullmatch(ping.event_id):
        return ["a heartbeat is only an event with the id evt_hb_ and 13 digits of milliseconds"]
    return []
