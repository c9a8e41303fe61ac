"""What is asked over the Imagine socket."""

from grok2api.domain.images import ImageRequest, ImageWay
from grok2api.domain.upstream import UpstreamRequest
from grok2api.providers.grok_web.codec.identity import Headers
from grok2api.providers.grok_web.wire_images import ENCODER, ImagineProperties


def imagine_handshake(base_url: str, headers: Headers) -> UpstreamRequest:
    """Build the WebSocket upgrade. `base_url` is http(s)."""
    url = f"ws{base_url.removeprefix('http')}/ws/imagine/listen"
    return UpstreamRequest("GET", url, headers)


def reset_message(at_ms: int) -> bytes:
    """Encode the message that comes before every request."""
    return _message(at_ms, {"type": "reset"})


def request_message(request: ImageRequest, request_id: str, at_ms: int) -> bytes:
    """Encode the request; `request_id` is fresh for each."""
    properties = ImagineProperties(
        enable_nsfw=request.is_sensitive,
        aspect_ratio=request.aspect_ratio or "auto",
        enable_pro=request.way is ImageWay.QUALITY,
        num_generations=request.n,
    )
    content = {
        "requestId": request_id,
        "text": request.prompt,
        "type": "input_text",
        "properties": properties,
    }
    return _message(at_ms, content)


def _message(at_ms: int, content: dict[str, object]) -> bytes:
    item = {"type": "message", "content": [content]}
    return ENCODER.encode({"type": "conversation.item.create", "timestamp": at_ms, "item": item})
