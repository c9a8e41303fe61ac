"""Reads a request's form; files in it wait on disk until somebody has memory for them."""

from collections import defaultdict
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


class Form(Struct, frozen=True):
    """A form that has been read; leaving its context deletes its files.

    `texts` are the names and values of all that is no file, in the order sent.
    """

    texts: tuple[tuple[str, str], ...]
    files: tuple[FormFile, ...]

    @property
    def fields(self) -> dict[str, str]:
        """The texts by name; of those with one name the last wins."""
        return dict(self.texts)

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

    def files_by_field(self) -> dict[str, list[FormFile]]:
        """Return the files by their field, each in the order sent."""
        found = defaultdict[str, list[FormFile]](list)
        for file in self.files:
            found[file.field].append(file)
        return dict(found)


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
    texts = [(name, value) for name, value in data.multi_items() if isinstance(value, str)]
    files = [
        FormFile(name, value.filename or "", value.content_type or "", _spool_of(value))
        for name, value in data.multi_items()
        if isinstance(value, UploadFile)
    ]
    return Form(tuple(texts), tuple(files))


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


def _spool_of(upload: UploadFile) -> Spool:
    return Spool(upload.size or 0, upload.file)


def _describe(problem: str) -> InvalidRequestError | BodyTooLargeError:
    if "maximum size" in problem:
        return BodyTooLargeError(
            f"A field of the form is larger than {MAX_FIELD_BYTES // 1024} kB: "
            "send what is so large as a file.",
            code="request_too_large",
        )
    return InvalidRequestError(f"The form in the body is damaged: {problem}", code="invalid_form")
