"""Requests for videos, byte for byte as the site's page and its older version make them."""

import re

import msgspec
import pytest
from hypothesis import given, strategies as st

from grok2api.domain.video import SEGMENTS, Preset, Resolution, VideoPart, VideoPlan, VideoRequest
from grok2api.errors import UpstreamProtocolError
from grok2api.providers.grok_web.codec.video import (
    find_video_id,
    generated_url,
    generation,
    image_post,
    needs_older,
    page_of,
    read_upscaled,
    uploaded_url,
    upscaling,
    video_post,
)

PROMPT = "a paper boat on a rainy street"
REQUEST = VideoRequest(model="grok-imagine-video", prompt=PROMPT, resolution=Resolution.P480)
PLAN = VideoPlan(prompt=PROMPT)
POSTED = VideoPlan(prompt=PROMPT, parent_post="post-0001")
CONTENT = "https://assets.grok.com/users/u-1/file-1/content"
ID = "0f0e0d0c-0000-4000-8000-000000000001"


def body_of(
    request: VideoRequest = REQUEST, plan: VideoPlan = PLAN, done: tuple[VideoPart, ...] = ()
) -> bytes:
    return generation("https://g", (), request, plan, done).body


def config_of(request: VideoRequest, plan: VideoPlan, done: tuple[VideoPart, ...] = ()) -> object:
    body = msgspec.json.decode(body_of(request, plan, done))
    return body["responseMetadata"]["modelConfigOverride"]["modelMap"]["videoGenModelConfig"]


def test_current_form_has_exactly_the_pages_members() -> None:
    assert body_of() == (
        b'{"modelName":"imagine-video-gen",'
        b'"message":"a paper boat on a rainy street --mode=custom",'
        b'"enableImageStreaming":true,"enableSideBySide":true,"sendFinalMetadata":true,'
        b'"responseMetadata":{"experiments":[],"modelConfigOverride":{"modelMap":{}}},'
        b'"mediaGenInput":{"textToVideo":{"prompt":"a paper boat on a rainy street",'
        b'"aspectRatio":"9:16","duration":6,"resolutionName":"480p"}},'
        b'"kind":"CONVERSATION_KIND_IMAGINE"}'
    )


def test_older_form_hangs_on_its_post() -> None:
    assert body_of(plan=POSTED) == (
        b'{"temporary":true,"modelName":"imagine-video-gen",'
        b'"message":"a paper boat on a rainy street --mode=custom","enableSideBySide":true,'
        b'"responseMetadata":{"experiments":[],"modelConfigOverride":{"modelMap":'
        b'{"videoGenModelConfig":{"parentPostId":"post-0001","aspectRatio":"9:16",'
        b'"videoLength":6,"resolutionName":"480p"}}}}}'
    )


def test_references_are_named_by_their_addresses() -> None:
    plan = VideoPlan(prompt=PROMPT, parent_post="post-0001", references=(CONTENT,))

    assert config_of(REQUEST, plan) == {
        "parentPostId": "post-0001",
        "aspectRatio": "9:16",
        "videoLength": 6,
        "resolutionName": "480p",
        "isVideoEdit": False,
        "isReferenceToVideo": True,
        "imageReferences": [CONTENT],
    }


@pytest.mark.parametrize(
    ("seconds", "start", "length"), [(12, 6.041667, 6), (16, 10.041667, 6), (20, 10.041667, 10)]
)
def test_extension_begins_a_frame_after_the_end(seconds: int, start: float, length: int) -> None:
    request = msgspec.structs.replace(REQUEST, segments=SEGMENTS[seconds], preset=Preset.SPICY)

    assert config_of(request, POSTED, (VideoPart(post_id="post-9", asset_id="a"),)) == {
        "isVideoExtension": True,
        "videoExtensionStartTime": start,
        "extendPostId": "post-9",
        "stitchWithExtendPostId": True,
        "originalPrompt": PROMPT,
        "originalPostId": "post-0001",
        "originalRefType": "ORIGINAL_REF_TYPE_VIDEO_EXTENSION",
        "mode": "spicy",
        "aspectRatio": "9:16",
        "videoLength": length,
        "resolutionName": "480p",
        "parentPostId": "post-0001",
        "isVideoEdit": False,
    }


@pytest.mark.parametrize(
    ("part", "extended"),
    [
        (VideoPart(post_id="p", asset_id="a", video_id="v"), "p"),
        (VideoPart(asset_id="a", video_id="v"), "a"),
        (VideoPart(video_id="v"), "v"),
        (VideoPart(), "post-0001"),
    ],
)
def test_best_id_of_the_part_before_is_extended(part: VideoPart, extended: str) -> None:
    request = msgspec.structs.replace(REQUEST, segments=(6, 6))

    config = config_of(request, POSTED, (part,))

    assert isinstance(config, dict)
    assert config["extendPostId"] == extended


@pytest.mark.parametrize(
    ("preset", "flag"),
    [
        (Preset.FUN, b"--mode=extremely-crazy"),
        (Preset.NORMAL, b"--mode=normal"),
        (Preset.SPICY, b"--mode=extremely-spicy-or-crazy"),
        (Preset.CUSTOM, b"--mode=custom"),
    ],
)
def test_preset_stands_behind_the_prompt(preset: Preset, flag: bytes) -> None:
    body = body_of(msgspec.structs.replace(REQUEST, preset=preset), POSTED)

    assert b'"message":"a paper boat on a rainy street ' + flag + b'"' in body


@pytest.mark.parametrize("changes", [{"segments": (6, 6)}, {"preset": Preset.FUN}])
def test_only_the_older_form_can_say_some_things(changes: dict[str, object]) -> None:
    changed = msgspec.structs.replace(REQUEST, **changes)

    assert needs_older(changed, has_references=False)
    assert needs_older(REQUEST, has_references=True)
    assert not needs_older(REQUEST, has_references=False)


def test_extension_is_asked_for_on_the_posts_page() -> None:
    assert page_of(POSTED, ()) == "/imagine"
    assert page_of(PLAN, ()) == "/imagine"
    assert page_of(POSTED, (VideoPart(),)) == "/imagine/post/post-0001"
    assert page_of(VideoPlan(prompt="", parent_post="a/b?c"), (VideoPart(),)) == (
        "/imagine/post/a%2Fb%3Fc"
    )


def test_posts_hold_what_they_are_about_and_nothing_empty() -> None:
    assert video_post("https://g", (), PROMPT).body == (
        b'{"mediaType":"MEDIA_POST_TYPE_VIDEO","prompt":"a paper boat on a rainy street"}'
    )
    assert video_post("https://g", (), "").body == b'{"mediaType":"MEDIA_POST_TYPE_VIDEO"}'
    assert msgspec.json.decode(image_post("https://g", (), CONTENT).body) == {
        "mediaType": "MEDIA_POST_TYPE_IMAGE",
        "mediaUrl": CONTENT,
    }


def test_upscaling_names_the_video() -> None:
    request = upscaling("https://g", (), ID)

    assert request.url == "https://g/rest/media/video/upscale"
    assert msgspec.json.decode(request.body) == {"videoId": ID}


def test_larger_video_may_lie_below_the_asset_host() -> None:
    whole = f"https://assets.grok.com/users/u-1/generated/{ID}/generated_video_hd.mp4"

    assert read_upscaled(msgspec.json.encode({"hdMediaUrl": whole}), "https://a") == whole
    assert (
        read_upscaled(b'{"hdMediaUrl":"users/u/x.mp4"}', "https://a") == "https://a/users/u/x.mp4"
    )


@pytest.mark.parametrize("body", [b"", b"{}", b'{"hdMediaUrl":null}', b'{"hdMediaUrl":"../x"}'])
def test_larger_video_without_an_address_is_none(body: bytes) -> None:
    with pytest.raises(UpstreamProtocolError):
        read_upscaled(body, "https://a")


@pytest.mark.parametrize(
    ("part", "found"),
    [
        (VideoPart(url=f"https://a/users/u/generated/{ID}/generated_video.mp4"), ID),
        (VideoPart(url=f"https://a/users/u/generated/{ID}/x.mp4", video_id="v"), ID),
        (VideoPart(url=f"https://a/x/{ID}/generated_video.mp4"), ID),
        (VideoPart(url=f"https://a/users/u/{ID}/content", video_id="v"), "v"),
        (VideoPart(url="https://a/generated/vid-1/generated_video.mp4"), ""),
    ],
)
def test_id_of_a_video_stands_in_its_address(part: VideoPart, found: str) -> None:
    assert find_video_id(part) == found


def test_address_needs_owner_and_id() -> None:
    assert generated_url("https://a", "u", "v") == (
        "https://a/users/u/generated/v/generated_video.mp4"
    )
    assert uploaded_url("https://a", "u", "f") == "https://a/users/u/f/content"
    for missing in (("", "x"), ("u", "")):
        assert generated_url("https://a", *missing) == ""
        assert uploaded_url("https://a", *missing) == ""


@given(st.text(min_size=1))
def test_no_id_leads_out_of_its_folder(text: str) -> None:
    for url in (generated_url("https://a", "u", text), uploaded_url("https://a", "u", text)):
        assert re.fullmatch(
            r"|https://a/users/u/(generated/)?[^/?#]+/(content|generated_video\.mp4)", url
        )
