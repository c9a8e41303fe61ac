"""What clients give with a request: checked, decoded or fetched, and held while it is needed."""

import asyncio
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import Final, Self

import msgspec
from msgspec import Struct

from grok2api.config.attachments import FileSettings
from grok2api.domain.chat import ChatRequest, ContentPart, FilePart, ImagePart, Message
from grok2api.domain.data_url import DataUrl, DataUrlError, is_data_url, parse_data_url
from grok2api.domain.files import IMAGE_TYPES, InputFile, clean_name, find_type
from grok2api.errors import InvalidRequestError
from grok2api.services.budget import BYTES_PER_MB, INLINE_BYTES, Budget, reserve
from grok2api.services.given_images import GivenImage, ImageIntake, ImageTaker, Spool
from grok2api.upstream.fetch import Fetched, Fetcher, FetchError

__all__ = ["BYTES_PER_MB", "FileDesk", "GivenImage", "ImageIntake", "Intake", "Spool"]

_REF_BYTES: Final = 16

_AttachedPart = ImagePart | FilePart


class _Given(Struct, frozen=True):
    """A part that is a file, and where it stands. `data` is None for a URL to fetch."""

    part: _AttachedPart
    param: str
    data: DataUrl | None

    @property
    def is_image(self) -> bool:
        return isinstance(self.part, ImagePart)

    def refuse(self, why: str) -> InvalidRequestError:
        """Return the error that says why this file is not taken."""
        what, code = (
            ("The image", "invalid_image_input")
            if self.is_image
            else ("The file", "invalid_attachment_input")
        )
        return InvalidRequestError(
            f"{what} in '{self.param}' cannot be used. {why}", param=self.param, code=code
        )


class Intake:
    """A request whose files are at hand; leaving its context lets go of them."""

    __slots__ = ("_budget", "_held_bytes", "request")

    def __init__(self, request: ChatRequest, budget: Budget, held_bytes: int) -> None:
        self.request = request
        self._budget = budget
        self._held_bytes = held_bytes

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.let_go()

    def let_go(self) -> None:
        """Forget the files: nobody will be asked anew. May be called more than once."""
        if not self._held_bytes:
            return
        for file in self.request.files:
            file.forget()
        self._budget.give(self._held_bytes)
        self._held_bytes = 0


class FileDesk:
    """Takes in the files of requests, within the limits of one process."""

    __slots__ = ("_budget", "_fetcher", "_settings", "uploads")

    def __init__(
        self,
        fetcher: Fetcher,
        settings: FileSettings,
        *,
        budget: Budget | None = None,
        uploads: Budget | None = None,
    ) -> None:
        """`budget` and `uploads` are of the whole process; without them, this desk's own."""
        self._fetcher = fetcher
        self._settings = settings
        self._budget = budget or Budget(settings.memory_mb * BYTES_PER_MB)
        self.uploads = uploads or Budget(settings.upload_concurrency)
        """The turns to upload."""

    @property
    def deletes_after_use(self) -> bool:
        """Whether what was uploaded shall be deleted when the answer has ended."""
        return self._settings.delete_after_use

    @property
    def free_bytes(self) -> int:
        """Memory for files that no request holds."""
        return self._budget.free

    async def take_in(self, request: ChatRequest) -> Intake:
        """Return `request` with its files.

        Raises:
            InvalidRequestError: a file cannot be used; `param` says which.
            UpstreamUnavailableError: other requests' files fill the memory meant for them.
        """
        parts = list(_attached_parts(request))
        if not parts:
            return Intake(request, self._budget, 0)
        is_small = sum(len(part.url) for _, part in parts) < INLINE_BYTES
        given = self._find(parts) if is_small else await asyncio.to_thread(self._find, parts)
        held_bytes = await self._reserve(given)
        try:
            files = await self._load_all(given)
            ready = _with_files(request, files)
        except BaseException:
            self._budget.give(held_bytes)
            raise
        needed_bytes = min(sum(len(file.content) for file in ready.files), held_bytes)
        self._budget.give(held_bytes - needed_bytes)
        return Intake(ready, self._budget, needed_bytes)

    async def take_images(self, given: Sequence[GivenImage]) -> ImageIntake:
        """Return the pictures that a request is about, in the order given; their bytes decide.

        Raises:
            InvalidRequestError: one cannot be used; `param` says which.
            UpstreamUnavailableError: other requests' files fill the memory meant for them.
        """
        return await ImageTaker(self._budget, self._fetcher, self._settings).take(given)

    def _find(self, parts: Iterable[tuple[str, _AttachedPart]]) -> dict[_AttachedPart, _Given]:
        """Return every different file, by its part. Reads all that was given, some times over."""
        found: dict[_AttachedPart, _Given] = {}
        for param, part in parts:
            if part not in found:
                found[part] = self._look_at(part, param)
        limits = self._settings
        if len(found) > limits.max_files:
            *_, last = found.values()
            raise last.refuse(f"At most {limits.max_files} files can be given with a request.")
        sizes = [(given, given.data.size_bytes) for given in found.values() if given.data]
        for given, size in sizes:
            if size > limits.max_file_mb * BYTES_PER_MB:
                raise given.refuse(f"It is larger than {limits.max_file_mb} MB.")
        if sum(size for _, size in sizes) > limits.max_request_mb * BYTES_PER_MB:
            raise sizes[-1][0].refuse(self._too_much)
        return found

    @property
    def _too_much(self) -> str:
        return f"All files together are larger than {self._settings.max_request_mb} MB."

    def _look_at(self, part: _AttachedPart, param: str) -> _Given:
        given = _Given(part, param, None)
        if not self._settings.enabled:
            raise given.refuse("Images and documents are switched off on this server.")
        if is_data_url(part.url):
            try:
                return _Given(part, param, parse_data_url(part.url))
            except DataUrlError as error:
                raise given.refuse(f"Its data URL is wrong: {error}.") from None
        if not self._settings.fetch_urls:
            raise given.refuse("URLs are not fetched by this server: send a data URL.")
        return given

    async def _reserve(self, given: dict[_AttachedPart, _Given]) -> int:
        limit = self._settings.max_file_mb * BYTES_PER_MB
        wanted = sum(g.data.size_bytes if g.data else limit for g in given.values())
        return await reserve(self._budget, wanted, self._settings.fetch_timeout_s)

    async def _load_all(self, given: dict[_AttachedPart, _Given]) -> dict[_AttachedPart, InputFile]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._try_to_load(each)) for each in given.values()]
        loaded: dict[_AttachedPart, InputFile] = {}
        by_ref: dict[str, InputFile] = {}
        size = 0
        for each, task in zip(given.values(), tasks, strict=True):
            found = task.result()
            if isinstance(found, InvalidRequestError):
                raise found
            if found.ref not in by_ref:
                size += len(found.content)
            loaded[each.part] = by_ref.setdefault(found.ref, found)
            if size > self._settings.max_request_mb * BYTES_PER_MB:
                raise each.refuse(self._too_much)
        return loaded

    async def _try_to_load(self, given: _Given) -> InputFile | InvalidRequestError:
        """Return the file or what is wrong with it; as a value, for the first in order is told."""
        try:
            if given.data is None:
                limit = self._settings.max_file_mb * BYTES_PER_MB
                fetched = await self._fetcher.fetch(given.part.url, limit)
                size = len(fetched.content)
            else:
                fetched, size = None, given.data.size_bytes
            if size < INLINE_BYTES:
                return _make_file(given, fetched)
            return await asyncio.to_thread(_make_file, given, fetched)
        except (FetchError, DataUrlError) as error:
            why = f"{error}" if isinstance(error, FetchError) else f"It is damaged: {error}."
            return given.refuse(why)
        except InvalidRequestError as error:
            return error


def _attached_parts(request: ChatRequest) -> Iterator[tuple[str, _AttachedPart]]:
    for index, message in enumerate(request.messages):
        for place, part in enumerate(message.parts):
            if isinstance(part, ImagePart | FilePart):
                yield f"messages[{index}].content[{place}]", part


def _make_file(given: _Given, fetched: Fetched | None) -> InputFile:
    """Decode, recognise and name a file. Costs CPU in proportion to its size."""
    if fetched is not None:
        content, declared, name = fetched.content, fetched.media_type, fetched.name
    elif given.data is not None:
        content = given.data.decode()
        declared, name = given.data.media_type, given.data.name
    else:
        raise TypeError("neither fetched nor given")
    if not content:
        raise given.refuse("It is empty.")
    if isinstance(given.part, FilePart) and given.part.name:
        name = given.part.name
    media_type = find_type(content, declared, name)
    if given.is_image and media_type not in IMAGE_TYPES:
        raise given.refuse("It is not a PNG, JPEG, GIF or WebP image.")
    if not media_type:
        raise given.refuse("It is neither an image, a text nor a document of a known kind.")
    name = clean_name(name, media_type)
    digest = hashlib.blake2b(content, digest_size=_REF_BYTES, person=b"file")
    digest.update(f"\0{media_type}\0{name}".encode())
    return InputFile(f"file:{digest.hexdigest()}", name, media_type, content)


def _with_files(request: ChatRequest, files: dict[_AttachedPart, InputFile]) -> ChatRequest:
    """Return `request` with short references where whole files stood."""
    messages = tuple(
        msgspec.structs.replace(
            message, parts=tuple(_with_reference(part, files) for part in message.parts)
        )
        if _has_files(message)
        else message
        for message in request.messages
    )
    unique = {file.ref: file for file in files.values()}
    return msgspec.structs.replace(request, messages=messages, files=tuple(unique.values()))


def _has_files(message: Message) -> bool:
    return any(isinstance(part, ImagePart | FilePart) for part in message.parts)


def _with_reference(part: ContentPart, files: dict[_AttachedPart, InputFile]) -> ContentPart:
    match part:
        case ImagePart():
            return ImagePart(files[part].ref)
        case FilePart():
            return FilePart(files[part].ref, files[part].name)
        case _:
            return part
