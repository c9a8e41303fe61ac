"""Files of an account at grok.com: uploaded for a chat, deleted when nobody needs them."""

import asyncio
import secrets
from functools import partial
from typing import Final

from grok2api.clock import Clock
from grok2api.domain.files import InputFile
from grok2api.providers.grok_web.caller import Caller
from grok2api.providers.grok_web.calls import Calls
from grok2api.providers.grok_web.codec.uploads import (
    Naming,
    encode_form,
    encode_json,
    read_direct_answer,
    read_json_answer,
)
from grok2api.providers.grok_web.deletions import Deletions
from grok2api.providers.grok_web.options import GrokWebOptions
from grok2api.providers.session import UploadedFile, UpstreamSession
from grok2api.upstream.transport import Transport

_INLINE_BYTES: Final = 256 * 1024
_BOUNDARY: Final = "----WebKitFormBoundary"
_BOUNDARY_BYTES: Final = 16


class GrokWebFiles:
    """Uploads and deletes files at grok.com."""

    __slots__ = ("_assets_url", "_caller", "_deletions", "_form", "_uploads")

    def __init__(self, transport: Transport, options: GrokWebOptions, clock: Clock) -> None:
        self._caller = Caller(options)
        self._form = options.upload_form
        connect_s = options.timeouts.connect_s
        self._assets_url = options.assets_url
        self._uploads = Calls(
            transport,
            self._caller.exit,
            clock,
            connect_s=connect_s,
            timeout_s=options.upload_timeout_s,
        )
        self._deletions = Deletions(transport, self._caller, clock, connect_s=connect_s)

    async def upload(
        self, file: InputFile, session: UpstreamSession, *, for_media: bool = False
    ) -> UploadedFile:
        """Upload one file; see `FileBackend.upload`."""
        is_direct = self._form == "direct"
        boundary = _BOUNDARY + secrets.token_hex(_BOUNDARY_BYTES) if is_direct else ""
        encode = (
            partial(encode_form, file, boundary, for_media=for_media)
            if is_direct
            else partial(encode_json, file)
        )
        is_small = len(file.content) < _INLINE_BYTES
        body = encode() if is_small else await asyncio.to_thread(encode)
        read = read_direct_answer if is_direct else read_json_answer
        naming = Naming(assets_url=self._assets_url, user_id=session.user_id, for_media=for_media)
        return await self._uploads.ask(
            partial(self._caller.upload, session, body, boundary, for_media=for_media),
            lambda answer: read(answer.body, naming),
        )

    async def delete(self, file_id: str, session: UpstreamSession) -> None:
        """Delete one file; see `FileBackend.delete`."""
        await self._deletions.delete(file_id, session)
