"""A store of its own with accounts in it, asked by its real scripts."""

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from redis import Redis
from redis.client import Pipeline

from grok2api.domain.account import Credentials, Mode, Pool, ProviderKind, Tier
from grok2api.domain.ids import AccountId
from grok2api.domain.quota import PLANS, Source, Window
from grok2api.domain.selection import SelectionPolicy, Wish
from grok2api.store import keys
from grok2api.store.account_requests import ReleaseRequest, build_acquire, pack
from grok2api.store.account_vault import NewAccount, build_draft, seal_credentials
from grok2api.store.cipher import SecretCipher
from grok2api.store.embedded_binary import find_binary
from grok2api.store.header import expand_script

BATCH = 1000
ENOUGH = 1_000_000
"""Units of a window: no measurement uses them up."""
CIPHER = SecretCipher([b"k" * 32])
_SESSION = "s" * 160
"""About as long as a session token."""
_NO_PROMPT = "-"
START_S = 10.0

Call = tuple[Any, ...]
Args = dict[str, str | bytes | int]


class PoolServer:
    """Raw calls of the account scripts, to be sent one by one or in batches."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self._state = keys.account_state()
        self._scripts = {}
        for name in ("save", "acquire", "release"):
            header, text = expand_script(f"account/{name}")
            self._scripts[name] = (header, redis.script_load(text))

    def cpu_s(self) -> float:
        """CPU seconds that the server has used."""
        used: dict[str, Any] = self.redis.info("cpu")
        return float(used["used_cpu_user"] + used["used_cpu_sys"])

    def memory_bytes(self) -> int:
        """What the server holds in memory."""
        held: dict[str, Any] = self.redis.info("memory")
        return int(held["used_memory"])

    def load(self, count: int, tier: Tier = Tier.BASIC) -> None:
        """Save accounts 0 to `count` - 1 with windows that do not run out."""
        for first in range(0, count, BATCH):
            numbers = range(first, min(first + BATCH, count))
            self.run([self._save(_build_account(number, tier)) for number in numbers])

    def acquire(self, lease_id: str, policy: SelectionPolicy, tier: Tier = Tier.BASIC) -> Call:
        """Return the call that asks for an account in mode fast."""
        wish = Wish(pools=(Pool(ProviderKind.GROK_WEB, tier),), modes=(Mode.FAST,), key="k")
        more = {
            "sessions": keys.sessions(),
            "session_ends": keys.session_ends(),
            "suspects": keys.suspects(_NO_PROMPT),
        }
        args: Args = {
            "request": pack(build_acquire(wish, policy, lease_id)),
            "seed": int.from_bytes(os.urandom(3)),
            "now_ms": 0,
        }
        return self._call("acquire", self._state | more, args)

    def release(self, lease_id: str) -> Call:
        """Return the call that ends a lease well."""
        verdict = ReleaseRequest("ok", True, False, 0, 1000, 1000, "")
        args: Args = {"lease_id": lease_id, "verdict": pack(verdict), "now_ms": 0}
        return self._call("release", self._state | {"suspects": keys.suspects(_NO_PROMPT)}, args)

    def _save(self, account: NewAccount) -> Call:
        args: Args = {
            "account_id": account.id,
            "account": pack(build_draft(account, 0)),
            "secret": seal_credentials(CIPHER, account),
            "now_ms": 0,
        }
        return self._call("save", self._state, args)

    def ask(self, call: Call) -> list[Any]:
        """Send one call and return its reply."""
        answer: list[Any] = self.redis.execute_command(*call)  # type: ignore[no-untyped-call]
        return answer

    def run(self, calls: Sequence[Call]) -> list[list[Any]]:
        """Send calls in one batch and return their replies."""
        pipe: Pipeline = self.redis.pipeline(transaction=False)
        for call in calls:
            pipe.execute_command(*call)  # type: ignore[no-untyped-call]
        answers: list[list[Any]] = pipe.execute()
        return answers

    def _call(self, name: str, named: Mapping[str, Any], args: Args) -> Call:
        header, sha = self._scripts[name]
        ordered = header.order_keys(named)
        return ("EVALSHA", sha, len(ordered), *ordered, *header.order_args(args))


def _build_account(number: int, tier: Tier) -> NewAccount:
    windows = {
        mode: Window(ENOUGH, ENOUGH, plan.length_s, Source.REAL, synced_at_s=1.8e9)
        for mode, plan in PLANS[tier].items()
        if plan.total is not None
    }
    return NewAccount(
        id=AccountId(f"acc_{number:020x}"),
        pool=Pool(ProviderKind.GROK_WEB, tier),
        credentials=Credentials(_SESSION),
        mask="eyJh…x9Qk",
        created_at_s=1.8e9 + number,
        windows=windows,
    )


@contextmanager
def open_pool_server(binary: str = "") -> Iterator[tuple[PoolServer, str]]:
    """Run an empty server on a unix socket; `binary` "" is the one that the gateway would start.

    Gives it and its URL.
    """
    with tempfile.TemporaryDirectory(prefix="g2a-") as folder:
        socket = Path(folder) / "s"
        words = ["--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", folder]
        process = subprocess.Popen(  # noqa: S603 - our own program, no shell
            [binary or str(find_binary()), *words], stdout=subprocess.DEVNULL
        )
        try:
            deadline = time.monotonic() + START_S
            while not socket.exists():
                if time.monotonic() > deadline:
                    raise SystemExit("the store did not start")
                time.sleep(0.02)
            with Redis(unix_socket_path=str(socket)) as redis:
                yield PoolServer(redis), f"unix://{socket}"
        finally:
            process.kill()
            process.wait()
