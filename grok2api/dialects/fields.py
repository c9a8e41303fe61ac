"""Fields of requests in every dialect: how they are decoded, checked, and refused by name."""

import re
from collections.abc import Iterable
from typing import Final, Protocol, TypeVar

import msgspec
from msgspec import Raw

from grok2api.dialects.errors import parse_problem
from grok2api.dialects.findings import strip_sources_section
from grok2api.domain.chat import ContentPart, FilePart, Role, TextPart
from grok2api.errors import InvalidRequestError

_NULL: Final = (b"", b"null")
MAX_NAMES: Final = 20
_HEADER_NAME = re.compile(r"[A-Za-z0-9_.\[\]-]{1,64}")
_URL_SCHEMES: Final = ("https://", "http://", "data:")

T = TypeVar("T")


class GivenFile(Protocol):
    """What tells of a document in the OpenAI dialects: its content, or where it is."""

    @property
    def file_data(self) -> str | None: ...
    @property
    def file_url(self) -> str | None: ...
    @property
    def filename(self) -> str | None: ...


def refusal(message: str, param: str, code: str = "invalid_value") -> InvalidRequestError:
    """Return the error of a field that cannot be served."""
    return InvalidRequestError(message, param=param, code=code)


def missing(param: str) -> InvalidRequestError:
    """Return the error of a field that has to be there."""
    return refusal(f"Missing required parameter: '{param}'.", param, "missing_required_parameter")


def header_names(names: Iterable[str]) -> tuple[str, ...]:
    """Return those names of fields that can stand in a header, and no more than fit."""
    return tuple(name for name in names if _HEADER_NAME.fullmatch(name))[:MAX_NAMES]


def is_given(raw: Raw) -> bool:
    """Whether a field that was left undecoded was sent, with something in it."""
    return bytes(raw) not in _NULL


def decode(decoder: msgspec.json.Decoder[T], raw: Raw, at: str) -> T:
    """Decode the part of a body that stands `at`.

    Raises:
        InvalidRequestError: it is not what `decoder` wants.
    """
    try:
        return decoder.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as problem:
        raise parse_problem(problem, at) from None


def decode_if_possible(decoder: msgspec.json.Decoder[T], raw: Raw) -> T | None:
    """Decode what may be anything: clients put into such a field what they like."""
    if not is_given(raw):
        return None
    try:
        return decoder.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None


def check_url(url: str, at: str) -> str:
    """Return the address of a picture or document.

    Raises:
        InvalidRequestError: it is none that can be read.
    """
    if not url.lower().startswith(_URL_SCHEMES):
        raise refusal("It must be an http(s) URL or a data URI.", at)
    return url


def parse_file(given: GivenFile, at: str) -> FilePart:
    """Return a document; content without a type is base64.

    Raises:
        InvalidRequestError: it is not here, but was uploaded somewhere.
    """
    name = given.filename or ""
    if given.file_data:
        is_bare = not given.file_data.lower().startswith(_URL_SCHEMES)
        prefix = "data:application/octet-stream;base64," if is_bare else ""
        return FilePart(prefix + given.file_data, name)
    if given.file_url:
        return FilePart(check_url(given.file_url, f"{at}.file_url"), name)
    raise no_uploads(at, "in 'file_data'")


def no_uploads(at: str, field: str) -> InvalidRequestError:
    """Return the error of content that is only named by an id."""
    return refusal(
        f"Uploaded files cannot be referred to: give the content {field}.",
        at,
        "unsupported_value",
    )


def no_audio(at: str) -> InvalidRequestError:
    """Return the error of a recording."""
    return refusal("Audio input is not supported.", at, "unsupported_value")


def own_words(part: ContentPart, role: Role) -> ContentPart:
    """Leave out of an earlier answer what we had added to it."""
    if role is Role.ASSISTANT and isinstance(part, TextPart):
        return TextPart(strip_sources_section(part.text))
    return part
