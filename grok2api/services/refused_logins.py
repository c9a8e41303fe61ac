"""Writes down logins that were refused, and lets no flood of them drive out all else."""

from typing import Final

import structlog

from grok2api.clock import Clock
from grok2api.domain.action import NOBODY, ActionName, AdminAction
from grok2api.errors import StoreUnavailableError
from grok2api.services.action_log import ActionLog

log = structlog.get_logger(__name__)

BURST: Final = 10
EVERY_S: Final = 60.0


class RefusedLogins:
    """Notes up to `BURST` refused logins at once in this process, and one every `EVERY_S` seconds.

    The log of actions keeps a number of entries: who guesses passwords must not be able to push out
    what administrators did. The others are counted, and the next note tells how many they were.
    """

    __slots__ = ("_actions", "_at_s", "_clock", "_free", "_untold")

    def __init__(self, actions: ActionLog, clock: Clock) -> None:
        self._actions = actions
        self._clock = clock
        self._free = float(BURST)
        self._at_s = clock.monotonic_s()
        self._untold = 0

    async def note(self, client: str, outcome: str) -> None:
        """Note that somebody at the address `client` was refused; never raises."""
        now_s = self._clock.monotonic_s()
        self._free = min(float(BURST), self._free + (now_s - self._at_s) / EVERY_S)
        self._at_s = now_s
        if self._free < 1:
            self._untold += 1
            return
        self._free -= 1
        untold, self._untold = self._untold, 0
        detail = f"{untold} more were refused before this one" if untold else ""
        action = AdminAction(
            actor=NOBODY, action=ActionName.LOGIN, client=client, detail=detail, outcome=outcome
        )
        try:
            await self._actions.note(action)
        except StoreUnavailableError as error:
            self._untold += untold + 1
            log.warning("login_not_noted", client=client, outcome=outcome, detail=error.detail)
