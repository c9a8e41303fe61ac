"""A service in the background, and what tests need to look at it."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil

Run = Callable[..., subprocess.CompletedProcess[str]]
Start = Callable[..., "Service"]


NOWHERE = "http://127.0.0.1:9"
"""The port of the discard service, which nobody runs."""


def clean_environment() -> dict[str, str]:
    """This process's environment, of which the gateway reads only that the upstream is nowhere.

    What a test saves is due to be asked about, and nothing may leave this machine.
    """
    ours = ("GROK", "SERVER_", "REDIS", "ACCOUNT_", "DATA_DIR", "LOG_", "PORT", "HOST", "WEB_CONC")
    variables = os.environ.items()  # noqa: TID251 -- for a child process
    kept = {name: text for name, text in variables if not name.startswith(ours)}
    sites = ("GROK_URL", "ASSETS_URL", "IMAGINE_PUBLIC_URL")
    return kept | {f"GROK_UPSTREAM_{site}": NOWHERE for site in sites}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Service:
    """A `serve` or `demo` in the background; `say` is what it has written so far."""

    def __init__(self, words: tuple[str, ...], folder: Path, variables: dict[str, str]) -> None:
        self.log = folder / "output"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "grok2api", *words],
                cwd=folder,
                env={**clean_environment(), **variables},
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    @property
    def said(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def family(self) -> list[psutil.Process]:
        me = psutil.Process(self.process.pid)
        return [me, *me.children(recursive=True)]

    def child(self, word: str) -> psutil.Process:
        """The direct child with this word on its command line."""
        mine = psutil.Process(self.process.pid).children()
        return next(p for p in mine if word in p.cmdline())

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)


def is_gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
