"""Lets a command work on the store, whether the gateway runs or not."""

import asyncio
import sys
from argparse import Namespace
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

from grok2api.bootstrap import AdminTools, open_admin, open_config
from grok2api.command_notes import noted
from grok2api.config.loader import load_boot, prepare
from grok2api.config.schema import BootSettings
from grok2api.services.settings import ConfigTools, SettingsDesk
from grok2api.supervisor import running_store
from grok2api.telemetry.logging import configure_logging

_ResultT = TypeVar("_ResultT")
_ToolsT = TypeVar("_ToolsT")


def administer(arguments: Namespace, work: Callable[[AdminTools], Awaitable[_ResultT]]) -> _ResultT:
    """Do `work` on the store that the flags and settings name; changes are written down."""
    return _work(arguments, open_admin, noted(arguments, work, lambda admin: admin.records.actions))


def configure(
    arguments: Namespace, work: Callable[[SettingsDesk], Awaitable[_ResultT]]
) -> _ResultT:
    """Do `work` on the settings in that store, also where they cannot be used; see `administer`."""

    async def work_on_desk(tools: ConfigTools) -> _ResultT:
        return await work(tools.desk)

    return _work(arguments, open_config, noted(arguments, work_on_desk, lambda t: t.actions))


def _work(
    arguments: Namespace,
    open_tools: Callable[[BootSettings], AbstractAsyncContextManager[_ToolsT]],
    work: Callable[[_ToolsT], Awaitable[_ResultT]],
) -> _ResultT:
    boot = prepare(load_boot(flags_of(arguments)))
    # Standard output is the answer alone.
    configure_logging("warning", boot.log_format, sys.stderr)

    async def run(boot: BootSettings) -> _ResultT:
        async with open_tools(boot) as tools:
            return await work(tools)

    with running_store(boot) as with_store:
        return asyncio.run(run(with_store))


def flags_of(arguments: Namespace) -> dict[str, object]:
    """Return the flags that were given."""
    return {name: value for name, value in vars(arguments).items() if value is not None}
