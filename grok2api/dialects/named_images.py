"""What requests for pictures and for videos have in common: given pictures, options in forms."""

from collections.abc import Iterable, Mapping
from typing import Final, TypeVar

import msgspec
from msgspec import Raw, Struct

from grok2api.dialects.errors import parse_problem
from grok2api.dialects.fields import decode, is_given, no_uploads, refusal
from grok2api.wire.openai.images import ReferenceBody, UrlBody

_REFERENCES: Final = msgspec.json.Decoder(str | ReferenceBody | list[str | ReferenceBody])

OptionsT = TypeVar("OptionsT", bound=Struct)


class NamedImage(Struct, frozen=True):
    """A picture in a request: an address or its content, and where it stands."""

    param: str
    url: str


def find_images(wire: Struct, names: Iterable[str]) -> tuple[NamedImage, ...]:
    """Return the pictures in those fields of a JSON body; each holds one or a list.

    Raises:
        InvalidRequestError: one of them cannot be had.
    """
    found: list[NamedImage] = []
    for name in names:
        raw: Raw = getattr(wire, name)
        if is_given(raw):
            given = decode(_REFERENCES, raw, name)
            if isinstance(given, list):
                found += [_read(each, f"{name}[{at}]") for at, each in enumerate(given)]
            else:
                found.append(_read(given, name))
    return tuple(found)


def read_options(kind: type[OptionsT], fields: Mapping[str, str]) -> OptionsT:
    """Return the options in a form; an empty field is as good as none, others are left out.

    Raises:
        InvalidRequestError: a value is not of its type.
    """
    known = {field.encode_name for field in msgspec.structs.fields(kind)}
    given = {name: text for name, text in fields.items() if name in known and text.strip()}
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as problem:
        raise parse_problem(problem) from None


def _read(given: str | ReferenceBody, at: str) -> NamedImage:
    if isinstance(given, str):
        text = given
    elif given.file_id and not given.image_url:
        raise no_uploads(f"{at}.file_id", "in 'image_url'")
    else:
        url = given.image_url.url if isinstance(given.image_url, UrlBody) else given.image_url
        text = url or given.url or given.b64_json or ""
    if not text.strip():
        raise refusal("The image is empty.", at, "invalid_image_input")
    return NamedImage(at, text)
