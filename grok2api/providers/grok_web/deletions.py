"""Deleting what an account keeps at grok.com, be it an upload or something that was made."""

from functools import partial
from typing import Final

from grok2api.clock import Clock
from grok2api.errors import UpstreamError
from grok2api.providers.grok_web.caller import Caller
from grok2api.providers.grok_web.calls import CallAnswer, Calls
from grok2api.providers.session import UpstreamSession
from grok2api.upstream.transport import Transport

TIMEOUT_S: Final = 15.0
_GONE: Final = 404


class Deletions:
    """Deletes files; one that is not there any more is no error."""

    __slots__ = ("_caller", "_calls")

    def __init__(
        self, transport: Transport, caller: Caller, clock: Clock, *, connect_s: float
    ) -> None:
        self._caller = caller
        self._calls = Calls(transport, caller.exit, clock, connect_s=connect_s, timeout_s=TIMEOUT_S)

    async def delete(self, file_id: str, session: UpstreamSession) -> None:
        """Delete one file.

        Raises:
            UpstreamError: the upstream refused or could not be asked.
        """
        try:
            await self._calls.ask(partial(self._caller.deletion, session, file_id), _be_content)
        except UpstreamError as error:
            if error.status != _GONE:
                raise


def _be_content(_answer: CallAnswer) -> None:
    """Any success will do: the body may be empty."""
