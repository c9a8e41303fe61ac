"""What a client may post to have videos made, in both forms."""

from typing import Literal

from msgspec import UNSET, UnsetType

from grok2api.simulator.frames.rules import Strict, check_ratio, demand

PRESETS = ("extremely-crazy", "normal", "extremely-spicy-or-crazy", "custom")
_MODES = {"fun": PRESETS[0], "normal": PRESETS[1], "spicy": PRESETS[2], "custom": PRESETS[3]}
_OLDER_LENGTHS = (6, 10, 15)
_MAX_SECONDS = 15
_MAX_REFERENCES = 7


class TextToVideo(Strict):
    """A video as the page asks for it."""

    prompt: str
    aspectRatio: str  # noqa: N815
    duration: int
    resolutionName: Literal["480p", "720p"]  # noqa: N815


class VideoInput(Strict):
    """The one way to make a video."""

    textToVideo: TextToVideo  # noqa: N815


class NoModels(Strict):
    """`{}`."""


class NoOverride(Strict):
    """No models."""

    modelMap: NoModels  # noqa: N815


class VideoMetadata(Strict):
    """Nothing is overridden."""

    experiments: list[str]
    modelConfigOverride: NoOverride  # noqa: N815


class VideoPost(Strict):
    """A video in the form of August 2026."""

    modelName: Literal["imagine-video-gen"]  # noqa: N815
    message: str
    enableImageStreaming: bool  # noqa: N815
    enableSideBySide: bool  # noqa: N815
    sendFinalMetadata: bool  # noqa: N815
    responseMetadata: VideoMetadata  # noqa: N815
    mediaGenInput: VideoInput  # noqa: N815
    kind: Literal["CONVERSATION_KIND_IMAGINE"]


class VideoConfig(Strict):
    """An older video: from a text, from pictures, or as the extension of another one."""

    parentPostId: str  # noqa: N815
    aspectRatio: str  # noqa: N815
    videoLength: int  # noqa: N815
    resolutionName: Literal["480p", "720p"]  # noqa: N815
    isVideoEdit: bool | UnsetType = UNSET  # noqa: N815
    isReferenceToVideo: bool | UnsetType = UNSET  # noqa: N815
    imageReferences: list[str] | UnsetType = UNSET  # noqa: N815
    isVideoExtension: bool | UnsetType = UNSET  # noqa: N815
    videoExtensionStartTime: float | UnsetType = UNSET  # noqa: N815
    extendPostId: str | UnsetType = UNSET  # noqa: N815
    stitchWithExtendPostId: bool | UnsetType = UNSET  # noqa: N815
    originalPrompt: str | UnsetType = UNSET  # noqa: N815
    originalPostId: str | UnsetType = UNSET  # noqa: N815
    originalRefType: str | UnsetType = UNSET  # noqa: N815
    mode: str | UnsetType = UNSET


class VideoModels(Strict):
    """The model of an older video."""

    videoGenModelConfig: VideoConfig  # noqa: N815


class VideoOverride(Strict):
    """The models."""

    modelMap: VideoModels  # noqa: N815


class OlderVideoMetadata(Strict):
    """The override of the models."""

    experiments: list[str]
    modelConfigOverride: VideoOverride  # noqa: N815


class OlderVideoPost(Strict):
    """A video in the form before August 2026."""

    temporary: bool
    modelName: Literal["imagine-video-gen"]  # noqa: N815
    message: str
    enableSideBySide: bool  # noqa: N815
    responseMetadata: OlderVideoMetadata  # noqa: N815


def strip_flag(message: str) -> tuple[str, str]:
    """Return the prompt of a video and its preset, "" for a message without one."""
    prompt, found, preset = message.rpartition(" --mode=")
    return (prompt, preset) if found and preset in PRESETS else (message, "")


def check_video(post: VideoPost) -> list[str]:
    """Return what is wrong with a video whose keys are right."""
    wanted = post.mediaGenInput.textToVideo
    problems = demand(post, ("enableImageStreaming", "enableSideBySide", "sendFinalMetadata"))
    prompt, preset = strip_flag(post.message)
    if not preset or prompt != wanted.prompt:
        problems.append("message must be the prompt, a space and --mode=")
    if not 1 <= wanted.duration <= _MAX_SECONDS:
        problems.append(f"duration must be 1 to {_MAX_SECONDS}")
    if post.responseMetadata.experiments:
        problems.append("experiments must be empty")
    return problems + check_ratio(wanted.aspectRatio)


def check_older_video(post: OlderVideoPost) -> list[str]:
    """Return what is wrong with an older video whose keys are right."""
    config = post.responseMetadata.modelConfigOverride.modelMap.videoGenModelConfig
    problems = demand(post, ("temporary", "enableSideBySide"))
    if not strip_flag(post.message)[1]:
        problems.append("message must be the prompt, a space and --mode=")
    if config.videoLength not in _OLDER_LENGTHS:
        problems.append(f"videoLength must be one of {_OLDER_LENGTHS}")
    if post.responseMetadata.experiments:
        problems.append("experiments must be empty")
    problems += check_ratio(config.aspectRatio)
    if config.isVideoExtension is not UNSET:
        return problems + _check_extension(post, config)
    return problems + _check_references(config)


def _check_references(config: VideoConfig) -> list[str]:
    only_later = (
        *("videoExtensionStartTime", "extendPostId", "stitchWithExtendPostId"),
        *("originalPrompt", "originalPostId", "originalRefType", "mode"),
    )
    problems = [
        f"{name} belongs to an extension" for name in only_later if getattr(config, name) != UNSET
    ]
    told = (config.isVideoEdit, config.isReferenceToVideo, config.imageReferences)
    if all(value is UNSET for value in told):
        return problems
    if told[:2] != (False, True) or not 1 <= len(told[2] or []) <= _MAX_REFERENCES:
        problems.append("references need isVideoEdit false, isReferenceToVideo true, 1 to 7 URLs")
    return problems


def _check_extension(post: OlderVideoPost, config: VideoConfig) -> list[str]:
    problems = [] if config.isVideoEdit is False else ["isVideoEdit must be false"]
    problems += demand(config, ("isVideoExtension", "stitchWithExtendPostId"))
    if config.isReferenceToVideo is not UNSET or config.imageReferences is not UNSET:
        problems.append("an extension has no references")
    if config.originalRefType != "ORIGINAL_REF_TYPE_VIDEO_EXTENSION":
        problems.append("originalRefType must be ORIGINAL_REF_TYPE_VIDEO_EXTENSION")
    if config.originalPostId != config.parentPostId:
        problems.append("originalPostId must be the parent")
    prompt, preset = strip_flag(post.message)
    if config.originalPrompt != prompt:
        problems.append("originalPrompt must be the message without its flag")
    if not isinstance(config.mode, str) or _MODES.get(config.mode) != preset:
        problems.append("mode must be the name of the preset in the message")
    return problems
