"""Every URL and its handler."""

from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

from grok2api.domain.action import ActionName
from grok2api.resources import find_resource
from grok2api.web import health
from grok2api.web.admin import (
    actions,
    assets,
    batch_stream,
    batches,
    cache,
    config,
    explain,
    keys,
    older_stats,
    requests,
    sessions,
    stats,
    system,
    token_edits,
    tokens,
)
from grok2api.web.admin.audit import Handler, audited
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
from grok2api.web.gate import RateLimit, SafetyNet
from grok2api.web.home import home_page, open_templates, refuse_websocket
from grok2api.web.intake import BodyLimit, CanonicalPath, CrossOrigin
from grok2api.web.middleware import RequestContext


def build_routes() -> list[BaseRoute]:
    """Return the table of all routes; `CanonicalPath` maps the other spellings to these."""
    return [
        *_api_routes(),
        *_admin_routes(),
        *_record_routes(),
        *_account_routes(),
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
        Route("/admin/api/config", config.read_config),
        _action("PUT /admin/api/config", ActionName.CHANGE_SETTINGS, config.change_config),
        _action("POST /admin/api/config", ActionName.CHANGE_SETTINGS, config.merge_config),
        Route("/admin/api/config/validate", config.validate_config, methods=["POST"]),
        Route("/admin/api/config/history", config.list_history),
        _action("POST /admin/api/config/rollback", ActionName.RESTORE_SETTINGS, config.roll_back),
        Route("/admin/api/cache", cache.usage),
        Route("/admin/api/cache/list", cache.list_items),
        _action("POST /admin/api/cache/clear", ActionName.CLEAR_CACHE, cache.clear),
        _action("POST /admin/api/cache/item/delete", ActionName.DELETE_MEDIA, cache.delete_item),
        _action("POST /admin/api/cache/items/delete", ActionName.DELETE_MEDIA, cache.delete_items),
        Route("/admin/api/keys", keys.list_keys),
        _action("POST /admin/api/keys", ActionName.CREATE_KEYS, keys.create_key),
        _action("DELETE /admin/api/keys", ActionName.REVOKE_KEYS, keys.revoke_keys),
        _action("POST /admin/api/keys/batch", ActionName.CREATE_KEYS, keys.create_keys),
        _action("POST /admin/api/keys/enabled", ActionName.EDIT_KEYS, keys.enable_keys),
        Route("/admin/api/keys/{id}", keys.get_key),
        _action("PATCH /admin/api/keys/{id}", ActionName.EDIT_KEYS, keys.edit_key),
        _action("DELETE /admin/api/keys/{id}", ActionName.REVOKE_KEYS, keys.revoke_key),
    ]


def _record_routes() -> list[BaseRoute]:
    return [
        Route("/admin/api/stats", stats.read_stats),
        Route("/admin/api/stats/requests", older_stats.read_requests),
        _action("POST /admin/api/stats/reset", ActionName.RESET_STATISTICS, stats.reset_stats),
        Route("/admin/api/requests", requests.list_requests),
        Route("/admin/api/requests/export", requests.export_requests),
        _action("POST /admin/api/requests/clear", ActionName.CLEAR_LOG, requests.clear_requests),
        Route("/admin/api/requests/{id}", requests.explain_request),
        Route("/admin/api/logs", older_stats.read_log),
        _action("POST /admin/api/logs/clear", ActionName.CLEAR_LOG, requests.clear_requests),
        Route("/admin/api/actions", actions.list_actions),
    ]


def _account_routes() -> list[BaseRoute]:
    return [
        Route("/admin/api/tokens/explain", explain.explain),
        Route("/admin/api/sessions", sessions.list_sessions),
        _action("DELETE /admin/api/sessions", ActionName.CLEAR_SESSIONS, sessions.clear_sessions),
        Route("/admin/api/storage", tokens.storage),
        Route("/admin/api/tokens", tokens.list_tokens),
        _action("POST /admin/api/tokens", ActionName.IMPORT_ACCOUNTS, token_edits.import_tokens),
        _action("DELETE /admin/api/tokens", ActionName.DELETE_ACCOUNTS, token_edits.delete_tokens),
        _action("POST /admin/api/tokens/add", ActionName.ADD_ACCOUNTS, token_edits.add_tokens),
        _action("PUT /admin/api/tokens/pool", ActionName.PUT_IN_POOL, token_edits.put_pool),
        _action("PUT /admin/api/tokens/edit", ActionName.EDIT_ACCOUNT, token_edits.edit_token),
        _action(
            "POST /admin/api/tokens/disabled", ActionName.DISABLE_ACCOUNTS, token_edits.set_disabled
        ),
        _action(
            "POST /admin/api/tokens/disabled/batch",
            ActionName.DISABLE_ACCOUNTS,
            token_edits.set_disabled_batch,
        ),
        Route("/admin/api/tokens/export", tokens.export_tokens),
        Route("/admin/api/tokens/{id}", tokens.get_token),
        Route("/admin/api/batch", batches.list_batches),
        Route("/admin/api/batch/{id}", batches.get_batch),
        _action("POST /admin/api/batch/{kind}", ActionName.START_BATCH, batches.start_batch),
        Route("/admin/api/batch/{id}/failures", batches.list_failures),
        Route("/admin/api/batch/{id}/result", batches.export_result),
        Route("/admin/api/batch/{id}/stream", batch_stream.stream_batch),
        _action("POST /admin/api/batch/{id}/cancel", ActionName.CANCEL_BATCH, batches.cancel_batch),
        Route("/admin/api/assets", assets.list_assets),
        _action("POST /admin/api/assets/delete-item", ActionName.DELETE_ASSETS, assets.delete_item),
        _action("POST /admin/api/assets/clear-token", ActionName.DELETE_ASSETS, assets.clear_token),
    ]


def _action(where: str, action: ActionName, handler: Handler) -> Route:
    """Return the route of something that administrators do; it is written down."""
    method, _, path = where.partition(" ")
    return Route(path, audited(action, handler), methods=[method])


def build_middleware() -> list[Middleware]:
    """Return the layers around the router, the outermost first."""
    return [
        Middleware(RequestContext),
        Middleware(CanonicalPath),
        Middleware(CrossOrigin),
        Middleware(SafetyNet),
        Middleware(RateLimit),
        Middleware(BodyLimit),
    ]
