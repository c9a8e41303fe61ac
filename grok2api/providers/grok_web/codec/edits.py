"""Edits of pictures as requests: the page's own form, and the older one with its post."""

import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import quote

from msgspec import UNSET, Struct

from grok2api.domain.upstream import UpstreamRequest
from grok2api.errors import UpstreamProtocolError
from grok2api.providers.grok_web.codec.failure import decode_json
from grok2api.providers.grok_web.codec.identity import Headers
from grok2api.providers.grok_web.codec.loose import as_mapping, first_text
from grok2api.providers.grok_web.wire_images import (
    ENCODER,
    EditConfig,
    EditPayload,
    ImageToImage,
    OlderEditPayload,
    PostPayload,
)
from grok2api.providers.session import UploadedFile

MAX_OLDER_REFERENCES: Final = 7
_MENTION = re.compile(r"@IMAGE(\d{1,3})(?!\d)", re.IGNORECASE)


class Post(Struct, frozen=True):
    """A post that was made, and the prompt as the site keeps it."""

    id: str
    prompt: str


def edit_turn(base_url: str, headers: Headers, body: bytes) -> UpstreamRequest:
    """Build the request of an edit; `body` is from one of the two functions below."""
    url = f"{base_url}/rest/app-chat/conversations/new"
    return UpstreamRequest("POST", url, headers, body, is_only_once=True)


def current_edit(prompt: str, references: Sequence[UploadedFile], aspect_ratio: str) -> bytes:
    """Encode an edit as the page does it.

    The pictures have no names there but their order, so `@IMAGE2` becomes `image 2`.
    """
    said = replace_mentions(prompt, [f"image {at}" for at in range(1, len(references) + 1)])
    made_from = ImageToImage(
        prompt=said,
        input_assets=tuple(file.id for file in references),
        aspect_ratio=aspect_ratio or UNSET,
    )
    return ENCODER.encode(EditPayload(message=said, media_gen_input={"imageToImage": made_from}))


def older_edit(post: Post, references: Sequence[UploadedFile], aspect_ratio: str) -> bytes:
    """Encode an edit as it was before; of too many references the last ones are kept.

    Raises:
        UpstreamProtocolError: the upstream did not say where a reference lies.
    """
    urls = tuple(file.url for file in references[-MAX_OLDER_REFERENCES:])
    if not all(urls):
        raise UpstreamProtocolError(
            "The upstream took a picture and did not say where it is.",
            code="upstream_upload_unnamed",
        )
    config = EditConfig(
        image_references=urls, parent_post_id=post.id, aspect_ratio=aspect_ratio or UNSET
    )
    override = {"modelMap": {"imageEditModel": "imagine", "imageEditModelConfig": config}}
    return ENCODER.encode(
        OlderEditPayload(message=post.prompt, response_metadata={"modelConfigOverride": override})
    )


def older_prompt(prompt: str, references: Sequence[UploadedFile]) -> str:
    """Return the prompt with every `@IMAGE2` as the id of the second picture."""
    return replace_mentions(prompt, [f"@{file.id}" for file in references])


def replace_mentions(prompt: str, names: Sequence[str]) -> str:
    """Replace `@IMAGE1` by the first of `names`, and so on; numbers without a name stay."""

    def name(match: re.Match[str]) -> str:
        number = int(match[1])
        return names[number - 1] if 1 <= number <= len(names) else match[0]

    return _MENTION.sub(name, prompt)


def picture_post(base_url: str, headers: Headers, prompt: str) -> UpstreamRequest:
    """Build the request for the post under which an older edit stands."""
    body = ENCODER.encode(PostPayload(prompt=prompt))
    return UpstreamRequest("POST", f"{base_url}/rest/media/post/create", headers, body)


def read_post(body: bytes, prompt: str) -> Post:
    """Return the post that was made for `prompt`.

    Raises:
        UpstreamProtocolError: it has no id.
    """
    post = as_mapping(as_mapping(decode_json(body)).get("post"))
    post_id = first_text(post, "id")
    if not post_id:
        raise UpstreamProtocolError(
            "The upstream made a post and did not name it.", code="upstream_post_unnamed"
        )
    return Post(post_id, first_text(post, "originalPrompt", "prompt") or prompt)


def post_page(post: Post) -> str:
    """Return the page of a post."""
    return f"/imagine/post/{quote(post.id, safe='')}"
