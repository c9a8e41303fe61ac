"""What a client may post, key by key."""

from typing import Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

_OFF = (
    "disableSelfHarmShortCircuit",
    "disableTextFollowUps",
    "forceConcise",
    "forceSideBySide",
    "isAsyncChat",
    "returnImageBytes",
    "returnRawGrokInXaiRequest",
)
_ON = ("enableImageGeneration", "enableImageStreaming", "enableSideBySide", "sendFinalMetadata")
_EMPTY = ("collectionIds", "disabledConnectorIds", "imageAttachments")
_IMAGES = 2


class _Strict(Struct, forbid_unknown_fields=True):
    """A mapping whose keys are all known."""


class DeviceInfo(_Strict):
    """The screen the page claims to have."""

    darkModeEnabled: bool  # noqa: N815 - the site's spelling
    devicePixelRatio: int  # noqa: N815
    screenHeight: int  # noqa: N815
    screenWidth: int  # noqa: N815
    viewportHeight: int  # noqa: N815
    viewportWidth: int  # noqa: N815


class EmptyObject(_Strict):
    """`{}`."""


class ChatPost(_Strict):
    """The body of a chat call, in the form of July 2026, new conversation or follow-up."""

    collectionIds: list[str]  # noqa: N815
    disabledConnectorIds: list[str]  # noqa: N815
    deviceEnvInfo: DeviceInfo  # noqa: N815
    disableMemory: bool  # noqa: N815
    disableSearch: bool  # noqa: N815
    disableSelfHarmShortCircuit: bool  # noqa: N815
    disableTextFollowUps: bool  # noqa: N815
    enableImageGeneration: bool  # noqa: N815
    enableImageStreaming: bool  # noqa: N815
    enableSideBySide: bool  # noqa: N815
    fileAttachments: list[str]  # noqa: N815
    forceConcise: bool  # noqa: N815
    forceSideBySide: bool  # noqa: N815
    imageAttachments: list[str]  # noqa: N815
    imageGenerationCount: int  # noqa: N815
    isAsyncChat: bool  # noqa: N815
    message: str
    modeId: Literal["auto", "fast", "expert", "heavy", "grok-420-computer-use-sa"]  # noqa: N815
    responseMetadata: EmptyObject  # noqa: N815
    returnImageBytes: bool  # noqa: N815
    returnRawGrokInXaiRequest: bool  # noqa: N815
    sendFinalMetadata: bool  # noqa: N815
    temporary: bool
    customPersonality: str | UnsetType = UNSET  # noqa: N815
    parentResponseId: str | UnsetType = UNSET  # noqa: N815
    responseId: str | UnsetType = UNSET  # noqa: N815


class QuotaPost(_Strict):
    """The body of a quota call."""

    modelName: Literal["auto", "fast", "expert", "heavy", "grok-420-computer-use-sa"]  # noqa: N815


CHAT_POST_DECODER = msgspec.json.Decoder(ChatPost)
QUOTA_POST_DECODER = msgspec.json.Decoder(QuotaPost)


def check_chat_post(post: ChatPost, *, is_follow_up: bool) -> list[str]:
    """Return what is wrong with a chat body whose keys are right."""
    problems = [f"{name} must be false" for name in _OFF if getattr(post, name)]
    problems += [f"{name} must be true" for name in _ON if not getattr(post, name)]
    problems += [f"{name} must be empty" for name in _EMPTY if getattr(post, name)]
    if post.imageGenerationCount != _IMAGES:
        problems.append(f"imageGenerationCount must be {_IMAGES}")
    if not post.message.strip():
        problems.append("message is empty")
    if post.customPersonality is not UNSET and not post.customPersonality:
        problems.append("customPersonality is empty")
    # Clients disagree on the name of the parent field; the site is not known to mind.
    parents = [p for p in (post.parentResponseId, post.responseId) if p is not UNSET]
    if len(parents) != int(is_follow_up):
        problems.append(
            "one of parentResponseId and responseId belongs to a follow-up, and only there"
        )
    return problems


def parent_of(post: ChatPost) -> str:
    """Return the parent id of a follow-up, or an empty string."""
    return post.parentResponseId or post.responseId or ""
