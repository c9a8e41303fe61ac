"""Lua scripts: read the header, expand includes, call by name, decode the reply by its header."""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Generic, TypeVar

import msgspec
from redis.exceptions import ConnectionError as RedisConnectionError, NoScriptError

from grok2api.errors import StoreUnavailableError
from grok2api.store.connection import RedisClient
from grok2api.store.failure import STORE_ERRORS, explain_failure
from grok2api.store.header import expand_script

Word = str | bytes | int
ReplyT = TypeVar("ReplyT")

_expand = cache(expand_script)  # read once a process: graphs are rebuilt with the settings
CALL_TIMEOUT_S = 5.0
"""The most that one call may take, waiting for a free connection included."""


class Script(Generic[ReplyT]):
    """One script, called with keys and arguments by name.

    `reply` is a tagged union of array-like Structs; a reply that is none of them fails loudly.
    A script whose header says `@repeatable` is tried once more when the connection breaks.
    """

    __slots__ = ("_redis", "_reply", "_sha", "_text", "header")

    def __init__(self, redis: RedisClient, name: str, reply: Any) -> None:
        self._redis = redis
        self._reply = reply
        self.header, text = _expand(name)
        self._text = text
        self._sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    async def __call__(
        self,
        *,
        keys: Mapping[str, str | Sequence[str]],
        args: Mapping[str, Word | Sequence[str | bytes]],
    ) -> ReplyT:
        """Run the script and return its reply.

        Raises:
            StoreUnavailableError: Redis did not answer, or the script failed.
        """
        ordered_keys = self.header.order_keys(keys)
        call = (len(ordered_keys), *ordered_keys, *self.header.order_args(args))
        try:
            async with asyncio.timeout(CALL_TIMEOUT_S):
                raw = await self._run(call)
        except STORE_ERRORS as error:
            raise explain_failure(error, self.header.name) from error
        return self._decode_reply(raw)

    async def _run(self, call: tuple[Word, ...]) -> Any:
        try:
            return await self._run_once(call)
        except RedisConnectionError:
            if not self.header.is_repeatable:
                raise
        return await self._run_once(call)

    async def _run_once(self, call: tuple[Word, ...]) -> Any:
        try:
            return await self._redis.execute_command("EVALSHA", self._sha, *call)
        except NoScriptError:
            return await self._redis.execute_command("EVAL", self._text, *call)

    def _decode_reply(self, raw: Any) -> ReplyT:
        try:
            named = self.header.decode(raw)
            reply: ReplyT = msgspec.convert(named, self._reply)
        except (msgspec.ValidationError, ValueError, TypeError) as error:
            raise StoreUnavailableError(
                "The store gave an answer that does not fit this version.",
                detail=f"script {self.header.name}: {error}",
            ) from error
        return reply
