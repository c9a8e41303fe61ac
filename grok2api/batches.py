"""`batches start`, `batches list`, `batches show`, `batches result` and `batches cancel`."""

import asyncio
from argparse import Namespace
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Final

from msgspec import Struct

from grok2api.administration import administer
from grok2api.bootstrap import AdminTools
from grok2api.console import (
    STANDARD,
    decode_text,
    open_output,
    read_input,
    remark,
    say,
    say_json,
    say_table,
    show_progress,
)
from grok2api.domain.action import COMMAND_LINE
from grok2api.domain.batch import Batch, BatchFailure
from grok2api.errors import SettingsError
from grok2api.services.account_names import is_account_id
from grok2api.services.account_query import AccountFilter

_LOOK_AGAIN_S: Final = 0.5
_MAX_FAILURES_SHOWN: Final = 50
_MAX_KEPT: Final = 100


class _Shown(Struct, frozen=True):
    """A batch and the first of its failures."""

    batch: Batch
    failures: list[BatchFailure]


def batches_list(arguments: Namespace) -> int:
    """List batches, the newest first."""
    page = administer(arguments, lambda admin: admin.operator.batches.list(limit=_MAX_KEPT))
    if arguments.json:
        say_json(page.batches)
        return 0
    heads = ("id", "kind", "state", "done", "of", "failed", "created (UTC)", "by")
    say_table(heads, [_row(batch) for batch in page.batches])
    return 0


def batches_show(arguments: Namespace) -> int:
    """Show how a batch stands, and what failed."""

    async def look(admin: AdminTools) -> _Shown:
        return await _look(admin, arguments.id, follows=arguments.follow)

    return _say(arguments, administer(arguments, look))


def batches_start(arguments: Namespace) -> int:
    """Do something to many accounts; it goes on without this command."""
    _check_choice(arguments)
    names = [*arguments.ids, *_read_names(arguments)]
    params = {
        name: value
        for name, value in (
            ("tags", arguments.tags),
            ("tier", arguments.tier),
            ("max_concurrency", arguments.max_concurrency),
            ("with_secrets", arguments.with_secrets),
        )
        if value is not None
    }

    async def work(admin: AdminTools) -> _Shown:
        operator = admin.operator
        if names:
            batch = await operator.batches.create(
                arguments.kind,
                params,
                operator.names.resolve_all(names, param="names"),
                created_by=COMMAND_LINE,
            )
        else:
            ids = operator.search.ids(_filter_of(arguments))
            batch = await operator.batches.create(
                arguments.kind, params, ids, created_by=COMMAND_LINE
            )
        if not arguments.json:
            remark(f"Batch {batch.id} over {batch.total}; `batches show` tells how it goes on.")
        return await _look(admin, batch.id, follows=arguments.follow)

    return _say(arguments, administer(arguments, work))


def batches_result(arguments: Namespace) -> int:
    """Write what a batch kept: accounts as `accounts import` reads them, or a line for each."""
    output = arguments.output or STANDARD

    async def work(admin: AdminTools) -> Batch:
        exports = admin.operator.batch_exports
        batch = await exports.find(arguments.id)
        if batch.params.with_secrets and arguments.output is None:
            raise SettingsError(
                "say where the secrets go: --output FILE, or --output - to print them"
            )
        async with aclosing(exports.iterate(batch)) as parts:
            async for part in parts:
                write(part)
        return batch

    with open_output(output) as write:
        batch = administer(arguments, work)
    if output != STANDARD:
        remark(f"{batch.ok} written to {output}")
    return 0


def batches_cancel(arguments: Namespace) -> int:
    """Cancel a batch; what is being done to an account just now is still done."""
    batch = administer(arguments, lambda admin: admin.operator.batches.cancel(arguments.id))
    if arguments.json:
        say_json(batch)
    else:
        _say_batch(batch)
    return 0


async def _look(admin: AdminTools, batch_id: str, *, follows: bool) -> _Shown:
    batches = admin.operator.batches
    batch = await batches.get(batch_id)
    while follows and not batch.is_over:
        show_progress(batch.processed, batch.total)
        await asyncio.sleep(_LOOK_AGAIN_S)
        batch = await batches.get(batch_id)
    if follows:
        show_progress(batch.processed, batch.total)
    page = await batches.failures(batch_id, limit=1000)
    return _Shown(batch, page.failures)


def _check_choice(arguments: Namespace) -> None:
    """Make sure that the accounts are named in one way, and that all are never meant by chance."""
    is_named = bool(arguments.ids) or arguments.file is not None
    is_open = _filter_of(arguments).is_open
    ways = (is_named, not is_open, arguments.all)
    if sum(ways) != 1:
        raise SettingsError("say which accounts: by ID or --file, by --where-…, or --all")
    for name in arguments.ids:
        if not is_account_id(name):
            raise SettingsError("an ID is no account's id; put sessions into a --file")


def _read_names(arguments: Namespace) -> list[str]:
    if arguments.file is None:
        return []
    data = read_input(arguments.file, invitation="Paste ids or sessions; end with Ctrl-D.")
    lines = decode_text(arguments.file, data).splitlines()
    names = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    if not names:
        raise SettingsError(f"{arguments.file}: names no account")
    return names


def _filter_of(arguments: Namespace) -> AccountFilter:
    return AccountFilter(
        statuses=frozenset(arguments.where_status or ()),
        tier=arguments.where_tier,
        tag=arguments.where_tag or "",
        text=arguments.where_text or "",
    )


def _say(arguments: Namespace, shown: _Shown) -> int:
    if arguments.json:
        say_json(shown)
        return 0
    _say_batch(shown.batch)
    for failure in shown.failures[:_MAX_FAILURES_SHOWN]:
        say(f"{failure.account_id}: {failure.reason}")
    if shown.batch.fail > _MAX_FAILURES_SHOWN:
        hidden = shown.batch.fail - _MAX_FAILURES_SHOWN
        remark(f"… and {hidden} more; --json lists {len(shown.failures)}")
    return 0


def _say_batch(batch: Batch) -> None:
    skipped = f", {batch.skipped} skipped" if batch.skipped else ""
    counts = f"{batch.ok} done, {batch.fail} failed{skipped}, of {batch.total}"
    say(f"{batch.kind} {batch.state}: {counts}")


def _row(batch: Batch) -> tuple[object, ...]:
    created = datetime.fromtimestamp(batch.created_at_s, UTC).strftime("%Y-%m-%d %H:%M")
    return (
        batch.id,
        batch.kind,
        batch.state,
        batch.processed,
        batch.total,
        batch.fail,
        created,
        batch.created_by,
    )
