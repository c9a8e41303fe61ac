"""Videos from grok.com as requests: the page's own form, the older one, posts and upscaling."""

import re
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import quote

from grok2api.domain.upstream import UpstreamRequest
from grok2api.domain.video import Preset, VideoPart, VideoPlan, VideoRequest
from grok2api.errors import UpstreamProtocolError
from grok2api.providers.grok_web import wire
from grok2api.providers.grok_web.codec.failure import decode_json
from grok2api.providers.grok_web.codec.identity import Headers
from grok2api.providers.grok_web.codec.loose import as_mapping, first_text
from grok2api.providers.grok_web.codec.media_quota import IMAGINE_PAGE
from grok2api.providers.grok_web.codec.urls import asset_url

MAX_SECONDS: Final = 15
"""Longest video that the page's own form makes."""

_MODEL: Final = "imagine-video-gen"
_FLAGS: Final = {
    Preset.FUN: "--mode=extremely-crazy",
    Preset.NORMAL: "--mode=normal",
    Preset.SPICY: "--mode=extremely-spicy-or-crazy",
    Preset.CUSTOM: "--mode=custom",
}
_FRAME_S: Final = 1 / 24
_ID: Final = r"[0-9a-fA-F-]{32,36}"
_VIDEO_ID: Final = re.compile(rf"/generated/({_ID})/|/({_ID})/generated_video")
_encode = wire.ENCODER.encode


def needs_older(request: VideoRequest, *, has_references: bool) -> bool:
    """Whether only the older form can say what is asked."""
    is_long = len(request.segments) > 1
    return has_references or is_long or request.preset is not Preset.CUSTOM


def page_of(plan: VideoPlan, done: Sequence[VideoPart]) -> str:
    """Return the page that would ask for the part after `done`."""
    is_extension = bool(plan.parent_post and done)
    if not is_extension:
        return IMAGINE_PAGE
    return f"{IMAGINE_PAGE}/post/{quote(plan.parent_post, safe='')}"


def generation(
    base_url: str,
    headers: Headers,
    request: VideoRequest,
    plan: VideoPlan,
    done: Sequence[VideoPart],
) -> UpstreamRequest:
    """Build the request for the part after `done`; the plan's post says in which form."""
    body = _older_body(request, plan, done) if plan.parent_post else _current_body(request, plan)
    url = f"{base_url}/rest/app-chat/conversations/new"
    return UpstreamRequest("POST", url, headers, _encode(body), is_only_once=True)


def video_post(base_url: str, headers: Headers, prompt: str) -> UpstreamRequest:
    """Build the request for the post under which a video from text will stand."""
    return _post(base_url, headers, {"mediaType": "MEDIA_POST_TYPE_VIDEO", "prompt": prompt})


def image_post(base_url: str, headers: Headers, image_url: str) -> UpstreamRequest:
    """Build the request for the post of a reference."""
    return _post(base_url, headers, {"mediaType": "MEDIA_POST_TYPE_IMAGE", "mediaUrl": image_url})


def upscaling(base_url: str, headers: Headers, video_id: str) -> UpstreamRequest:
    """Build the request for a finished video in a higher resolution."""
    body = _encode({"videoId": video_id})
    return UpstreamRequest("POST", f"{base_url}/rest/media/video/upscale", headers, body)


def read_upscaled(body: bytes, assets_url: str) -> str:
    """Return where the larger video lies.

    Raises:
        UpstreamProtocolError: the answer does not say.
    """
    url = asset_url(assets_url, first_text(as_mapping(decode_json(body)), "hdMediaUrl"))
    if not url:
        raise UpstreamProtocolError(
            "The upstream does not say where the larger video is.", code="upstream_protocol_error"
        )
    return url


def find_video_id(part: VideoPart) -> str:
    """Return the id that a finished video goes by, "" if neither its URL nor the site tells."""
    found = _VIDEO_ID.search(part.url)
    return next(filter(None, found.groups())) if found else part.video_id


def uploaded_url(assets_url: str, user_id: str, file_id: str) -> str:
    """Return where the content of a stored file lies, "" if its owner is not known."""
    if not user_id or not file_id:
        return ""
    return asset_url(assets_url, f"users/{user_id}/{quote(file_id, safe='')}/content")


def generated_url(assets_url: str, user_id: str, video_id: str) -> str:
    """Return where a video will lie once it is finished, "" if too little is known."""
    if not user_id or not video_id:
        return ""
    path = f"users/{user_id}/generated/{quote(video_id, safe='')}/generated_video.mp4"
    return asset_url(assets_url, path)


def _current_body(request: VideoRequest, plan: VideoPlan) -> dict[str, Any]:
    # The page sends exactly these eight members.
    return {
        "modelName": _MODEL,
        "message": f"{plan.prompt} {_FLAGS[Preset.CUSTOM]}".lstrip(),
        "enableImageStreaming": True,
        "enableSideBySide": True,
        "sendFinalMetadata": True,
        "responseMetadata": {"experiments": [], "modelConfigOverride": {"modelMap": {}}},
        "mediaGenInput": {
            "textToVideo": {
                "prompt": plan.prompt,
                "aspectRatio": request.aspect_ratio,
                "duration": request.seconds,
                "resolutionName": request.resolution.value,
            }
        },
        "kind": "CONVERSATION_KIND_IMAGINE",
    }


def _older_body(
    request: VideoRequest, plan: VideoPlan, done: Sequence[VideoPart]
) -> dict[str, Any]:
    config = _extension(request, plan, done) if done else _first(request, plan)
    return {
        "temporary": True,
        "modelName": _MODEL,
        "message": f"{plan.prompt} {_FLAGS[request.preset]}".lstrip(),
        "enableSideBySide": True,
        "responseMetadata": {
            "experiments": [],
            "modelConfigOverride": {"modelMap": {"videoGenModelConfig": config}},
        },
    }


def _first(request: VideoRequest, plan: VideoPlan) -> dict[str, Any]:
    config: dict[str, Any] = {
        "parentPostId": plan.parent_post,
        "aspectRatio": request.aspect_ratio,
        "videoLength": request.segments[0],
        "resolutionName": request.resolution.value,
    }
    if plan.references:
        config |= {
            "isVideoEdit": False,
            "isReferenceToVideo": True,
            "imageReferences": plan.references,
        }
    return config


def _extension(request: VideoRequest, plan: VideoPlan, done: Sequence[VideoPart]) -> dict[str, Any]:
    last, seconds = done[-1], sum(request.segments[: len(done)])
    return {
        "isVideoExtension": True,
        "videoExtensionStartTime": round(seconds + _FRAME_S, 6),
        "extendPostId": last.post_id or last.asset_id or last.video_id or plan.parent_post,
        "stitchWithExtendPostId": True,
        "originalPrompt": plan.prompt,
        "originalPostId": plan.parent_post,
        "originalRefType": "ORIGINAL_REF_TYPE_VIDEO_EXTENSION",
        "mode": request.preset.value,
        "aspectRatio": request.aspect_ratio,
        "videoLength": request.segments[len(done)],
        "resolutionName": request.resolution.value,
        "parentPostId": plan.parent_post,
        "isVideoEdit": False,
    }


def _post(base_url: str, headers: Headers, members: dict[str, str]) -> UpstreamRequest:
    body = _encode({name: value for name, value in members.items() if value})
    return UpstreamRequest("POST", f"{base_url}/rest/media/post/create", headers, body)
