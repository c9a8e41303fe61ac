"""What a client may post to have pictures edited, in both forms."""

from typing import Literal

from msgspec import UNSET, UnsetType

from grok2api.simulator.frames.rules import Strict, check_ratio, demand

_OLDER_COUNT = 2
_MAX_INPUTS = 8
_MAX_REFERENCES = 7


class ImageToImage(Strict):
    """An edit as the page asks for it."""

    prompt: str
    inputAssets: list[str]  # noqa: N815 - the site's spelling
    aspectRatio: str | UnsetType = UNSET  # noqa: N815


class EditInput(Strict):
    """The one way to edit."""

    imageToImage: ImageToImage  # noqa: N815


class EditPost(Strict):
    """An edit in the form of August 2026."""

    modelName: Literal["imagine-image-edit"]  # noqa: N815
    message: str
    enableImageStreaming: bool  # noqa: N815
    enableSideBySide: bool  # noqa: N815
    sendFinalMetadata: bool  # noqa: N815
    mediaGenInput: EditInput  # noqa: N815


class EditConfig(Strict):
    """What an older edit begins with; the references are addresses."""

    imageReferences: list[str]  # noqa: N815
    parentPostId: str  # noqa: N815
    aspectRatio: str | UnsetType = UNSET  # noqa: N815


class EditModels(Strict):
    """The model of an older edit."""

    imageEditModel: Literal["imagine"]  # noqa: N815
    imageEditModelConfig: EditConfig  # noqa: N815


class EditOverride(Strict):
    """The models."""

    modelMap: EditModels  # noqa: N815


class EditMetadata(Strict):
    """The override of the models."""

    modelConfigOverride: EditOverride  # noqa: N815


class OlderEditPost(Strict):
    """An edit in the form before August 2026."""

    temporary: bool
    modelName: Literal["imagine-image-edit"]  # noqa: N815
    message: str
    enableImageGeneration: bool  # noqa: N815
    returnImageBytes: bool  # noqa: N815
    returnRawGrokInXaiRequest: bool  # noqa: N815
    enableImageStreaming: bool  # noqa: N815
    imageGenerationCount: int  # noqa: N815
    forceConcise: bool  # noqa: N815
    enableSideBySide: bool  # noqa: N815
    sendFinalMetadata: bool  # noqa: N815
    isReasoning: bool  # noqa: N815
    disableTextFollowUps: bool  # noqa: N815
    responseMetadata: EditMetadata  # noqa: N815
    disableMemory: bool  # noqa: N815
    forceSideBySide: bool  # noqa: N815


def check_edit(post: EditPost) -> list[str]:
    """Return what is wrong with an edit whose keys are right."""
    wanted = post.mediaGenInput.imageToImage
    problems = demand(post, ("enableImageStreaming", "enableSideBySide", "sendFinalMetadata"))
    problems += check_ratio(wanted.aspectRatio)
    if wanted.prompt != post.message:
        problems.append("prompt and message differ")
    if not 1 <= len(wanted.inputAssets) <= _MAX_INPUTS:
        problems.append(f"inputAssets must be 1 to {_MAX_INPUTS}")
    return problems


def check_older_edit(post: OlderEditPost) -> list[str]:
    """Return what is wrong with an older edit whose keys are right."""
    on = ("temporary", "enableImageGeneration", "enableImageStreaming", "enableSideBySide")
    off = ("returnImageBytes", "returnRawGrokInXaiRequest", "forceConcise", "isReasoning")
    problems = demand(
        post, (*on, "sendFinalMetadata", "disableTextFollowUps"), (*off, "forceSideBySide")
    )
    config = post.responseMetadata.modelConfigOverride.modelMap.imageEditModelConfig
    if post.imageGenerationCount != _OLDER_COUNT:
        problems.append(f"imageGenerationCount must be {_OLDER_COUNT}")
    if not 1 <= len(config.imageReferences) <= _MAX_REFERENCES:
        problems.append(f"imageReferences must be 1 to {_MAX_REFERENCES}")
    return problems + check_ratio(config.aspectRatio)
