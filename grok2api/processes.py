"""Child processes: signals as they come, stops that leave nobody behind, ends with the parent."""

import asyncio
import atexit
import contextlib
import os
import select
import signal
import socket
import subprocess
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType

STOP_SIGNALS = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
_PARENT_CHECK_S = 1.0
_SIGNALLED = 128


class Child:
    """One child process in a group of its own, so that Ctrl-C reaches it through us only."""

    __slots__ = ("_process", "name")

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.name = name
        self._process = subprocess.Popen(  # noqa: S603 -- our own programs, no shell
            command, env=dict(environment), stdin=subprocess.DEVNULL, start_new_session=True
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def poll(self) -> int | None:
        """Return the exit code as a shell shows it; None while the child runs."""
        code = self._process.poll()
        return code if code is None or code >= 0 else _SIGNALLED - code

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the child alone; one that has ended is left in peace."""
        self._process.send_signal(number)

    def wait(self, timeout_s: float) -> bool:
        """Wait for the end; return False when the child still runs after `timeout_s`."""
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def destroy(self) -> None:
        """Kill what is left of the child's group, and take its exit code."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()


class SignalInbox:
    """Signals of this process as values. SIGCHLD only wakes."""

    __slots__ = ("_receive",)

    def __init__(self, receive: socket.socket) -> None:
        self._receive = receive

    def wait(self, timeout_s: float) -> list[int]:
        """Return the stop signals that came; [] after `timeout_s` or when a child ended."""
        if not select.select([self._receive], [], [], timeout_s)[0]:
            return []
        numbers = self._receive.recv(4096)
        return [number for number in numbers if number in STOP_SIGNALS]


@contextmanager
def open_signals() -> Iterator[SignalInbox]:
    """Take SIGINT, SIGTERM, SIGHUP and SIGCHLD as values while the body runs (main thread only).

    A signal that is ignored stays ignored, as `nohup` wants it.
    """
    send, receive = socket.socketpair()
    with send, receive:
        send.setblocking(False)
        wanted = (*STOP_SIGNALS, signal.SIGCHLD)
        numbers = [n for n in wanted if signal.getsignal(n) is not signal.SIG_IGN]
        before = {number: signal.signal(number, _note) for number in numbers}
        wake_up = signal.set_wakeup_fd(send.fileno(), warn_on_full_buffer=False)
        try:
            yield SignalInbox(receive)
        finally:
            signal.set_wakeup_fd(wake_up)
            for number, handler in before.items():
                signal.signal(number, handler)


def end_with_parent(parent_pid: int) -> None:
    """Send this process SIGTERM once `parent_pid` is no longer its parent (main thread only).

    A parent that is killed hard cannot stop its children; they would keep its port. Children that
    are forked inherit neither the timer nor the check.
    """

    def check(_number: int, _frame: FrameType | None) -> None:
        if os.getppid() != parent_pid:
            signal.setitimer(signal.ITIMER_REAL, 0)
            os.kill(os.getpid(), signal.SIGTERM)

    signal.signal(signal.SIGALRM, check)
    # While the interpreter ends, the handler is gone already and the signal would kill.
    atexit.register(signal.setitimer, signal.ITIMER_REAL, 0)
    signal.setitimer(signal.ITIMER_REAL, _PARENT_CHECK_S, _PARENT_CHECK_S)


async def run_until_stopped(work: Coroutine[None, None, None]) -> None:
    """Run `work` until it ends or a stop signal comes; cancel it then, and wait for its end.

    Further stop signals change nothing. For the main thread, with no other handler of these.
    """
    loop = asyncio.get_running_loop()
    me = asyncio.current_task()
    is_stopped = False

    def stop() -> None:
        nonlocal is_stopped
        if me is not None and not is_stopped:
            is_stopped = True
            me.cancel()

    numbers = [n for n in STOP_SIGNALS if signal.getsignal(n) is not signal.SIG_IGN]
    for number in numbers:
        loop.add_signal_handler(number, stop)
    try:
        await work
    except asyncio.CancelledError:
        if me is None or not is_stopped or me.uncancel():
            raise
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


def _note(_number: int, _frame: FrameType | None) -> None:
    """Do nothing: the wake-up descriptor has the number."""
