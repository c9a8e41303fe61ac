"""Connections and handles, pooled per exit, bounded and closable."""

import asyncio
from collections import OrderedDict
from typing import Final

from grok2api.upstream import faults
from grok2api.upstream.handle import Handle, open_handle
from grok2api.upstream.multi import Multi
from grok2api.upstream.transport import Exit

SLOT_WAIT_S: Final = 1.0
_KEPT_HANDLES: Final = 128
_KEPT_EXITS: Final = 64


class Session:
    """The connections of one exit. Nothing here is shared with another exit."""

    __slots__ = ("_ca_file", "_exit", "_idle", "active", "is_retired", "multi")

    def __init__(self, exit_: Exit, *, max_connections: int, ca_file: str) -> None:
        self.multi = Multi(max_connections)
        self.active = 0
        self.is_retired = False
        self._exit = exit_
        self._ca_file = ca_file
        self._idle: tuple[list[Handle], list[Handle]] = ([], [])  # for HTTP, for WebSockets

    @property
    def idle_handles(self) -> int:
        """Handles kept for the next request."""
        return len(self._idle[0]) + len(self._idle[1])

    def take(self, *, is_websocket: bool) -> Handle:
        """Hand out a handle with this exit's options.

        Raises:
            SettingsError: curl cannot use this exit.
        """
        idle = self._idle[is_websocket]
        if idle:
            handle = idle.pop()
        else:
            handle = open_handle(self._exit, ca_file=self._ca_file, is_websocket=is_websocket)
        self.active += 1
        return handle

    def give_back(self, handle: Handle, *, is_websocket: bool) -> None:
        """Take a handle back; its transfer is over or stopped."""
        self.active -= 1
        idle = self._idle[is_websocket]
        if self.is_retired or len(idle) >= _KEPT_HANDLES:
            handle.close()
        else:
            handle.clean_handles_and_buffers()  # header lines, body and callbacks of this request
            idle.append(handle)

    def close(self) -> None:
        """Abort what is under way and close every connection."""
        self.is_retired = True
        self.multi.shut_down()
        for handles in self._idle:
            for handle in handles:
                handle.close()
            handles.clear()


class Sessions:
    """All exits of one worker; at most `max_connections` exchanges at a time."""

    def __init__(self, max_connections: int, *, ca_file: str = "") -> None:
        self._max_connections = max_connections
        self._ca_file = ca_file
        self._slots = asyncio.Semaphore(max_connections)
        self._by_exit: OrderedDict[Exit, Session] = OrderedDict()
        self._retired: set[Session] = set()

    @property
    def active(self) -> int:
        """Exchanges under way."""
        return sum(session.active for session in (*self._by_exit.values(), *self._retired))

    @property
    def open_sessions(self) -> tuple[Session, ...]:
        """Every session that still holds something."""
        return (*self._by_exit.values(), *self._retired)

    async def acquire(self, exit_: Exit, *, is_websocket: bool = False) -> tuple[Session, Handle]:
        """Take a slot and a handle; give both back with `release`.

        Raises:
            UpstreamUnavailableError: no slot became free within `SLOT_WAIT_S`.
            SettingsError: curl cannot use this exit.
        """
        if self._slots.locked():
            try:
                async with asyncio.timeout(SLOT_WAIT_S):
                    await self._slots.acquire()
            except TimeoutError:
                raise faults.exhausted(self._max_connections, SLOT_WAIT_S) from None
        else:
            await self._slots.acquire()
        try:
            session = self._session_of(exit_)
            return session, session.take(is_websocket=is_websocket)
        except BaseException:
            self._slots.release()
            raise

    def release(self, session: Session, handle: Handle, *, is_websocket: bool = False) -> None:
        """Give slot and handle back."""
        session.give_back(handle, is_websocket=is_websocket)
        self._slots.release()
        if session.is_retired and not session.active:
            self._retired.discard(session)
            session.close()

    def retire(self, session: Session) -> None:
        """Start afresh for this session's exit: new requests get new connections.

        Exchanges under way are left to finish.
        """
        for exit_, other in self._by_exit.items():
            if other is session:
                self.forget(exit_)
                return

    def forget(self, exit_: Exit) -> None:
        """Use none of this exit's connections again; exchanges under way finish."""
        session = self._by_exit.pop(exit_, None)
        if session is None:
            return
        session.is_retired = True
        if session.active:
            self._retired.add(session)
        else:
            session.close()

    def close(self) -> None:
        """Abort everything and close every connection."""
        for session in self.open_sessions:
            session.close()
        self._by_exit.clear()
        self._retired.clear()

    def _session_of(self, exit_: Exit) -> Session:
        session = self._by_exit.get(exit_)
        if session is None:
            session = Session(exit_, max_connections=self._max_connections, ca_file=self._ca_file)
            self._by_exit[exit_] = session
            self._drop_unused()
        else:
            self._by_exit.move_to_end(exit_)
        return session

    def _drop_unused(self) -> None:
        if len(self._by_exit) <= _KEPT_EXITS:
            return
        unused = [exit_ for exit_, session in self._by_exit.items() if not session.active]
        for exit_ in unused[: len(self._by_exit) - _KEPT_EXITS]:
            self.forget(exit_)
