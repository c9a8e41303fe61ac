"""Writes down what is changed by commands, as administrative routes do."""

from argparse import Namespace
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Final, TypeVar

from grok2api.bootstrap import AdminTools
from grok2api.domain.action import COMMAND_LINE, DONE, ActionName, AdminAction
from grok2api.errors import GatewayError
from grok2api.services.account_names import is_account_id
from grok2api.services.action_log import name_targets

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
        "batches cancel": ActionName.CANCEL_BATCH,
        "keys create": ActionName.CREATE_KEYS,
        "keys edit": ActionName.EDIT_KEYS,
        "keys revoke": ActionName.REVOKE_KEYS,
        "logins allow": ActionName.ALLOW_ADDRESS,
    }
)
"""Commands that change something, or show sessions."""
_FAILED: Final = "failed"


def noted(
    arguments: Namespace, work: Callable[[AdminTools], Awaitable[_ResultT]]
) -> Callable[[AdminTools], Awaitable[_ResultT]]:
    """Return `work` that also writes down that it was done, if its command is one of `ACTIONS`.

    Where that cannot be written down the command fails, although it has done its work.
    """
    action = ACTIONS.get(getattr(arguments, "command", ""))
    is_harmless = action is ActionName.EXPORT_SESSIONS and not arguments.with_secrets
    if action is None or is_harmless:
        return work

    async def work_and_note(admin: AdminTools) -> _ResultT:
        outcome = _FAILED
        try:
            result = await work(admin)
            outcome = DONE
        except GatewayError as error:
            outcome = getattr(error, "code", None) or error.kind.value
            raise
        finally:
            await admin.records.actions.note(
                AdminAction(
                    actor=COMMAND_LINE,
                    action=action,
                    target=name_targets(_targets(arguments)),
                    detail=arguments.command,
                    outcome=outcome,
                )
            )
        return result

    return work_and_note


def _targets(arguments: Namespace) -> list[str]:
    """Return what the command names; what is no id of an account may be a session."""
    given = vars(arguments)
    if ids := [name for name in given.get("ids") or () if is_account_id(name)]:
        return ids
    flags = ("key", "id", "name", "address")
    named = next((given[flag] for flag in flags if given.get(flag)), None)
    return [named] if isinstance(named, str) else []
