"""Reads a request's form; files in it wait on disk until somebody has memory for them."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from types import TracebackType
from typing import Final, Self

from msgspec import Struct
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import FormParser, MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from grok2api.errors import BodyTooLargeError, InvalidRequestError
from grok2api.services.files import Spool
from grok2api.web.presence import ClientLeftError

MAX_FIELDS: Final = 100
MAX_FIELD_BYTES: Final = 1024 * 1024
"""The longest field; pictures in it belong into file parts, which are not held in memory."""

_MULTIPART: Final = "multipart/form-data"
_URLENCODED: Final = "application/x-www-form-urlencoded"


class FormFile(Struct, frozen=True):
    """A file of a form. `name` and `media_type` are what the client says, "" for nothing."""

    field: str
    name: str
    media_type: str
    content: Spool


class FormText(Struct, frozen=True):
    """A field of a form that is no file."""

    field: str
    text: str


class Form(Struct, frozen=True):
    """A form that has been read, in the order sent; leaving its context deletes its files."""

    parts: tuple[FormFile | FormText, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its fields, each once."""
        return tuple(dict.fromkeys(part.field for part in self.parts))

    @property
    def texts(self) -> tuple[FormText, ...]:
        """What is no file."""
        return tuple(part for part in self.parts if isinstance(part, FormText))

    @property
    def fields(self) -> dict[str, str]:
        """The texts by their fields; of several with one name the last."""
        return {part.field: part.text for part in self.texts}

    @property
    def files(self) -> tuple[FormFile, ...]:
        """The files."""
        return tuple(part for part in self.parts if isinstance(part, FormFile))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for file in self.files:
            file.content.close()


def is_form(request: Request) -> bool:
    """Whether the client says that the body is a form."""
    return _kind_of(request) in {_MULTIPART, _URLENCODED}


async def read_form(request: Request, *, max_files: int) -> Form:
    """Return the form in the body; use it as a context.

    A form with more than `max_files` files is not read to its end.

    Raises:
        InvalidRequestError: it is no form, damaged, cut short, or has too many parts.
        BodyTooLargeError: it, or a field of it, is over the limit.
        RequestTimeoutError: it did not come in time.
        ClientLeftError: the client left before the end of it.
    """
    try:
        async with aclosing(request.stream()) as stream:
            data = await _choose_parser(request, stream, max_files).parse()
    except ClientDisconnect:
        raise ClientLeftError from None
    except MultiPartException as problem:
        raise _describe(problem.message) from None
    return Form(tuple(_part(name, value) for name, value in data.multi_items()))


class _WholeParser(MultiPartParser):
    """Refuses a form whose end is missing: its last part would be lost without a word."""

    _has_ended = False

    def on_end(self) -> None:
        self._has_ended = True

    async def parse(self) -> FormData:
        data = await super().parse()
        if self._has_ended:
            return data
        for file in self._files_to_close_on_error:
            file.close()
        raise MultiPartException("Its end is missing.")


def _choose_parser(
    request: Request, stream: AsyncGenerator[bytes, None], max_files: int
) -> FormParser | MultiPartParser:
    match _kind_of(request):
        case "multipart/form-data":
            return _WholeParser(
                request.headers,
                stream,
                max_files=max_files,
                max_fields=MAX_FIELDS,
                max_part_size=MAX_FIELD_BYTES,
            )
        case "application/x-www-form-urlencoded":
            return FormParser(
                request.headers, stream, max_fields=MAX_FIELDS, max_part_size=MAX_FIELD_BYTES
            )
        case _:
            raise InvalidRequestError(
                f"The body must be a form: '{_MULTIPART}' with its boundary, or '{_URLENCODED}'.",
                code="unsupported_media_type",
            )


def _kind_of(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _part(name: str, value: UploadFile | str) -> FormFile | FormText:
    if isinstance(value, str):
        return FormText(name, value)
    content = Spool(value.size or 0, value.file)
    return FormFile(name, value.filename or "", value.content_type or "", content)


def _describe(problem: str) -> InvalidRequestError | BodyTooLargeError:
    if "maximum size" in problem:
        return BodyTooLargeError(
            f"A field of the form is larger than {MAX_FIELD_BYTES // 1024} kB: "
            "send what is so large as a file.",
            code="request_too_large",
        )
    is_damaged = not problem.startswith("Too many")
    what = "is damaged" if is_damaged else "cannot be taken"
    return InvalidRequestError(f"The form in the body {what}: {problem}", code="invalid_form")
