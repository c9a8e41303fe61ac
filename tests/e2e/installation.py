"""A whole installation on loopback: simulator, supervisor, gunicorn workers, embedded store."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import openai
import psutil
from redis import Redis

from grok2api.store import keys

ROOT = Path(__file__).parents[2]
START_S = 40.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(check: Callable[[], Any], *, seconds: float = 15.0, what: str = "it") -> Any:
    """Ask again until `check` is truthy; what it says last is returned."""
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(httpx2.HTTPError, ConnectionError):
            if answer := check():
                return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not happen within {seconds:g} s")
        time.sleep(0.05)


class Installation:
    """One `grok2api serve` in front of one simulator."""

    def __init__(self, folder: Path, *, workers: int = 2, settings: dict[str, str] | None = None):
        self.data = folder / "data"
        self.log = folder / "serve.log"
        self.port, self.sim_port = free_port(), free_port()
        self.workers = workers
        self.sim = f"http://127.0.0.1:{self.sim_port}"
        self.url = f"http://127.0.0.1:{self.port}"
        self.env = {
            **{
                k: v
                for k, v in os.environ.items()  # noqa: TID251 - children need a PATH
                if not k.startswith(("GROK", "SERVER_"))
            },
            "GROK_UPSTREAM_GROK_URL": self.sim,
            "GROK_UPSTREAM_ASSETS_URL": self.sim,
            "GROK_UPSTREAM_IMAGINE_PUBLIC_URL": self.sim,
            "GROK_APP_API_KEY": "sk-test-0123456789abcdef",
            **(settings or {}),
        }
        self.key = "sk-test-0123456789abcdef"
        self.process: subprocess.Popen[bytes] | None = None
        self.simulator: subprocess.Popen[bytes] | None = None

    def command(self, *words: str, text: str | None = None) -> str:
        """Run a command of the program against this installation's data; return its output."""
        done = subprocess.run(
            [sys.executable, "-m", "grok2api", *words, "--data-dir", str(self.data)],
            env=self.env,
            input=text,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    def start_simulator(self, *words: str) -> None:
        self.simulator = subprocess.Popen(
            [sys.executable, "-m", "grok2api", "simulate", "--port", str(self.sim_port), *words],
            env=self.env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(lambda: self.ledger() is not None, seconds=START_S, what="simulator start")

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "grok2api",
                    "serve",
                    "--port",
                    str(self.port),
                    "--workers",
                    str(self.workers),
                    "--data-dir",
                    str(self.data),
                ],
                env=self.env,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        wait_until(self.is_ready, seconds=START_S, what=f"start ({self.log})")

    def is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()
        return httpx2.get(f"{self.url}/readyz").status_code == 200

    def import_accounts(self, *sessions: str, tier: str = "basic") -> None:
        self.command("accounts", "import", "-", "--tier", tier, text="\n".join(sessions))

    def accounts(self) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = msgspec.json.decode(
            self.command("accounts", "list", "--json")
        )
        return listed

    def open_leases(self) -> int:
        return sum(account["open_leases"] for account in self.accounts())

    def ledger(self) -> dict[str, Any]:
        return dict(httpx2.get(f"{self.sim}/_sim/ledger").json())

    def pages(self) -> list[dict[str, Any]]:
        """Return what the simulator's ledger says of each account."""
        return list(self.ledger()["accounts"].values())

    def submissions(self) -> list[dict[str, Any]]:
        """Return the pictures and videos that the upstream was asked for."""
        return [asked for page in self.pages() for asked in page["submissions"]]

    def script(self, target: str, *directives: str, account: str = "", times: int = 1) -> None:
        """Have the simulator play directives at the next calls of a kind."""
        order = {"target": target, "directives": directives, "account": account, "times": times}
        httpx2.post(f"{self.sim}/_sim/script", json=order).raise_for_status()

    def set_quota(self, session: str, **windows: Any) -> None:
        """Change windows of an account at the upstream; the gateway learns of it when it asks."""
        change = {"quota": windows}
        httpx2.patch(f"{self.sim}/_sim/accounts/{session}", json=change).raise_for_status()

    def stranger(self, **options: Any) -> httpx2.Client:
        """Return a client of no dialect, each of whose requests is a connection of its own."""
        limits = httpx2.Limits(max_keepalive_connections=0)
        return httpx2.Client(base_url=self.url, limits=limits, timeout=30, **options)

    def client(self, **options: Any) -> openai.OpenAI:
        return openai.OpenAI(base_url=f"{self.url}/v1", api_key=self.key, **options)

    def async_client(self, **options: Any) -> openai.AsyncOpenAI:
        return openai.AsyncOpenAI(base_url=f"{self.url}/v1", api_key=self.key, **options)

    def worker_processes(self) -> list[psutil.Process]:
        """The gunicorn workers: children of the gunicorn master, which is a child of ours."""
        assert self.process is not None
        masters = [
            child
            for child in psutil.Process(self.process.pid).children()
            if any("gunicorn" in word for word in child.cmdline())
        ]
        return [worker for master in masters for worker in master.children()]

    def everything(self) -> list[psutil.Process]:
        if self.process is None or self.process.poll() is not None:
            return []
        me = psutil.Process(self.process.pid)
        return [me, *me.children(recursive=True)]

    def kill_everything(self) -> None:
        """`kill -9` of supervisor, workers and store at once."""
        for process in self.everything():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        if self.process is not None:
            self.process.wait(10)
            self.process = None

    def stop(self) -> int:
        """End `serve` as Ctrl-C does; return its exit code."""
        if self.process is None:
            return 0
        started = self.everything()
        self.process.send_signal(signal.SIGINT)
        try:
            code = self.process.wait(40)
        finally:
            for process in started:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
        self.process = None
        return code

    def close(self) -> None:
        self.stop()
        if self.simulator is not None:
            self.simulator.terminate()
            self.simulator.wait(10)

    def logs(self) -> list[Path]:
        """Return all that was logged to: what `serve` printed, and log files with their backups."""
        return [self.log, *(path for path in self.data.rglob("*.log*") if path.is_file())]

    def find_secrets(self) -> list[str]:
        """Return the secrets of this installation that stand in its logs: none should."""
        secrets = (*make_sessions(40), self.key)
        found = ((path.name, path.read_text(errors="replace")) for path in self.logs())
        return [f"{secret} in {name}" for name, log in found for secret in secrets if secret in log]

    def register(self, sessions: list[str], *, tier: str = "basic") -> None:
        """Make sessions known to the simulator."""
        httpx2.post(
            f"{self.sim}/_sim/accounts",
            json={"accounts": [{"session": s, "name": s, "tier": tier} for s in sessions]},
        ).raise_for_status()


def make_sessions(count: int) -> list[str]:
    return [f"session-{number:04d}-abcdefghijklmnop" for number in range(count)]


def is_forgotten(store: Redis) -> bool:
    """Whether no lease and no line is left, nor a timer of one."""
    members: Any = store.zrange(keys.timers(), 0, -1)
    return not (
        store.hlen(keys.leases())
        or store.hlen(keys.waiters())
        or store.zcard(keys.waiting())
        or set(store.hkeys(keys.queues())) - {b""}
        or {member.split()[0] for member in members} & {b"lease", b"wait"}
    )
