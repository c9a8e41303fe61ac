"""The files of one attempt at the account that serves it: uploaded before, deleted after."""

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog

from grok2api.domain.files import InputFile
from grok2api.errors import GatewayError, InvalidRequestError, UpstreamError
from grok2api.providers.base import FileBackend
from grok2api.providers.session import UploadedFile, UpstreamSession
from grok2api.services.budget import Budget
from grok2api.services.cleanup import Cleanup
from grok2api.services.files import FileDesk

log = structlog.get_logger(__name__)

DISCARD_TIMEOUT_S: Final = 30.0


class Uploads:
    """Knows what was uploaded to one account for one attempt, also of an upload that failed."""

    __slots__ = ("_backend", "_cleanup", "_deletes", "_ids", "_session", "_turns")

    def __init__(self, backend: FileBackend | None, cleanup: Cleanup, files: FileDesk) -> None:
        self._backend = backend
        self._cleanup = cleanup
        self._deletes = files.deletes_after_use
        self._turns = files.uploads
        self._session: UpstreamSession | None = None
        self._ids: list[str] = []

    async def put(
        self, files: Sequence[InputFile], session: UpstreamSession, *, for_media: bool = False
    ) -> tuple[UploadedFile, ...]:
        """Upload `files` and return what they are at the upstream, in order.

        Raises:
            InvalidRequestError: this upstream takes no files.
            UpstreamError: it did not take one; no query can have been counted.
        """
        if not files:
            return ()
        backend = self._backend
        if backend is None:
            raise InvalidRequestError("This model takes no images or documents.", param="messages")
        self._session = session
        failure: UpstreamError | None = None
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._put_one(backend, file, session, for_media=for_media))
                for file in files
            ]
            waiting = set(tasks)
            while waiting and failure is None:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                failure = next(
                    (r for t in done if isinstance(r := t.result(), UpstreamError)), None
                )
            for task in waiting:
                task.cancel()
        if failure is not None:
            failure.was_sent = False  # the file perhaps, but not the question
            raise failure
        results = [task.result() for task in tasks]
        return tuple(done for done in results if isinstance(done, UploadedFile))

    def discard(self) -> None:
        """Have what was uploaded deleted, if that is wanted; returns at once."""
        ids, self._ids = self._ids, []
        if self._deletes and ids and self._backend is not None and self._session is not None:
            self._cleanup.start(_delete_all(self._backend, ids, self._session, self._turns))

    async def _put_one(
        self, backend: FileBackend, file: InputFile, session: UpstreamSession, *, for_media: bool
    ) -> UploadedFile | UpstreamError:
        # An error is told as a value: before Python 3.13 a TaskGroup whose task fails leaves its
        # own task marked as cancelled.
        try:
            async with self._turns.hold(1):
                uploaded = await backend.upload(file, session, for_media=for_media)
        except UpstreamError as error:
            return error
        self._ids.append(uploaded.id)
        return uploaded


async def _delete_all(
    backend: FileBackend, ids: list[str], session: UpstreamSession, turns: Budget
) -> None:
    """Delete what can be deleted in time; what cannot stays with the account, and is logged."""
    left = list(ids)
    try:
        async with asyncio.timeout(DISCARD_TIMEOUT_S):
            for file_id in ids:
                async with turns.hold(1):
                    await backend.delete(file_id, session)
                left.remove(file_id)
    except TimeoutError:
        log.warning("uploads_not_deleted", count=len(left), error="timeout")
    except GatewayError as error:
        log.warning("uploads_not_deleted", count=len(left), error=error.kind, detail=error.detail)
