"""Frames of grok.com, only with the fields we read.

A field that every text frame carries has a type; every other one is `Any`, because an upstream that
changes an odd corner must not cost us the frame. `codec.loose` reads those without trusting them.
"""

from typing import Any

import msgspec
from msgspec import Struct


class GatewayText(Struct, gc=False):
    """`chunk.text`: a piece of answer or thinking, told apart by the channel."""

    text: str | None = None
    channel: Any = None


class GatewayChunk(Struct, gc=False):
    """`event.chunk` of a `response.chunk`; may hold several members at once."""

    text: GatewayText | None = None
    tool_usage_card: Any = None
    tool_result: Any = None
    render_citation: Any = None


class GatewayEvent(Struct, gc=False):
    """`event` of a server message."""

    type: str = ""
    chunk: GatewayChunk | None = None
    delta: Any = None
    text: Any = None
    result: Any = None
    output: Any = None
    response: Any = None
    conversation: Any = None
    error: Any = None


class GatewayMessage(Struct, gc=False):
    """One text message of the gateway socket while an answer streams."""

    event: GatewayEvent | None = None


class HandshakeEvent(Struct, gc=False):
    """`event` of a server message while a session opens."""

    type: str = ""
    client_event_id: Any = None
    conversation: Any = None
    error: Any = None


class HandshakeMessage(Struct, gc=False):
    """One text message of the gateway socket while a session opens."""

    event: HandshakeEvent | None = None
    session_id: Any = None


class StreamResponse(Struct, gc=False, rename="camel"):
    """`result.response` of the HTTP stream: a bag of optional members.

    The first group comes with every token; the second names what makes a frame rare.
    """

    token: str | None = None
    is_thinking: Any = None
    message_tag: Any = None
    message_step_id: Any = None
    rollout_id: Any = None
    response_id: Any = None
    is_soft_stop: Any = None
    tool_usage_card_id: Any = None

    error: Any = None
    card_attachment: Any = None
    card_attachments: Any = None
    image_chunk: Any = None
    user_response: Any = None
    web_search_results: Any = None
    cited_web_search_results: Any = None
    x_search_results: Any = None
    xposts: Any = None
    cited_xposts: Any = None
    tool_usage_card: Any = None
    tool_name: Any = None
    model_response: Any = None
    streaming_image_generation_response: Any = None
    final_metadata: Any = None
    llm_info: Any = None
    code_execution_result: Any = None


class StreamResult(Struct, gc=False):
    """`result` of a frame of the HTTP stream."""

    response: StreamResponse | None = None
    conversation: Any = None
    title: Any = None


class StreamFrame(Struct, gc=False):
    """One object of the HTTP stream."""

    result: StreamResult | None = None
    error: Any = None


class VideoFrame(Struct, gc=False):
    """One object of the stream in which a video is made."""

    result: Any = None
    error: Any = None


GATEWAY_MESSAGE = msgspec.json.Decoder(GatewayMessage)
HANDSHAKE_MESSAGE = msgspec.json.Decoder(HandshakeMessage)
STREAM_FRAME = msgspec.json.Decoder(StreamFrame)
VIDEO_FRAME = msgspec.json.Decoder(VideoFrame)
ANY_JSON = msgspec.json.Decoder()
ENCODER = msgspec.json.Encoder()


class DeviceInfo(Struct, frozen=True, rename="camel"):
    """The window a browser would describe."""

    dark_mode_enabled: bool = False
    device_pixel_ratio: int = 2
    screen_height: int = 1328
    screen_width: int = 2056
    viewport_height: int = 1083
    viewport_width: int = 2056


class ConversationPayload(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=False):
    """Body of `POST /rest/app-chat/conversations/new`, in the shape of July 2026."""

    collection_ids: tuple[str, ...] = ()
    disabled_connector_ids: tuple[str, ...] = ()
    device_env_info: DeviceInfo = DeviceInfo()
    disable_memory: bool = True
    disable_search: bool = False
    disable_self_harm_short_circuit: bool = False
    disable_text_follow_ups: bool = False
    enable_image_generation: bool = True
    enable_image_streaming: bool = True
    enable_side_by_side: bool = True
    file_attachments: tuple[str, ...] = ()
    force_concise: bool = False
    force_side_by_side: bool = False
    image_attachments: tuple[str, ...] = ()
    image_generation_count: int = 2
    is_async_chat: bool = False
    message: str
    mode_id: str
    response_metadata: dict[str, str] = {}
    return_image_bytes: bool = False
    return_raw_grok_in_xai_request: bool = False
    send_final_metadata: bool = True
    temporary: bool = True
    custom_personality: str | msgspec.UnsetType = msgspec.UNSET


class SessionOptions(Struct, frozen=True):
    """`session.x_grok` of a new conversation on the gateway."""

    protocol_capabilities: tuple[str, ...] = ("conversation_attached", "custom_methods_v1")
    use_chunk: bool = True
    enable_side_by_side: bool = True
    force_side_by_side: bool = False
    enable_image_generation: bool = True
    image_generation_count: int = 2
    disable_text_follow_ups: bool = False
    disable_artifact: bool = True
    force_concise: bool = False
    keep_context: bool = False
    is_temporary: bool = True
    disable_memory: bool = True


class UploadPayload(Struct, frozen=True, rename="camel"):
    """Body of `POST /rest/app-chat/upload-file`; `content` is standard base64."""

    file_name: str
    file_mime_type: str
    content: str
