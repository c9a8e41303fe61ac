"""`serve`: the embedded store, helpers and gunicorn as children of one process."""

import asyncio
import errno
import fcntl
import http.client
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from msgspec import structs

from grok2api.config.schema import BootSettings
from grok2api.errors import GatewayError, SettingsError
from grok2api.processes import Child, SignalInbox, open_signals
from grok2api.resources import find_resource
from grok2api.store.embedded import EmbeddedServer

SUPERVISOR_VARIABLE = "GROK2API_SUPERVISOR_PID"
_STARTING_TICK_S = 0.1
_TICK_S = 1.0
_AFTER_GRACE_S = 10.0
_HURRY_S = 5.0
_UNCLEAN_PATIENCE_S = 10.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to run.

    `prepare` runs once the store answers and before the first worker starts; the lines it returns
    are said when the gateway is ready. `environment` is what children get. `helpers` are commands,
    by name, that run beside the gateway and are started again when they end.
    """

    boot: BootSettings
    environment: Callable[[BootSettings], dict[str, str]]
    prepare: Callable[[BootSettings], Coroutine[None, None, Sequence[str]]]
    say: Say
    helpers: Mapping[str, Sequence[str]] = field(default_factory=dict)


@contextmanager
def running_store(boot: BootSettings) -> Iterator[BootSettings]:
    """Yield `boot` with the URL of a store that runs: the given one, or the folder's own.

    The folder's own is shared with whoever runs it already, else started for the body.

    Raises:
        SettingsError: it cannot be started.
    """
    if boot.redis_url:
        yield boot
        return
    server = EmbeddedServer(boot.data_dir)
    server.start()
    try:
        yield structs.replace(boot, redis_url=server.url)
    finally:
        server.stop()


def supervise(plan: Plan) -> int:
    """Run until a stop is asked for or gunicorn ends; return the exit code.

    The order of the end: gunicorn drains, helpers end, the store saves and ends.

    Raises:
        SettingsError: folder, port or store cannot be used.
        StoreUnavailableError: the store does not answer.
    """
    boot = plan.boot
    with _hold_folder(boot) as was_killed, open_signals() as inbox, ExitStack() as stack:
        check_port(boot, patience_s=_UNCLEAN_PATIENCE_S if was_killed else 0.0)
        server = None
        if not boot.redis_url:
            server = EmbeddedServer(boot.data_dir)
            server.start()
            stack.callback(server.stop)
            boot = structs.replace(boot, redis_url=server.url)
        run = _Run(plan, boot, server, inbox)
        stack.callback(run.end_helpers)
        run.start_helpers()
        ready_lines = asyncio.run(plan.prepare(boot))
        stack.callback(run.end_gunicorn)
        run.start_gunicorn()
        return run.watch(ready_lines)


def check_port(boot: BootSettings, *, patience_s: float = 0.0) -> None:
    """Return when the gateway could listen where it is told to.

    Raises:
        SettingsError: it cannot, not even after `patience_s` seconds.
    """
    deadline_s = time.monotonic() + patience_s
    while (problem := _try_port(boot.host, boot.port)) is not None:
        if time.monotonic() >= deadline_s:
            raise SettingsError(problem)
        time.sleep(_STARTING_TICK_S)


def local_url(boot: BootSettings) -> str:
    """Return the address at which this machine reaches the gateway."""
    host = _local_host(boot.host)
    return f"http://{f'[{host}]' if ':' in host else host}:{boot.port}"


def gateway_answers(boot: BootSettings) -> bool:
    """Return whether a gateway lives at this address."""
    connection = http.client.HTTPConnection(_local_host(boot.host), boot.port, timeout=1.0)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


class _Run:
    """The children of one `serve`."""

    def __init__(
        self, plan: Plan, boot: BootSettings, server: EmbeddedServer | None, inbox: SignalInbox
    ) -> None:
        self._plan = plan
        self._boot = boot
        self._server = server
        self._inbox = inbox
        self._helpers: dict[str, Child] = {}
        self._gunicorn: Child | None = None
        self._trouble = ""

    def start_helpers(self) -> None:
        for name, command in self._plan.helpers.items():
            self._helpers[name] = Child(name, command, self._plan.environment(self._boot))

    def end_helpers(self) -> None:
        for helper in self._helpers.values():
            helper.send(signal.SIGTERM)
        for helper in self._helpers.values():
            helper.wait(_HURRY_S)
            helper.destroy()

    def start_gunicorn(self) -> None:
        settings = str(find_resource("gunicorn.conf.py"))
        command = [sys.executable, "-m", "gunicorn", "-c", settings]
        environment = self._plan.environment(self._boot)
        environment[SUPERVISOR_VARIABLE] = str(os.getpid())
        self._gunicorn = Child("gunicorn", command, environment)

    def end_gunicorn(self) -> None:
        """Leave no worker behind, whatever happened."""
        if self._gunicorn is not None:
            self._gunicorn.destroy()

    def watch(self, ready_lines: Sequence[str]) -> int:
        """Keep everything running until a stop is asked for or gunicorn ends by itself."""
        gunicorn = self._gunicorn
        if gunicorn is None:
            raise AssertionError
        is_ready = False
        while (code := gunicorn.poll()) is None:
            if self._inbox.wait(_TICK_S if is_ready else _STARTING_TICK_S):
                return self._drain(gunicorn)
            self._tend_store()
            self._tend_helpers()
            if not is_ready and gateway_answers(self._boot):
                is_ready = True
                for line in ready_lines:
                    self._plan.say(line)
        self._plan.say(f"gunicorn ended by itself with exit code {code}; its log says why")
        return code or 1

    def _drain(self, gunicorn: Child) -> int:
        grace_s = self._boot.graceful_timeout_s
        self._plan.say(f"Stopping: running answers may take {grace_s} s more; Ctrl-C to hurry.")
        gunicorn.send(signal.SIGTERM)
        deadline_s = time.monotonic() + grace_s + _AFTER_GRACE_S
        while (code := gunicorn.poll()) is None and time.monotonic() < deadline_s:
            if self._inbox.wait(_STARTING_TICK_S):
                gunicorn.send(signal.SIGQUIT)
                deadline_s = min(deadline_s, time.monotonic() + _HURRY_S)
            self._tend_store()
        return 1 if code is None else code

    def _tend_store(self) -> None:
        """Start the embedded store again where it has died, or take it over from a command."""
        if self._server is None:
            return
        try:
            if self._server.check():
                self._plan.say("The embedded store had ended; it runs again.")
            self._trouble = ""
        except GatewayError as error:
            if error.message != self._trouble:
                self._trouble = error.message
                self._plan.say(error.message)

    def _tend_helpers(self) -> None:
        for name, helper in self._helpers.items():
            if helper.poll() is not None:
                self._plan.say(f"The {name} had ended; it is started again.")
                helper.destroy()
                environment = self._plan.environment(self._boot)
                self._helpers[name] = Child(name, self._plan.helpers[name], environment)


@contextmanager
def _hold_folder(boot: BootSettings) -> Iterator[bool]:
    """Keep other `serve` out of the data folder; yield whether the last one was killed."""
    descriptor = os.open(boot.data_dir / "serve.pid", os.O_RDWR | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "r+", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SettingsError(
                f"data folder {boot.data_dir}: `grok2api serve` already runs on it "
                f"(process {file.read().strip()}); stop that one or choose another --data-dir"
            ) from None
        was_killed = bool(file.read().strip())
        _write_line(file.fileno(), f"{os.getpid()}\n")
        try:
            yield was_killed
        finally:
            _write_line(file.fileno(), "")


def _write_line(descriptor: int, text: str) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, text.encode(), 0)


def _try_port(host: str, port: int) -> str | None:
    """Return why one cannot listen there; None when one can."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        remedy = "stop what uses it, or choose another with --port (SERVER_PORT, server.port)"
        if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
            remedy = "choose an address of this machine with --host (SERVER_HOST, server.host)"
        elif isinstance(error, PermissionError):
            remedy = "choose one from 1024 on with --port (SERVER_PORT, server.port)"
        return f"cannot listen on {host} port {port}: {error.strerror}; {remedy}"
    return None


def _local_host(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
