"""Writes down what is changed by commands, as administrative routes do."""

import asyncio
import os
import pwd
import socket
from argparse import Namespace
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Final, TypeVar

import structlog
from msgspec import Struct

from grok2api.domain.action import COMMAND_LINE, DONE, ActionName, AdminAction
from grok2api.domain.batch import Batch
from grok2api.domain.client_key import ClientKey
from grok2api.domain.ids import AccountId
from grok2api.errors import GatewayError, StoreUnavailableError
from grok2api.services.account_names import is_account_id
from grok2api.services.action_log import ActionLog, name_targets
from grok2api.services.imports import ImportReport
from grok2api.services.settings_views import Draft

log = structlog.get_logger(__name__)

_ToolsT = TypeVar("_ToolsT")
_ResultT = TypeVar("_ResultT")

ACTIONS: Final[Mapping[str, ActionName]] = MappingProxyType(
    {
        "accounts import": ActionName.IMPORT_ACCOUNTS,
        "accounts export": ActionName.EXPORT_SESSIONS,
        "accounts refresh": ActionName.REFRESH_ACCOUNTS,
        "accounts disable": ActionName.DISABLE_ACCOUNTS,
        "accounts restore": ActionName.RESTORE_ACCOUNTS,
        "accounts tag": ActionName.EDIT_ACCOUNT,
        "accounts untag": ActionName.EDIT_ACCOUNT,
        "accounts move": ActionName.EDIT_ACCOUNT,
        "accounts limit": ActionName.EDIT_ACCOUNT,
        "accounts delete": ActionName.DELETE_ACCOUNTS,
        "accounts remove": ActionName.REMOVE_ACCOUNTS,
        "sessions clear": ActionName.CLEAR_SESSIONS,
        "batches start": ActionName.START_BATCH,
        "batches result": ActionName.EXPORT_SESSIONS,
        "batches cancel": ActionName.CANCEL_BATCH,
        "keys create": ActionName.CREATE_KEYS,
        "keys edit": ActionName.EDIT_KEYS,
        "keys revoke": ActionName.REVOKE_KEYS,
        "config set": ActionName.CHANGE_SETTINGS,
        "config unset": ActionName.CHANGE_SETTINGS,
        "config rollback": ActionName.RESTORE_SETTINGS,
        "logins allow": ActionName.ALLOW_ADDRESS,
    }
)
"""Commands that change something, or show sessions."""
_FAILED: Final = "failed"
_STOPPED: Final = "stopped"


class Tally(Struct):
    """Ids of accounts that were changed, and of those that there are not."""

    done: list[AccountId]
    unknown: list[AccountId]


def noted(
    arguments: Namespace,
    work: Callable[[_ToolsT], Awaitable[_ResultT]],
    actions_of: Callable[[_ToolsT], ActionLog],
) -> Callable[[_ToolsT], Awaitable[_ResultT]]:
    """Return `work` that also writes down that it was done, if its command is one of `ACTIONS`.

    What fails for a reason is written down too. Where nothing can be written down, that is said
    beside the answer: what has been done stays done.
    """
    action = ACTIONS.get(getattr(arguments, "command", ""))
    if action is None or _is_look(arguments):
        return work

    async def work_and_note(tools: _ToolsT) -> _ResultT:
        outcome, result = _FAILED, None
        try:
            result = await work(tools)
            outcome = DONE
        except GatewayError as error:
            outcome = getattr(error, "code", None) or error.kind.value
            raise
        except asyncio.CancelledError:
            outcome = _STOPPED
            raise
        finally:
            if not _is_plain(action, result):
                await _note(actions_of(tools), _describe(arguments, action, result, outcome))
        return result

    return work_and_note


async def _note(actions: ActionLog, action: AdminAction) -> None:
    try:
        await actions.note(action)
    except StoreUnavailableError as error:
        log.warning(
            "action_not_noted", action=action.action, target=action.target, detail=error.detail
        )


def _is_look(arguments: Namespace) -> bool:
    """Whether a command that could change something or show sessions only looks."""
    is_harmless_export = arguments.command == "accounts export" and not arguments.with_secrets
    return is_harmless_export or getattr(arguments, "dry_run", False)


def _is_plain(action: ActionName, result: object) -> bool:
    """Whether what was exported turned out to have no sessions."""
    is_export = action is ActionName.EXPORT_SESSIONS
    return is_export and isinstance(result, Batch) and not result.params.with_secrets


def _describe(
    arguments: Namespace, action: ActionName, result: object, outcome: str
) -> AdminAction:
    targets, detail = _targets(arguments), arguments.command
    match result:
        case (ClientKey(id=key_id), _) | ClientKey(id=key_id):
            targets = [key_id]
        case Tally():
            targets = list(result.done)
            missing = len(result.unknown)
            detail += f": {missing} not found" if missing else ""
        case ImportReport():
            targets, detail = list(result.added), f"{detail}: {len(result.added)} added"
        case Draft():
            targets = [difference.key for difference in result.differences]
            detail = f"{detail}: revision {result.revision}"
        case _:
            pass
    return AdminAction(
        actor=COMMAND_LINE,
        action=action,
        target=name_targets(targets),
        client=_whence(),
        detail=detail,
        outcome=outcome,
    )


def _targets(arguments: Namespace) -> list[str]:
    """Return what the command names; what is no id of an account may be a session."""
    given = vars(arguments)
    if ids := [name for name in given.get("ids") or () if is_account_id(name)]:
        return ids
    named = next(
        (given[flag] for flag in ("key", "id", "name", "address") if given.get(flag)), None
    )
    if isinstance(named, str):
        return [named]
    return list(given.get("keys") or ()) or ["all"] * bool(given.get("all"))


def _whence() -> str:
    """Return who runs the command on which host, as the system knows them."""
    user = os.getuid()
    try:
        name = pwd.getpwuid(user).pw_name
    except KeyError:  # a container's user need have no name
        name = str(user)
    return f"{name}@{socket.gethostname()}"
