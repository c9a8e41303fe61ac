"""What an edit or a video may name: posts, files and parts of the account that asks."""

from collections.abc import Sequence
from urllib.parse import urlsplit

from msgspec import UNSET

from grok2api.simulator.accounts import Account
from grok2api.simulator.frames.edit_payloads import EditPost, OlderEditPost
from grok2api.simulator.frames.media_payloads import MediaPost
from grok2api.simulator.frames.video_payloads import OlderVideoPost, VideoConfig
from grok2api.simulator.world import World

_ASSET_HOST = "assets.grok.com"
_ONE_FRAME_S = 1 / 24
_DIGITS = 6
IMAGE_POST, VIDEO_POST = "MEDIA_POST_TYPE_IMAGE", "MEDIA_POST_TYPE_VIDEO"


def page_of(post: MediaPost) -> str:
    """Return the place of the site that a call comes from."""
    match post:
        case OlderEditPost():
            override = post.responseMetadata.modelConfigOverride
            return f"/imagine/post/{override.modelMap.imageEditModelConfig.parentPostId}"
        case OlderVideoPost():
            config = config_of(post)
            is_extension = config.isVideoExtension is not UNSET
            return f"/imagine/post/{config.parentPostId}" if is_extension else "/imagine"
        case _:
            return "/imagine"


def config_of(post: OlderVideoPost) -> VideoConfig:
    """Return what an older video consists of."""
    return post.responseMetadata.modelConfigOverride.modelMap.videoGenModelConfig


def check_belongings(world: World, account: Account, post: MediaPost, host: str) -> list[str]:
    """Return which things named by a call are not the account's; `host` is where it came to."""
    match post:
        case EditPost():
            return _check_inputs(world, account, post.mediaGenInput.imageToImage.inputAssets)
        case OlderEditPost():
            override = post.responseMetadata.modelConfigOverride
            config = override.modelMap.imageEditModelConfig
            problems = _check_references(world, account, config.imageReferences, host)
            return problems + _check_parent(world, account, config.parentPostId, IMAGE_POST)
        case OlderVideoPost():
            return _check_older_video(world, account, post, host)
        case _:
            return []


def check_reference(world: World, account: Account, url: str, host: str) -> list[str]:
    """Return what is wrong with the address of a picture to work on."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or parts.netloc not in (_ASSET_HOST, host):
        return [f"reference {url!r} is not on the asset host"]
    names = parts.path.strip("/").split("/")
    is_upload = len(names) == 4 and names[2] in account.entry.files  # noqa: PLR2004
    if is_upload and names == ["users", account.user_id, names[2], "content"]:
        return []
    item = world.gallery.find(parts.path, world.options.clock.now_s())
    if item is not None and item.user_id == account.user_id:
        return []
    return [f"reference {url!r} is no file of this account"]


def _check_inputs(world: World, account: Account, file_ids: Sequence[str]) -> list[str]:
    problems = [] if len(set(file_ids)) == len(file_ids) else ["an input is named twice"]
    for file_id in file_ids:
        if file_id not in account.entry.files:
            problems.append(f"input {file_id} was not uploaded")
        elif not world.files.is_workable(file_id):
            problems.append(f"input {file_id} was not uploaded to work on")
    return problems


def _check_references(world: World, account: Account, urls: Sequence[str], host: str) -> list[str]:
    return [problem for url in urls for problem in check_reference(world, account, url, host)]


def _check_parent(world: World, account: Account, post_id: str, kind: str) -> list[str]:
    post = world.gallery.find_post(account.user_id, post_id)
    if post is None:
        return [f"parentPostId {post_id!r} is no post of this account"]
    return [] if post.kind == kind else [f"the parent is a {post.kind}, not a {kind}"]


def _check_older_video(
    world: World, account: Account, post: OlderVideoPost, host: str
) -> list[str]:
    config = config_of(post)
    if config.isVideoExtension is not UNSET:
        return _check_extension(world, account, config)
    if config.imageReferences is UNSET:
        return _check_parent(world, account, config.parentPostId, VIDEO_POST)
    problems = _check_references(world, account, config.imageReferences, host)
    return problems + _check_parent(world, account, config.parentPostId, IMAGE_POST)


def _check_extension(world: World, account: Account, config: VideoConfig) -> list[str]:
    if world.gallery.find_post(account.user_id, config.parentPostId) is None:
        return [f"parentPostId {config.parentPostId!r} is no post of this account"]
    extended = "" if config.extendPostId is UNSET else config.extendPostId
    segment = world.gallery.find_segment(account.user_id, extended)
    if segment is None:
        return [f"extendPostId {extended!r} is no part of a video of this account"]
    starts_at = round(segment.seconds + _ONE_FRAME_S, _DIGITS)
    told = (config.parentPostId, config.originalPrompt, config.aspectRatio, config.resolutionName)
    wanted = (segment.parent_post, segment.prompt, segment.ratio, segment.resolution)
    problems = [] if told == wanted else ["the extension differs from what it extends"]
    if config.videoExtensionStartTime != starts_at:
        problems.append(f"videoExtensionStartTime must be {starts_at}")
    return problems
