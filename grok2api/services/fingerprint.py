"""What a request asks, as a short word that knows it again and tells nothing of it."""

import hashlib
from collections.abc import Iterator
from typing import Final, assert_never

from grok2api.domain.chat import ChatRequest, ContentPart, FilePart, ImagePart, Message, TextPart

DIGEST_BYTES: Final = 16
_LENGTH_BYTES: Final = 8
_GLANCE_CHARS: Final = 4096


def fingerprint(request: ChatRequest) -> str:
    """Return 16 bytes in hex that stand for model and messages of `request`.

    Sampling, limits, the user's name and the ids of tool calls are left out: they differ between
    repetitions of one prompt.
    """
    return fingerprint_texts(*_pieces(request))


def fingerprint_texts(*pieces: str) -> str:
    """Return 16 bytes in hex that stand for `pieces`, their number and their borders."""
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for piece in pieces:
        data = piece.encode("utf-8", "surrogatepass")
        # Lengths keep the pieces apart: no text can pass for the end of another.
        digest.update(len(data).to_bytes(_LENGTH_BYTES, "big"))
        digest.update(data)
    return digest.hexdigest()


def _pieces(request: ChatRequest) -> Iterator[str]:
    yield request.model
    for message in request.messages:
        yield from _message_pieces(message)


def _message_pieces(message: Message) -> Iterator[str]:
    yield f"{message.role} {len(message.parts)} {len(message.tool_calls)}"
    for part in message.parts:
        yield from _part_pieces(part)
    for call in message.tool_calls:
        yield call.name
        yield call.arguments


def _part_pieces(part: ContentPart) -> Iterator[str]:
    match part:
        case TextPart():
            yield "text"
            yield part.text
        case ImagePart():
            yield "image"
            yield _glance(part.url)
        case FilePart():
            yield "file"
            yield part.name
            yield _glance(part.url)
        case _:
            assert_never(part)


def _glance(url: str) -> str:
    """Return what stands for a URL: of one that holds a whole file, its size and both ends.

    Megabytes are not hashed on the event loop for the rare prompt that hurts accounts.
    """
    if len(url) <= 2 * _GLANCE_CHARS:
        return url
    return f"{len(url)} {url[:_GLANCE_CHARS]} {url[-_GLANCE_CHARS:]}"
