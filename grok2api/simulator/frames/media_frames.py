"""Edits and videos as the frames that tell of them."""

from collections.abc import Callable, Iterator

from msgspec import Struct

from grok2api.simulator.frames.imagine_frames import moderated_slots
from grok2api.simulator.frames.stream_frames import StreamFrames
from grok2api.simulator.script.directives import Script

_DONE_PERCENT = 100


class Edit(Struct, frozen=True, kw_only=True):
    """What an edit makes: `store` and `preview` put a slot's picture into `folder`.

    They return its path. Paths have no slash in front.
    """

    ids: tuple[str, ...]
    folder: str
    store: Callable[[int], str]
    preview: Callable[[int, int], str]


class Video(Struct, frozen=True, kw_only=True):
    """A video: `film` puts it to its place and returns the folder."""

    id: str
    post_id: str
    resolution: str
    film: Callable[[], str]


def compose_edit(script: Script, edit: Edit, frames: StreamFrames) -> Iterator[bytes]:
    """Yield the frames of an edit, then of what was made."""
    withheld = moderated_slots(script)
    made: list[tuple[str, str]] = []
    for slot, image_id in enumerate(edit.ids):
        for number in range(script.previews):
            percent = _DONE_PERCENT * (number + 1) // (script.previews + 1)
            path = edit.preview(slot, percent)
            yield _image(frames, imageUrl=path, progress=percent, imageIndex=slot)
        is_withheld = slot in withheld
        # A picture that is withheld has an address, but nothing lies there.
        path = f"{edit.folder}/{image_id}/image.jpg" if is_withheld else edit.store(slot)
        if not is_withheld:
            made.append((image_id, path))
        if script.result in ("all", "stream"):
            state = {"progress": _DONE_PERCENT, "imageIndex": slot, "assetId": image_id}
            yield _image(frames, imageUrl=path, moderated=is_withheld, **state)
    if script.result == "markdown":
        for _, path in made:
            yield frames.frame(token=f"![image]({path})", isThinking=False, messageTag="final")
    if script.result in ("none", "stream"):
        return
    told: dict[str, object] = {"fileAttachments": [image_id for image_id, _ in made]}
    if script.result in ("all", "model_response"):
        told["generatedImageUrls"] = [path for _, path in made]
    if script.result != "markdown":
        yield frames.model_response({"message": "I edited the image.", **told})


def compose_video(script: Script, video: Video, frames: StreamFrames) -> Iterator[bytes]:
    """Yield the frames of a video."""
    steps = max(script.steps, 1)
    known = {"videoId": video.id, "videoPostId": video.post_id}
    for number in range(steps):
        percent = max(_DONE_PERCENT * number // steps, 1)
        extra = {} if number else {"resolutionName": video.resolution}
        yield _video(frames, progress=percent, **known, **extra)
    if script.moderated:
        yield _video(frames, progress=_DONE_PERCENT, **known, moderated=True)
        return
    folder = video.film()
    address = f"{folder}/generated_video.mp4"
    final: dict[str, object] = {"progress": _DONE_PERCENT, "moderated": False}
    if script.result in ("all", "stream"):
        final |= {"assetId": video.id, script.url_key: address}
        final["thumbnailImageUrl"] = f"{folder}/preview_image.jpg"
    yield _video(frames, **known, **final)
    yield frames.frame(token="I generated a video", isSoftStop=True)  # noqa: S106
    attached = {
        "all": [video.id],
        "attachments": [video.id],
        "model_response": [address],
    }.get(script.result)
    if attached is not None:
        yield frames.model_response({"message": "", "fileAttachments": attached})


def _image(frames: StreamFrames, **members: object) -> bytes:
    return frames.frame(streamingImageGenerationResponse=members)


def _video(frames: StreamFrames, **members: object) -> bytes:
    return frames.frame(streamingVideoGenerationResponse=members)
