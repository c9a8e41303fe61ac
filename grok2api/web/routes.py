"""Every URL and its handler."""

from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

from grok2api.resources import find_resource
from grok2api.web import health
from grok2api.web.admin import (
    assets,
    batch_stream,
    batches,
    cache,
    explain,
    sessions,
    system,
    token_edits,
    tokens,
)
from grok2api.web.api import (
    anthropic_messages,
    files,
    models,
    openai_chat,
    openai_images,
    openai_response_objects as response_objects,
    openai_responses,
    openai_videos,
)
from grok2api.web.home import home_page, open_templates, refuse_websocket
from grok2api.web.intake import BodyLimit, CanonicalPath, CrossOrigin
from grok2api.web.middleware import RequestContext


def build_routes() -> list[BaseRoute]:
    """Return the table of all routes; `CanonicalPath` maps the other spellings to these."""
    return [
        *_api_routes(),
        *_admin_routes(),
        Route("/healthz", health.healthz),
        Route("/readyz", health.readyz),
        Route("/health", health.readyz),
        Route("/metrics", health.metrics),
        Route("/", home_page(open_templates())),
        Mount("/static", StaticFiles(directory=find_resource("static"))),
        WebSocketRoute("/{path:path}", refuse_websocket),
    ]


def _api_routes() -> list[BaseRoute]:
    return [
        Route("/v1/chat/completions", openai_chat.create_chat_completion, methods=["POST"]),
        Route("/v1/messages", anthropic_messages.create_message, methods=["POST"]),
        Route("/v1/messages/count_tokens", anthropic_messages.count_tokens, methods=["POST"]),
        Route("/v1/responses", openai_responses.create_response, methods=["POST"]),
        Route("/v1/responses/compact", openai_responses.compact, methods=["POST"]),
        Route("/v1/responses/{response_id}", response_objects.retrieve, methods=["GET"]),
        Route("/v1/responses/{response_id}", response_objects.delete, methods=["DELETE"]),
        Route("/v1/responses/{response_id}/input_items", response_objects.list_input_items),
        Route("/v1/responses/{response_id}/cancel", response_objects.cancel, methods=["POST"]),
        Route("/v1/images/generations", openai_images.create_images, methods=["POST"]),
        Route("/v1/images/edits", openai_images.edit_images, methods=["POST"]),
        Route("/v1/videos", openai_videos.create_video, methods=["POST"]),
        Route("/v1/videos", openai_videos.list_videos, methods=["GET"]),
        Route("/v1/videos/{video_id}", openai_videos.retrieve_video, methods=["GET"]),
        Route("/v1/videos/{video_id}", openai_videos.delete_video, methods=["DELETE"]),
        Route("/v1/videos/{video_id}/content", openai_videos.video_content, methods=["GET"]),
        Route("/v1/videos/{video_id}/cancel", openai_videos.cancel_video, methods=["POST"]),
        Route("/v1/models", models.list_models),
        Route("/v1/models/{model_id:path}", models.retrieve_model),
        Route("/v1/files/image", files.image),
        Route("/v1/files/video", files.video),
    ]


def _admin_routes() -> list[BaseRoute]:
    return [
        Route("/admin/api/verify", system.verify),
        Route("/admin/api/status", system.status),
        Route("/admin/api/sync", system.sync, methods=["POST"]),
        Route("/admin/api/tokens/explain", explain.explain),
        Route("/admin/api/sessions", sessions.list_sessions),
        Route("/admin/api/sessions", sessions.clear_sessions, methods=["DELETE"]),
        Route("/admin/api/storage", tokens.storage),
        Route("/admin/api/tokens", tokens.list_tokens),
        Route("/admin/api/tokens", token_edits.import_tokens, methods=["POST"]),
        Route("/admin/api/tokens", token_edits.delete_tokens, methods=["DELETE"]),
        Route("/admin/api/tokens/add", token_edits.add_tokens, methods=["POST"]),
        Route("/admin/api/tokens/pool", token_edits.put_pool, methods=["PUT"]),
        Route("/admin/api/tokens/edit", token_edits.edit_token, methods=["PUT"]),
        Route("/admin/api/tokens/disabled", token_edits.set_disabled, methods=["POST"]),
        Route("/admin/api/tokens/disabled/batch", token_edits.set_disabled_batch, methods=["POST"]),
        Route("/admin/api/tokens/export", tokens.export_tokens),
        Route("/admin/api/tokens/{id}", tokens.get_token),
        Route("/admin/api/batch", batches.list_batches),
        Route("/admin/api/batch/{id}", batches.get_batch),
        Route("/admin/api/batch/{kind}", batches.start_batch, methods=["POST"]),
        Route("/admin/api/batch/{id}/failures", batches.list_failures),
        Route("/admin/api/batch/{id}/result", batches.export_result),
        Route("/admin/api/batch/{id}/stream", batch_stream.stream_batch),
        Route("/admin/api/batch/{id}/cancel", batches.cancel_batch, methods=["POST"]),
        Route("/admin/api/assets", assets.list_assets),
        Route("/admin/api/assets/delete-item", assets.delete_item, methods=["POST"]),
        Route("/admin/api/assets/clear-token", assets.clear_token, methods=["POST"]),
        Route("/admin/api/cache", cache.usage),
        Route("/admin/api/cache/list", cache.list_items),
        Route("/admin/api/cache/clear", cache.clear, methods=["POST"]),
        Route("/admin/api/cache/item/delete", cache.delete_item, methods=["POST"]),
        Route("/admin/api/cache/items/delete", cache.delete_items, methods=["POST"]),
    ]


def build_middleware() -> list[Middleware]:
    """Return the layers around the router, the outermost first."""
    return [
        Middleware(RequestContext),
        Middleware(CanonicalPath),
        Middleware(CrossOrigin),
        Middleware(BodyLimit),
    ]
