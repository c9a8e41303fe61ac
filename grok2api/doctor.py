"""`doctor`: looks at everything the gateway stands on, and says how to mend what is broken."""

import asyncio
import shutil
import stat
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from enum import StrEnum
from urllib.parse import urlsplit

from msgspec import Struct, structs

from grok2api.bootstrap import AdminTools, open_admin
from grok2api.config.files import make_folder
from grok2api.config.schema import BootSettings, Settings
from grok2api.config.secret_key import FILE_NAME as KEY_FILE_NAME, KEY_BYTES
from grok2api.domain.account import Status
from grok2api.errors import GatewayError, SettingsError, StoreUnavailableError
from grok2api.store.server_facts import ServerFacts
from grok2api.supervisor import check_port, gateway_answers, local_url, running_store

STORE_REMEDY = "start it, or correct --redis-url (GROK2API_REDIS_URL, store.redis_url)"
_MIN_MAJOR = 7
_LITTLE_SPACE_MB, _NO_SPACE_MB = 1024, 100
_FULL_MEMORY = 0.9
_CONNECT_S = 5.0
_DEFAULT_PORTS = {"http": 80, "https": 443, "socks4": 1080, "socks5": 1080}
_NO_EVICTION = "noeviction"


class Grade(StrEnum):
    """How a finding is to be taken; the value is what is printed."""

    FINE = "✓"
    NOTE = "!"
    BROKEN = "✗"


class Finding(Struct, frozen=True):
    """One thing looked at. `text` says what it is like and, where not fine, how to mend it."""

    grade: Grade
    about: str
    text: str


def examine(boot: BootSettings, settings: Settings, unknown: list[str]) -> Iterator[Finding]:
    """Look at everything, one after the other; nothing is changed."""
    yield from _examine_settings(settings, unknown)
    yield from _examine_folder(boot)
    yield _examine_port(boot)
    yield from asyncio.run(_collect(_examine_upstream(settings)))
    yield from _examine_store(boot)


def _examine_settings(settings: Settings, unknown: list[str]) -> Iterator[Finding]:
    if unknown:
        names = ", ".join(unknown)
        yield Finding(Grade.NOTE, "settings", f"not known to this version, ignored: {names}")
    else:
        yield Finding(Grade.FINE, "settings", "all known and within their bounds")
    if settings.security.allow_anonymous_api:
        text = "anybody who reaches the port may use your accounts; to need a key, set "
        yield Finding(Grade.NOTE, "access", text + "security.allow_anonymous_api = false")
    if settings.upstream.grok_url.startswith("http://"):
        text = f"upstream.grok_url is {settings.upstream.grok_url}: sessions go there unencrypted"
        yield Finding(Grade.NOTE, "upstream", text)


def _examine_folder(boot: BootSettings) -> Iterator[Finding]:
    if not boot.data_dir.exists():
        text = f"{boot.data_dir} is not there yet; the first `grok2api serve` makes it"
        yield Finding(Grade.NOTE, "data folder", text)
        return
    try:
        make_folder(boot.data_dir)
    except SettingsError as error:
        yield Finding(Grade.BROKEN, "data folder", error.message.removeprefix("data folder "))
        return
    free_mb = shutil.disk_usage(boot.data_dir).free >> 20
    text = f"{boot.data_dir} is writable, {free_mb} MB free"
    if free_mb < _NO_SPACE_MB:
        yield Finding(Grade.BROKEN, "data folder", f"{text}: the store will stop writing; tidy up")
    elif free_mb < _LITTLE_SPACE_MB:
        yield Finding(Grade.NOTE, "data folder", f"{text}: that is little")
    else:
        yield Finding(Grade.FINE, "data folder", text)
    yield _examine_key(boot)


def _examine_key(boot: BootSettings) -> Finding:
    path = boot.data_dir / KEY_FILE_NAME
    if not boot.secret_keys:
        return Finding(Grade.NOTE, "secret key", "none yet; the first `grok2api serve` makes one")
    if path.exists() and (mode := stat.S_IMODE(path.stat().st_mode)) & 0o077:
        text = f"{path} can be read by other users (mode {mode:03o}); mend: chmod 600 {path}"
        return Finding(Grade.BROKEN, "secret key", text)
    where = str(path) if path.exists() else "GROK2API_SECRET_KEY"
    text = f"{len(boot.secret_keys)} in use, from {where}; keep a copy elsewhere"
    return Finding(Grade.FINE, "secret key", text)


def _examine_port(boot: BootSettings) -> Finding:
    try:
        check_port(boot)
    except SettingsError as error:
        if gateway_answers(boot):
            return Finding(Grade.FINE, "port", f"the gateway answers at {local_url(boot)}")
        return Finding(Grade.BROKEN, "port", error.message)
    return Finding(Grade.FINE, "port", f"{boot.port} on {boot.host} is free")


async def _examine_upstream(settings: Settings) -> AsyncIterator[Finding]:
    """Only whether a connection stands: what the site thinks of it, a chat will tell."""
    about, url = "upstream", settings.upstream.grok_url
    remedy = "look at your network, or set proxy.url"
    if settings.proxy.url:
        about, url, remedy = "proxy", settings.proxy.url, "look at proxy.url"
    parts = urlsplit(url)
    port = parts.port or _DEFAULT_PORTS.get(parts.scheme.rstrip("ah"), 443)
    try:
        async with asyncio.timeout(_CONNECT_S):
            _, writer = await asyncio.open_connection(parts.hostname, port)
        writer.close()
    except (OSError, TimeoutError) as error:
        reason = getattr(error, "strerror", None) or f"no answer within {_CONNECT_S:g} s"
        text = f"no connection to {parts.hostname} port {port}: {reason}; {remedy}"
        yield Finding(Grade.BROKEN, about, text)
    else:
        yield Finding(Grade.FINE, about, f"{parts.hostname} port {port} takes connections")


def _examine_store(boot: BootSettings) -> Iterator[Finding]:
    if not boot.redis_url and not boot.data_dir.exists():
        yield Finding(Grade.NOTE, "store", "the first `grok2api serve` makes it")
        return
    try:
        with running_store(boot) as with_store:
            yield from asyncio.run(_collect(_ask_store(with_store)))
    except StoreUnavailableError as error:
        text = f"it does not answer ({error.detail}); {STORE_REMEDY}"
        yield Finding(Grade.BROKEN, "store", text)
    except GatewayError as error:
        detail = f" ({error.detail})" if error.detail else ""
        yield Finding(Grade.BROKEN, "store", f"{error.message}{detail}")


async def _ask_store(boot: BootSettings) -> AsyncIterator[Finding]:
    if not boot.secret_keys:
        # Nothing is decrypted here, so before the first start any key will do.
        boot = structs.replace(boot, secret_keys=(bytes(KEY_BYTES),))
    async with open_admin(boot) as admin:
        for finding in _judge_server(await admin.read_server_facts()):
            yield finding
        yield await _count_accounts(admin)
        keys = len(await admin.keys.list())
        text = f"{keys} stored" if keys else "none stored; make one: grok2api keys create NAME"
        yield Finding(Grade.FINE if keys else Grade.NOTE, "client keys", text)


def _judge_server(facts: ServerFacts) -> Iterator[Finding]:
    name = f"{facts.product} {facts.version}"
    if facts.major < _MIN_MAJOR:
        text = f"{name} is too old; Redis 7.0 or Valkey 7.2 at least"
        yield Finding(Grade.BROKEN, "store", text)
    else:
        yield Finding(Grade.FINE, "store", f"{name} answers")
    if facts.eviction_policy not in ("", _NO_EVICTION):
        text = (
            f"policy {facts.eviction_policy} may throw accounts and keys away; "
            "mend: maxmemory-policy noeviction"
        )
        yield Finding(Grade.BROKEN, "store memory", text)
    if facts.used_memory_bytes > _FULL_MEMORY * (facts.max_memory_bytes or float("inf")):
        yield Finding(Grade.NOTE, "store memory", "more than 90 % used; raise maxmemory")
    if not facts.can_save:
        yield Finding(Grade.BROKEN, "store disk", "it cannot write; make room on its disk")
    if not facts.has_append_file:
        text = "no append-only file: a crash loses what is newest; mend: appendonly yes"
        yield Finding(Grade.NOTE, "store disk", text)


async def _count_accounts(admin: AdminTools) -> Finding:
    count = Counter([account.status async for account in admin.operator.accounts.list()])
    if not count:
        text = "none; bring some in: grok2api accounts import FILE"
        return Finding(Grade.NOTE, "accounts", text)
    text = ", ".join(f"{number} {status}" for status, number in sorted(count.items()))
    usable = count[Status.ACTIVE] + count[Status.COOLING]
    return Finding(Grade.FINE if usable else Grade.BROKEN, "accounts", text)


async def _collect(findings: AsyncIterator[Finding]) -> list[Finding]:
    return [finding async for finding in findings]
