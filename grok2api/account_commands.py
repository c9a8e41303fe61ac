"""`accounts list`, and what an operator does to accounts by their ids."""

from argparse import Namespace
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from msgspec import Struct

from grok2api.administration import administer
from grok2api.bootstrap import AdminTools
from grok2api.command_notes import Tally
from grok2api.console import remark, say, say_json, say_table, show_progress
from grok2api.domain.account import Mode
from grok2api.domain.ids import AccountId
from grok2api.domain.pool_member import Account
from grok2api.domain.quota import Source, Window
from grok2api.errors import SettingsError
from grok2api.services.quota import Refreshed

_MARKS: Final = {Source.REAL: "", Source.DEFAULT: "=", Source.ESTIMATED: "~", Source.UNKNOWN: ""}
_LEGEND: Final = "= usual of the plan   ~ counted on   ? nobody knows   ! not asked for long"


class _Listed(Struct):
    """An account and the modes whose numbers are old."""

    account: Account
    stale: list[Mode]


def accounts_list(arguments: Namespace) -> int:
    """List accounts with their quota; no secret is shown."""

    async def collect(admin: AdminTools) -> tuple[list[_Listed], int]:
        found = admin.operator.accounts.list(
            status=arguments.status, tier=arguments.tier, tag=arguments.tag
        )
        listed = [
            _Listed(account, admin.operator.quota.find_stale(account)) async for account in found
        ]
        return listed, admin.max_concurrency

    listed, limit = administer(arguments, collect)
    if arguments.json:
        say_json([_as_object(item, limit) for item in listed])
        return 0
    heads = ("id", "tier", "status", "reason", "since", "until", "session", "open", "windows")
    say_table((*heads, "tags"), [_as_row(item, limit) for item in listed])
    remark(_LEGEND)
    return 0


def accounts_disable(arguments: Namespace) -> int:
    """Take accounts out of use until they are restored."""
    return _change(arguments, "disabled", lambda admin: admin.operator.actions.disable)


def accounts_restore(arguments: Namespace) -> int:
    """Bring accounts back, also deleted ones."""
    return _change(arguments, "restored", lambda admin: admin.operator.actions.restore)


def accounts_delete(arguments: Namespace) -> int:
    """Delete accounts so that they can be restored for a while."""
    return _change(arguments, "deleted", lambda admin: admin.operator.actions.delete)


def accounts_tag(arguments: Namespace) -> int:
    """Add tags to accounts, or give them these only."""
    if not arguments.tags and not arguments.only:
        raise SettingsError("name a tag with --tag; --only alone takes all tags away")

    def tag(admin: AdminTools) -> Callable[[AccountId], Awaitable[bool]]:
        act = admin.operator.actions.set_tags if arguments.only else admin.operator.actions.tag
        return lambda account_id: act(account_id, arguments.tags)

    return _change(arguments, "tagged", tag)


def accounts_untag(arguments: Namespace) -> int:
    """Take tags away from accounts."""
    return _change(
        arguments,
        "untagged",
        lambda admin: lambda account_id: admin.operator.actions.untag(account_id, arguments.tags),
    )


def accounts_move(arguments: Namespace) -> int:
    """Move accounts to the pool of another plan."""
    return _change(
        arguments,
        "moved",
        lambda admin: lambda account_id: admin.operator.actions.move(account_id, arguments.tier),
    )


def accounts_limit(arguments: Namespace) -> int:
    """Set how many requests accounts serve at the same time."""
    return _change(
        arguments,
        "limited",
        lambda admin: lambda account_id: admin.operator.actions.limit(account_id, arguments.to),
    )


def accounts_refresh(arguments: Namespace) -> int:
    """Ask the site now what accounts have left."""
    ids = _ids_of(arguments)
    found = administer(
        arguments, lambda admin: admin.operator.actions.refresh_all(ids, show_progress)
    )
    is_whole = all(result is not None and not result.failure for result in found.values())
    if arguments.json:
        unknown = [account_id for account_id, result in found.items() if result is None]
        say_json({"refreshed": [r for r in found.values() if r is not None], "unknown": unknown})
    else:
        rows = [_as_outcome(account_id, result) for account_id, result in found.items()]
        say_table(("id", "tier", "status", "result"), rows)
    return 0 if is_whole else 1


def _change(
    arguments: Namespace,
    verb: str,
    choose: Callable[[AdminTools], Callable[[AccountId], Awaitable[bool]]],
) -> int:
    """Do something to every account that is named; return the exit code."""

    async def work(admin: AdminTools) -> Tally:
        act, tally = choose(admin), Tally([], [])
        for account_id in _ids_of(arguments):
            (tally.done if await act(account_id) else tally.unknown).append(account_id)
        return tally

    tally = administer(arguments, work)
    if arguments.json:
        say_json(tally)
    else:
        for account_id in tally.unknown:
            remark(f"not found: {account_id}")
        say(f"{len(tally.done)} {verb}, {len(tally.unknown)} not found")
    return 1 if tally.unknown else 0


def _ids_of(arguments: Namespace) -> list[AccountId]:
    return [AccountId(given) for given in dict.fromkeys(arguments.ids)]


def _as_object(item: _Listed, limit: int) -> dict[str, Any]:
    account = item.account
    whole: dict[str, Any] = msgspec.to_builtins(account)
    own = account.max_concurrency
    return {**whole, "concurrency": limit if own is None else own, "stale": item.stale}


def _as_row(item: _Listed, limit: int) -> Sequence[object]:
    account, own = item.account, item.account.max_concurrency
    windows = [
        f"{mode} {_describe_window(window, is_stale=mode in item.stale)}"
        for mode in Mode
        if (window := account.windows.get(mode)) is not None
    ]
    return (
        account.id,
        account.pool.tier,
        f"{account.status} (trial)" if account.is_on_trial else account.status,
        account.reason,
        _describe_time(account.since_s),
        _describe_time(account.until_s),
        account.mask,
        f"{account.open_leases}/{limit if own is None else own}",
        ", ".join(windows),
        ",".join(account.tags),
    )


def _describe_window(window: Window, *, is_stale: bool) -> str:
    total = "?" if window.total is None else window.total
    number = f"{window.remaining}/{total}" if window.is_known else "?"
    return f"{number}{_MARKS[window.source]}{'!' if is_stale else ''}"


def _describe_time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M") if seconds else ""


def _as_outcome(account_id: AccountId, result: Refreshed | None) -> Sequence[object]:
    if result is None:
        return (account_id, "", "", "not found")
    without = ", ".join(f"{mode} ({word})" for mode, word in result.missing.items())
    text = result.failure or (f"refreshed, without {without}" if without else "refreshed")
    return (account_id, result.tier, result.status, text)
