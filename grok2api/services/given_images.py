"""Pictures that a request is about: decoded, fetched or read, and held while they are needed."""

import asyncio
import hashlib
from collections.abc import Sequence
from types import TracebackType
from typing import BinaryIO, Final, Self, assert_never

from msgspec import Struct

from grok2api.config.attachments import FileSettings
from grok2api.domain.data_url import DataUrl, DataUrlError, is_data_url, parse_data_url
from grok2api.domain.files import IMAGE_TYPES, InputFile, clean_name, find_type
from grok2api.domain.image_size import read_image_size
from grok2api.errors import InvalidRequestError
from grok2api.services.budget import BYTES_PER_MB, INLINE_BYTES, Budget, reserve
from grok2api.upstream.fetch import Fetcher, FetchError

MAX_SIDE_PIXELS: Final = 16_384
MAX_PIXELS: Final = 100_000_000
"""What a small file may unpack to; more is likely meant to do harm."""

_HEAD_BYTES: Final = 4 * BYTES_PER_MB
"""Width and height are looked for in so much."""
_REF_BYTES: Final = 16
_WEB: Final = ("https://", "http://")


class Spool(Struct, frozen=True):
    """Bytes in a file that is deleted when it is closed. Reading blocks; call it in a thread."""

    size_bytes: int
    file: BinaryIO

    def read(self) -> bytes:
        """Return all of it."""
        self.file.seek(0)
        return self.file.read()

    def close(self) -> None:
        """Delete it; more than once does no harm."""
        self.file.close()


class GivenImage(Struct, frozen=True):
    """A picture as a client gave it; `param` is the field, as the client spells it.

    Either `content` or `url`: an http(s) URL, a data URL, or bare base64. `name` and `media_type`
    are what the client says, "" for nothing.
    """

    param: str
    content: bytes | Spool = b""
    url: str = ""
    name: str = ""
    media_type: str = ""

    def refuse(self, why: str) -> InvalidRequestError:
        """Return the error that says why this picture is not taken."""
        return InvalidRequestError(
            f"The image in '{self.param}' cannot be used. {why}",
            param=self.param,
            code="invalid_image_input",
        )


class ImageIntake:
    """Pictures at hand, in the order given; leaving its context lets go of them."""

    __slots__ = ("_budget", "_held_bytes", "files")

    def __init__(self, files: tuple[InputFile, ...], budget: Budget, held_bytes: int) -> None:
        self.files = files
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
        """Forget the pictures. May be called more than once."""
        for file in self.files:
            file.forget()
        self._budget.give(self._held_bytes)
        self._held_bytes = 0


class _Source(Struct, frozen=True):
    """Where the bytes of a picture are; None for a URL to fetch."""

    given: GivenImage
    held: bytes | Spool | DataUrl | None

    def size_bytes(self, limit: int) -> int:
        """How large it is; `limit` where only fetching it tells."""
        match self.held:
            case None:
                return limit
            case bytes():
                return len(self.held)
            case _:
                return self.held.size_bytes


class ImageTaker(Struct, frozen=True):
    """Takes in pictures, within the limits of `settings` and the memory of `budget`."""

    budget: Budget
    fetcher: Fetcher
    settings: FileSettings

    async def take(self, given: Sequence[GivenImage]) -> ImageIntake:
        """Return the pictures; see `FileDesk.take_images`."""
        is_small = sum(len(image.url) for image in given) < INLINE_BYTES
        sources = self._find(given) if is_small else await asyncio.to_thread(self._find, given)
        limit = self._max_file_bytes
        wanted = sum(source.size_bytes(limit) for source in sources)
        held = await reserve(self.budget, wanted, self.settings.fetch_timeout_s)
        try:
            files = await self._load_all(sources)
        except BaseException:
            self.budget.give(held)
            raise
        different = {id(file): len(file.content) for file in files}
        needed = min(sum(different.values()), held)
        self.budget.give(held - needed)
        return ImageIntake(files, self.budget, needed)

    @property
    def _max_file_bytes(self) -> int:
        return self.settings.max_file_mb * BYTES_PER_MB

    def _find(self, given: Sequence[GivenImage]) -> list[_Source]:
        """Return where each picture is; all that can be told before any is read is checked."""
        sources = [self._look_at(image) for image in given]
        if len(sources) > self.settings.max_files:
            raise given[-1].refuse(
                f"At most {self.settings.max_files} files can be given with a request."
            )
        # A URL may be a small file; what is known counts.
        sizes = [(source.given, source.size_bytes(0)) for source in sources]
        for image, size in sizes:
            if size > self._max_file_bytes:
                raise image.refuse(f"It is larger than {self.settings.max_file_mb} MB.")
        if sum(size for _, size in sizes) > self.settings.max_request_mb * BYTES_PER_MB:
            raise given[-1].refuse(self._too_much)
        return sources

    @property
    def _too_much(self) -> str:
        return f"All images together are larger than {self.settings.max_request_mb} MB."

    def _look_at(self, given: GivenImage) -> _Source:
        if not self.settings.enabled:
            raise given.refuse("Images and documents are switched off on this server.")
        url = given.url.strip()
        if not url:
            return _Source(given, given.content)
        if url[:8].lower().startswith(_WEB):
            if not self.settings.fetch_urls:
                raise given.refuse("URLs are not fetched by this server: send a data URL.")
            return _Source(given, None)
        if not is_data_url(url):
            url = f"data:application/octet-stream;base64,{url}"
        try:
            return _Source(given, parse_data_url(url))
        except DataUrlError as error:
            raise given.refuse(f"Its data URL is wrong: {error}.") from None

    async def _load_all(self, sources: Sequence[_Source]) -> tuple[InputFile, ...]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._try_to_load(source)) for source in sources]
        files: list[InputFile] = []
        by_ref: dict[str, InputFile] = {}
        for source, task in zip(sources, tasks, strict=True):
            found = task.result()
            if isinstance(found, InvalidRequestError):
                raise found
            files.append(by_ref.setdefault(found.ref, found))
            size = sum(len(file.content) for file in by_ref.values())
            if size > self.settings.max_request_mb * BYTES_PER_MB:
                raise source.given.refuse(self._too_much)
        return tuple(files)

    async def _try_to_load(self, source: _Source) -> InputFile | InvalidRequestError:
        """Return the picture or what is wrong with it; a value, for the first in order is told."""
        try:
            return await self._load(source)
        except FetchError as error:
            return source.given.refuse(str(error))
        except DataUrlError as error:
            is_url = is_data_url(source.given.url.strip())
            why = f"{error}" if is_url else "it is no http(s) URL, no data URL and no base64"
            return source.given.refuse(f"It is damaged: {why}.")
        except InvalidRequestError as error:
            return error

    async def _load(self, source: _Source) -> InputFile:
        if source.held is None:
            url = source.given.url.strip()
            fetched = await self.fetcher.fetch(url, self._max_file_bytes)
            given = source.given
            named = GivenImage(given.param, b"", given.url, given.name or fetched.name)
            return await asyncio.to_thread(_make_image, named, fetched.content)
        if source.size_bytes(0) < INLINE_BYTES and not isinstance(source.held, Spool):
            return _make_image(source.given, source.held)
        return await asyncio.to_thread(_make_image, source.given, source.held)


def _make_image(given: GivenImage, held: bytes | Spool | DataUrl) -> InputFile:
    """Read or decode, recognise and name a picture. Costs CPU in proportion to its size."""
    name = given.name
    match held:
        case bytes():
            content = held
        case Spool():
            content = held.read()
        case DataUrl():
            content, name = held.decode(), name or held.name
        case _:
            assert_never(held)
    if not content:
        raise given.refuse("It is empty.")
    # Its bytes decide; a text that calls itself a picture is none.
    media_type = find_type(content, "", "")
    if media_type not in IMAGE_TYPES:
        raise given.refuse("It is not a PNG, JPEG, GIF or WebP image.")
    size = read_image_size(content[:_HEAD_BYTES])
    if size is None:
        raise given.refuse("It is damaged: it does not tell its width and height.")
    width, height = size
    if max(size) > MAX_SIDE_PIXELS or width * height > MAX_PIXELS:
        raise given.refuse(
            f"It is {width} x {height} pixels large; at most {MAX_SIDE_PIXELS} on a side and "
            f"{MAX_PIXELS // 1_000_000} megapixels are taken."
        )
    name = clean_name(name, media_type)
    digest = hashlib.blake2b(content, digest_size=_REF_BYTES, person=b"file")
    digest.update(f"\0{media_type}\0{name}".encode())
    return InputFile(f"file:{digest.hexdigest()}", name, media_type, content)
