"""The pictures that videos are made from: kept, sealed, while their job has not ended."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Final

import structlog

from grok2api.domain.files import InputFile
from grok2api.domain.ids import VideoJobId
from grok2api.domain.media import MediaKind
from grok2api.domain.video import VideoRequest
from grok2api.domain.video_job import KeptReference, VideoJob
from grok2api.errors import GatewayError, MediaStoreError, NotFoundError
from grok2api.services.media import MediaLibrary
from grok2api.store.cipher import SecretCipher

log = structlog.get_logger(__name__)

LOADED_AT_ONCE: Final = 2
"""Jobs of one process whose references are in memory."""
_SEALED_TYPE: Final = "application/octet-stream"
_LENGTH_BYTES: Final = 8


class VideoReferences:
    """Keeps references. Sealed, those of two jobs are never the same object."""

    __slots__ = ("_cipher", "_library", "_turns")

    def __init__(self, library: MediaLibrary, cipher: SecretCipher) -> None:
        self._library = library
        self._cipher = cipher
        self._turns = asyncio.Semaphore(LOADED_AT_ONCE)

    async def keep(
        self, job_id: VideoJobId, files: Sequence[InputFile]
    ) -> tuple[KeptReference, ...]:
        """Keep what a client gave for a job; all of it or nothing.

        Raises:
            MediaStoreError: it cannot be kept.
            StoreUnavailableError: the store did not answer.
        """
        kept: list[KeptReference] = []
        try:
            for file in files:
                sealed = await asyncio.to_thread(self._cipher.seal, file.content, _context(job_id))
                media = await self._library.put(MediaKind.INPUT, sealed, _SEALED_TYPE)
                kept.append(KeptReference(media.id, file.ref, file.name, file.media_type))
        except GatewayError:
            await self.remove(kept)
            raise
        return tuple(kept)

    @asynccontextmanager
    async def loaded(self, job: VideoJob) -> AsyncIterator[tuple[InputFile, ...]]:
        """Have the references of a job at hand, in their order; few jobs at the same time do.

        Raises:
            MediaStoreError: one is gone, or cannot be read now.
            StoreUnavailableError: the store did not answer.
        """
        references = job.question.references
        if not references:
            yield ()
            return
        async with self._turns:
            files = [await self._load_one(job.id, kept) for kept in references]
            try:
                yield tuple(files)
            finally:
                for file in files:
                    file.forget()

    async def _load_one(self, job_id: VideoJobId, kept: KeptReference) -> InputFile:
        media = await self._library.find(MediaKind.INPUT, kept.media_id)
        if media is None:
            raise _gone()
        try:
            async with aclosing(self._library.read(media)) as pieces:
                sealed = b"".join([piece async for piece in pieces])
        except NotFoundError:
            raise _gone() from None
        content = await asyncio.to_thread(self._cipher.open, sealed, _context(job_id))
        return InputFile(kept.ref, kept.name, kept.media_type, content)

    async def remove(self, references: Iterable[KeptReference]) -> None:
        """Remove references; what cannot be removed now goes when it was unused for long."""
        for kept in references:
            try:
                await self._library.delete(MediaKind.INPUT, kept.media_id)
            except GatewayError as error:
                log.warning("video_reference_not_removed", detail=error.detail)


def fingerprint_of(request: VideoRequest, references: Iterable[str]) -> str:
    """Return 16 bytes in hex that stand for all that makes a video what it is.

    `references` are the `ref` of each.
    """
    digest = hashlib.blake2b(digest_size=16, person=b"video")
    facts = (request.model, request.prompt, request.aspect_ratio, request.resolution.value)
    lengths = (*map(str, request.segments), request.preset.value, str(request.upscale))
    for piece in (*facts, *lengths, *references):
        data = piece.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(_LENGTH_BYTES, "big"))
        digest.update(data)
    return digest.hexdigest()


def _context(job_id: VideoJobId) -> bytes:
    return f"video:reference:{job_id}".encode()


def _gone() -> MediaStoreError:
    return MediaStoreError("A picture that the video is made from is no longer kept.")
