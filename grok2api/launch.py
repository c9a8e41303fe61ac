"""What `serve` and `demo` add to the supervisor: credentials, helpers, greetings; and helpers."""

import asyncio
import http.client
import os
import secrets
import shlex
import socket
import sys
import time
from collections.abc import Callable, Sequence

import msgspec
from msgspec import structs

from grok2api.bootstrap import AdminTools, begin_logging, open_admin, open_maintenance
from grok2api.config.schema import BootSettings
from grok2api.domain.account import Tier
from grok2api.errors import InternalError, SettingsError
from grok2api.processes import run_until_stopped
from grok2api.supervisor import Plan, Say, check_port, local_url, running_store, supervise

_DEMO_SESSIONS = {
    Tier.BASIC: ("basic-1", "basic-2", "basic-3"),
    Tier.SUPER: ("super-1", "super-2"),
    Tier.HEAVY: ("heavy-1",),
}
_DEMO_KEY = "demo"
_MAINTENANCE = "maintenance process"
_SIMULATOR_START_S = 20.0
_PORTS_TRIED = 20
_PASSWORD_BYTES = 12

Environment = Callable[[BootSettings], dict[str, str]]

_DEMO_TEXT = """
The demo runs: {url}
It has {accounts} pretend accounts and a simulated upstream; nothing leaves this machine.

  key       {key}
  password  {password}  (the administrator's: /admin/api and /metrics)

  curl -N {url}/v1/chat/completions \\
    -H "Authorization: Bearer {key}" -H "Content-Type: application/json" \\
    -d '{{"model": "grok-chat-fast", "stream": true, "messages": [{{"role": "user", "content": "Why are there tides?"}}]}}'

  from openai import OpenAI
  client = OpenAI(base_url="{url}/v1", api_key="{key}")
  stream = client.chat.completions.create(model="grok-chat-fast", stream=True, messages=[{{"role": "user", "content": "Hi"}}])
  for chunk in stream:
      print(chunk.choices[0].delta.content or "", end="")

What was asked, and what came of it:

  {program} log --data-dir {folder}

Ctrl-C ends it.
"""  # noqa: E501 -- lines to be copied whole


def serve(boot: BootSettings, environment: Environment, say: Say) -> int:
    """Run the whole service on this host until it is stopped; return the exit code.

    Raises:
        SettingsError: something it needs cannot be used.
        StoreUnavailableError: the store does not answer.
    """

    async def prepare(boot: BootSettings) -> Sequence[str]:
        async with open_admin(boot) as admin:
            await admin.health.check()
            await _make_credentials(admin, say)
            return [f"The gateway is ready: {local_url(boot)}/v1", *await _hint(admin)]

    return supervise(
        Plan(
            boot=boot,
            environment=environment,
            prepare=prepare,
            say=say,
            helpers={_MAINTENANCE: maintenance_command()},
        )
    )


def demo(boot: BootSettings, environment: Environment, say: Say, *, may_move: bool) -> int:
    """Run the gateway in front of the simulator until it is stopped; return the exit code.

    With `may_move` a port that is taken is no error: the next free one is used.

    Raises:
        SettingsError: something it needs cannot be used.
    """
    boot = _find_port(boot) if may_move else boot
    upstream_port, password = _free_port(), secrets.token_urlsafe(_PASSWORD_BYTES)

    async def prepare(boot: BootSettings) -> Sequence[str]:
        await asyncio.to_thread(_register_accounts, upstream_port)
        async with open_admin(boot) as admin:
            for tier, names in _DEMO_SESSIONS.items():
                text = "\n".join(map(_session_of, names))
                before = await admin.operator.accounts.import_text(text, tier=tier)
                await admin.operator.accounts.remove([*before.known, *before.added])
                fresh = await admin.operator.accounts.import_text(text, tier=tier)
                if fresh.refused:
                    raise InternalError(f"a pretend account was refused: {fresh.refused[0].why}")
            _, key = await admin.keys.replace(_DEMO_KEY)
        return [
            _DEMO_TEXT.format(
                url=local_url(boot),
                key=key,
                password=password,
                accounts=sum(map(len, _DEMO_SESSIONS.values())),
                program=shlex.join(_program()),
                folder=shlex.quote(str(boot.data_dir)),
            )
        ]

    def with_simulator(boot: BootSettings) -> dict[str, str]:
        upstream = f"http://127.0.0.1:{upstream_port}"
        hosts = ("GROK_URL", "ASSETS_URL", "IMAGINE_PUBLIC_URL")
        site = {f"GROK_UPSTREAM_{host}": upstream for host in hosts}
        return environment(boot) | site | {"GROK_APP_APP_KEY": password}

    say("Starting the demo …")
    return supervise(
        Plan(
            boot=boot,
            environment=with_simulator,
            prepare=prepare,
            say=say,
            helpers={
                "simulator": simulator_command(upstream_port),
                _MAINTENANCE: maintenance_command(),
            },
        )
    )


def maintain(boot: BootSettings) -> None:
    """Run one maintenance process until it is stopped.

    Raises:
        SettingsError: a setting does not hold, or the folder's own store cannot be started.
    """

    async def work(boot: BootSettings) -> None:
        async with open_maintenance(boot) as runner:
            await run_until_stopped(runner.run())

    begin_logging(boot)
    with running_store(boot) as with_store:
        asyncio.run(work(with_store))


def maintenance_command() -> list[str]:
    """Return the command of a maintenance process that lives as long as this process."""
    return [sys.executable, "-m", "grok2api", "maintenance", "--parent", str(os.getpid())]


def simulator_command(port: int) -> list[str]:
    """Return the command that plays the upstream on `port`, as long as this process lives."""
    program = [sys.executable, "-m", "grok2api", "simulate", "--port", str(port)]
    return [*program, "--accept-any", "--delay-ms", "30", "--parent", str(os.getpid())]


async def _make_credentials(admin: AdminTools, say: Say) -> None:
    made = await admin.setup.ensure_credentials()
    if made is None:
        return
    say("First start. These are shown only now:")
    say(f"  client key               {made.client_key}")
    if made.admin_password:
        say(f"  administrator's password {made.admin_password}")


async def _hint(admin: AdminTools) -> list[str]:
    async for _ in admin.operator.accounts.list():
        return []
    return ["It has no account yet: grok2api accounts import FILE"]


def _program() -> list[str]:
    """Return how this program was called, for lines that are to be copied."""
    called = sys.argv[0]
    return [called] if called.endswith("grok2api") else [sys.executable, "-m", "grok2api"]


def _session_of(name: str) -> str:
    return f"demo-{name}-0123456789abcdef"


def _register_accounts(port: int) -> None:
    """Make the demo's accounts known to the simulator, as soon as that listens."""
    accounts = [
        {"session": _session_of(name), "name": name, "tier": tier}
        for tier, names in _DEMO_SESSIONS.items()
        for name in names
    ]
    body = msgspec.json.encode({"accounts": accounts})
    deadline_s = time.monotonic() + _SIMULATOR_START_S
    while not _post(port, "/_sim/accounts", body):
        if time.monotonic() > deadline_s:
            raise SettingsError(f"the simulator did not start on port {port}; try again")
        time.sleep(0.05)


def _post(port: int, path: str, body: bytes) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2.0)
    try:
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _find_port(boot: BootSettings) -> BootSettings:
    """Return `boot` with the first port at or after its own that is free."""
    for port in range(boot.port, boot.port + _PORTS_TRIED):
        moved = structs.replace(boot, port=port)
        try:
            check_port(moved)
        except SettingsError:
            continue
        return moved
    return boot


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
