"""The private server that one machine runs when no Redis is configured.

Who holds `owner.lock` looks after the server. The server itself holds `server.lock` as long as it
lives, also when its owner was killed: two servers on one folder would corrupt it.
"""

import contextlib
import fcntl
import hashlib
import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Final, Literal

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import BusyLoadingError, RedisError, ResponseError
from redis.retry import Retry

from grok2api.errors import SettingsError
from grok2api.store.embedded_binary import find_binary, repair_command

START_LIMIT_S: Final = 60.0
"""How long the first start may take; a large file takes a while to load."""
CHECK_LIMIT_S: Final = 5.0
"""How long one check may take, restart included."""
STOP_LIMIT_S: Final = 10.0

_MAX_SOCKET_PATH: Final = 100  # the kernel's limit is 107 bytes on Linux, 103 on macOS
_MAX_LOG_BYTES: Final = 4 * 1024 * 1024
_TAIL_LINES: Final = 4
_POLL_S: Final = 0.01

Start = Literal["spawned", "adopted", "shared"]


class EmbeddedServer:
    """A Valkey or Redis of our own, on a unix socket that only its owner's user can open.

    Methods block and belong to one thread. Ctrl-C does not reach the server: stop it last.
    """

    def __init__(self, data_dir: Path, *, binary: str = "", maxmemory_mb: int = 512) -> None:
        self.folder = data_dir.absolute() / "store"
        self._binary = binary
        self._maxmemory_mb = maxmemory_mb
        self._owner_lock: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._adopted_pid: int | None = None
        self._socket = _choose_socket(self.folder)

    @property
    def url(self) -> str:
        """The URL that `open_redis` takes."""
        return f"unix://{self._socket}"

    @property
    def pid(self) -> int | None:
        """The server's process, None where another process looks after it."""
        return self._process.pid if self._process else self._adopted_pid

    def start(self, *, limit_s: float = START_LIMIT_S) -> Start:
        """Start the server, or take over one that lost its owner, or share another owner's.

        Raises:
            SettingsError: there is no server to run, the folder cannot be used, or the data is
                damaged. The message says what to do; nothing is ever deleted.
        """
        _prepare_folder(self.folder)
        _prepare_folder(self._socket.parent)
        deadline = time.monotonic() + limit_s
        self._owner_lock = _take_lock(self.folder / "owner.lock")
        if self._owner_lock is not None:
            return self._adopt_or_spawn(deadline)
        while self._probe() != "ready":
            self._owner_lock = _take_lock(self.folder / "owner.lock")
            if self._owner_lock is not None:
                return self._adopt_or_spawn(deadline)
            if time.monotonic() > deadline:
                raise SettingsError(
                    f"Another process looks after the store in {self.folder}, "
                    "but the store does not answer; end that process and start again."
                )
            time.sleep(_POLL_S)
        return "shared"

    def check(self) -> bool:
        """Bring back a server that has died; True if it had. Call it about once a second.

        One that shares the server becomes its owner when the former owner is gone.
        A server that is still loading after a few seconds is left to load.

        Raises:
            SettingsError: it does not start again.
        """
        if self._owner_lock is None:
            self._owner_lock = _take_lock(self.folder / "owner.lock")
            if self._owner_lock is None:
                return False
        elif self._is_running():
            return False
        self._process = self._adopted_pid = None
        return self._adopt_or_spawn(time.monotonic() + CHECK_LIMIT_S, may_load=True) == "spawned"

    def stop(self, *, limit_s: float = STOP_LIMIT_S) -> bool:
        """Stop the server if it is ours, after everything that uses it; True if it has ended.

        A server that does not end in time is left alone: it is writing, and the next start
        takes it over.
        """
        if self._owner_lock is None:
            return False
        deadline = time.monotonic() + limit_s
        if self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)
        while (is_running := self._is_running()) and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        self._process = self._adopted_pid = None
        os.close(self._owner_lock)
        self._owner_lock = None
        return not is_running

    def _adopt_or_spawn(self, deadline: float, *, may_load: bool = False) -> Start:
        try:
            return self._find_or_spawn(deadline, may_load=may_load)
        except BaseException:
            if self._owner_lock is not None and not may_load:
                os.close(self._owner_lock)
                self._owner_lock = None
            raise

    def _find_or_spawn(self, deadline: float, *, may_load: bool) -> Start:
        while True:
            server_lock = _take_lock(self.folder / "server.lock")
            if server_lock is not None:
                try:
                    self._spawn(server_lock)
                finally:
                    os.close(server_lock)
                self._wait_until_ready(deadline, may_load=may_load)
                return "spawned"
            if self._probe() is not None:
                self._adopted_pid = _read_pid(self.folder)
                self._wait_until_ready(deadline, may_load=may_load)
                return "adopted"
            if time.monotonic() > deadline:
                if may_load:
                    return "adopted"  # a child of the dead server is still writing: look again
                raise SettingsError(
                    f"A store process still holds {self.folder} but does not answer; "
                    f"end it (its number is in {self.folder / 'server.pid'}) and start again."
                )
            time.sleep(_POLL_S)

    def _spawn(self, server_lock: int) -> None:
        binary = find_binary(self._binary)
        self._socket.unlink(missing_ok=True)
        log = self.folder / "server.log"
        if log.exists() and log.stat().st_size > _MAX_LOG_BYTES:
            log.replace(self.folder / "server.log.1")
        options = {
            "port": "0",
            "unixsocket": str(self._socket),
            "unixsocketperm": "600",
            "dir": str(self.folder),
            "daemonize": "no",
            "pidfile": str(self.folder / "server.pid"),
            "logfile": str(log),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "aof-load-truncated": "yes",
            "save": "",
            "maxmemory": f"{self._maxmemory_mb}mb",
            "maxmemory-policy": "noeviction",
            "databases": "1",
            "set-proc-title": "no",
        }
        self._process = subprocess.Popen(  # noqa: S603 -- a server binary, no shell
            [binary, *(word for name, value in options.items() for word in (f"--{name}", value))],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=(server_lock,),
            umask=0o077,
        )

    def _wait_until_ready(self, deadline: float, *, may_load: bool) -> None:
        while (state := self._probe()) != "ready":
            if self._process is not None and (code := self._process.poll()) is not None:
                if code < 0 and may_load:
                    return  # killed again: the next check starts it again
                raise SettingsError(self._explain_exit(code))
            if time.monotonic() > deadline:
                if may_load:
                    return
                word = "is still loading its data" if state else "does not answer"
                raise SettingsError(f"The store in {self.folder} {word}; start again later.")
            time.sleep(_POLL_S)

    def _explain_exit(self, code: int) -> str:
        try:
            lines = (self.folder / "server.log").read_text(errors="replace").splitlines()
        except OSError:
            lines = []
        tail = " | ".join(line.strip() for line in lines[-_TAIL_LINES:])
        message = f"The store in {self.folder} ended at its start with code {code}: {tail}"
        if "append only file" not in tail and "AOF" not in tail:
            return message
        return (
            f"{message} -- Its data is damaged. Copy the folder first, then repair it with: "
            f"{repair_command(self._binary, self.folder)}"
        )

    def _is_running(self) -> bool:
        if self._process is not None:
            return self._process.poll() is None
        lock = _take_lock(self.folder / "server.lock")
        if lock is not None:
            os.close(lock)
        return lock is None

    def _probe(self) -> Literal["ready", "loading"] | None:
        client = Redis(
            unix_socket_path=str(self._socket), socket_timeout=1, retry=Retry(NoBackoff(), 0)
        )
        try:
            client.ping()
        except BusyLoadingError:
            return "loading"
        except ResponseError:
            return "ready"  # it refuses, as it does on a full disk: what it says then is clear
        except (RedisError, OSError):
            return None
        finally:
            client.close()
        return "ready"


def _choose_socket(folder: Path) -> Path:
    path = folder / "redis.sock"
    if len(os.fsencode(path)) <= _MAX_SOCKET_PATH:
        return path
    tag = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"grok2api-{os.getuid()}-{tag}" / "redis.sock"


def _prepare_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
        owner = folder.stat().st_uid
    except OSError as error:
        raise SettingsError(
            f"The folder {folder} cannot be written ({error.strerror}); "
            "choose another data folder or give this user the right to write there."
        ) from None
    if owner != os.getuid():
        raise SettingsError(f"The folder {folder} belongs to another user; choose another one.")


def _take_lock(path: Path) -> int | None:
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def _read_pid(folder: Path) -> int | None:
    try:
        return int((folder / "server.pid").read_text())
    except (OSError, ValueError):
        return None
