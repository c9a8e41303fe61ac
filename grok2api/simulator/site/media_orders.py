"""What an edit or a video comes down to, in whichever form it was asked for."""

from typing import Literal

from msgspec import UNSET, Struct

from grok2api.simulator.accounts import Account
from grok2api.simulator.frames.edit_payloads import EditPost, OlderEditPost
from grok2api.simulator.frames.media_frames import Edit, Video
from grok2api.simulator.frames.media_payloads import MediaPost
from grok2api.simulator.frames.video_payloads import OlderVideoPost, strip_flag
from grok2api.simulator.gallery import Segment
from grok2api.simulator.ledger import Submission
from grok2api.simulator.script.directives import Script
from grok2api.simulator.site.media_rules import config_of
from grok2api.simulator.world import World

_OLDER_COUNT = 2


class EditOrder:
    """An edit that is in order."""

    target: Literal["edit"] = "edit"
    mode = "image_edit"

    def __init__(self, world: World, account: Account, prompt: str, ratio: str, count: int) -> None:
        self.submission = Submission("edit", prompt, count)
        self._world = world
        self._account = account
        self._ratio = ratio
        self._count = count

    def begin(self, script: Script) -> Edit:
        """Return the work to do."""
        studio, account, prompt = self._world.studio, self._account, self.submission.prompt
        count = max((script.images or self._count) - script.fewer, 0) + script.extra
        ids = self._world.name_media(account, "edit", count)

        def store(slot: int) -> str:
            picture = studio.paint(
                ids[slot], self._ratio, prompt, slot, min_bytes=script.image_bytes
            )
            return studio.store(account, picture).lstrip("/")

        def preview(slot: int, percent: int) -> str:
            picture = studio.paint(ids[slot], self._ratio, prompt, slot, percent=percent)
            return studio.store_preview(account, ids[slot], picture).lstrip("/")

        folder = f"users/{account.user_id}/generated"
        return Edit(ids=ids, folder=folder, store=store, preview=preview)


class _Film(Struct, frozen=True, kw_only=True):
    """How a video shall be; `seconds` counts the parts before it too."""

    ratio: str
    resolution: str
    seconds: int
    parent_post: str


class VideoOrder:
    """A video, or a part of one, that is in order."""

    target: Literal["video"] = "video"

    def __init__(self, world: World, account: Account, submission: Submission, film: _Film) -> None:
        self.submission = submission
        self.mode = "video_720p" if film.resolution == "720p" else "video"
        self._world = world
        self._account = account
        self._film = film

    def begin(self, script: Script, total_s: float) -> Video:
        """Return the work to do; what is kept whatever its client does is there in `total_s`."""
        world, account, prompt = self._world, self._account, self.submission.prompt
        video_id, post_id = world.name_media(account, "video", 2)
        key = (prompt, self._film.seconds)
        picture = world.studio.paint(video_id, self._film.ratio, *key, min_bytes=script.video_bytes)
        segment = Segment(
            user_id=account.user_id,
            parent_post=self._film.parent_post or post_id,
            prompt=prompt,
            ratio=self._film.ratio,
            resolution=self._film.resolution,
            seconds=self._film.seconds,
        )

        def film() -> str:
            world.gallery.keep_segment(post_id, segment)
            return world.studio.film(account, picture).lstrip("/")

        if script.abandon == "kept" and not script.moderated and not script.error:
            world.gallery.keep_segment(post_id, segment)
            world.studio.film(account, picture, total_s)
        return Video(id=video_id, post_id=post_id, resolution=self._film.resolution, film=film)


def read_order(world: World, account: Account, post: MediaPost) -> EditOrder | VideoOrder:
    """Return what a call that is in order comes down to."""
    match post:
        case EditPost():
            ratio = post.mediaGenInput.imageToImage.aspectRatio
            return EditOrder(world, account, post.message, ratio or "auto", 1)
        case OlderEditPost():
            override = post.responseMetadata.modelConfigOverride
            ratio = override.modelMap.imageEditModelConfig.aspectRatio
            return EditOrder(world, account, post.message, ratio or "auto", _OLDER_COUNT)
        case OlderVideoPost():
            return _read_older_video(world, account, post)
        case _:
            wanted = post.mediaGenInput.textToVideo
            film = _Film(
                ratio=wanted.aspectRatio,
                resolution=wanted.resolutionName,
                seconds=wanted.duration,
                parent_post="",
            )
            return VideoOrder(world, account, Submission("video", wanted.prompt), film)


def _read_older_video(world: World, account: Account, post: OlderVideoPost) -> VideoOrder:
    config = config_of(post)
    prompt = strip_flag(post.message)[0]
    is_extension = config.isVideoExtension is not UNSET
    extended = config.extendPostId or ""
    segment = world.gallery.find_segment(account.user_id, extended) if is_extension else None
    film = _Film(
        ratio=config.aspectRatio,
        resolution=config.resolutionName,
        seconds=config.videoLength + (segment.seconds if segment else 0),
        parent_post=config.parentPostId,
    )
    kind: Literal["extension", "video"] = "extension" if is_extension else "video"
    return VideoOrder(world, account, Submission(kind, prompt), film)
