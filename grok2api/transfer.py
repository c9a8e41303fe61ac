"""`accounts import` and `accounts export`."""

from argparse import Namespace
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Final

from grok2api.administration import administer
from grok2api.bootstrap import AdminTools
from grok2api.console import (
    STANDARD,
    decode_text,
    end_progress,
    open_output,
    read_input,
    remark,
    say,
    say_json,
    show_progress,
)
from grok2api.errors import SettingsError
from grok2api.services.imports import ImportReport
from grok2api.store.legacy_redis import open_legacy_redis
from grok2api.store.legacy_sqlite import SQLITE_HEADER, open_legacy_sqlite

_MAX_REFUSALS_SHOWN: Final = 50
_Batches = AsyncIterator[list[dict[str, object]]]


def accounts_import(arguments: Namespace) -> int:
    """Bring accounts in from a file, standard input or an older version's store."""
    if arguments.from_redis is not None:
        if arguments.file is not None:
            raise SettingsError("give a file or --from-redis, not both")
        report = _import_records(arguments, open_legacy_redis(_read_url(arguments.from_redis)))
    else:
        report = _import_file(arguments, arguments.file or STANDARD)
    if arguments.json:
        say_json(report)
    else:
        _say_report(report)
    return 0 if report.added or report.known or report.skipped else 1


def accounts_export(arguments: Namespace) -> int:
    """Write accounts out as JSON; sessions only when asked for."""
    if arguments.with_secrets and arguments.output is None:
        raise SettingsError("say where the secrets go: --output FILE, or --output - to print them")
    output = arguments.output or STANDARD

    with open_output(output) as write:
        count = administer(
            arguments,
            lambda admin: admin.operator.accounts.export(
                write, with_secrets=arguments.with_secrets, on_progress=show_progress
            ),
        )
    if output != STANDARD:
        remark(f"{count} written to {output}")
    return 0


def _import_file(arguments: Namespace, name: str) -> ImportReport:
    if name != STANDARD and _is_database(Path(name)):
        return _import_records(arguments, open_legacy_sqlite(Path(name)))
    data = read_input(name, invitation="Paste session tokens, one a line; end with Ctrl-D.")
    if data.startswith(SQLITE_HEADER):
        return _import_records(arguments, open_legacy_sqlite(data))
    text = decode_text(name, data)
    return administer(
        arguments,
        lambda admin: admin.operator.accounts.import_text(
            text, tier=arguments.tier, is_dry_run=arguments.dry_run, on_progress=show_progress
        ),
    )


def _is_database(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(SQLITE_HEADER)) == SQLITE_HEADER
    except OSError:
        return False  # reading it as a text says what is wrong


def _read_url(given: str) -> str:
    if given != STANDARD:
        return given
    data = read_input(STANDARD, invitation="Paste the Redis URL; end with Ctrl-D.")
    return decode_text(STANDARD, data).strip()


def _import_records(
    arguments: Namespace, source: AbstractAsyncContextManager[_Batches]
) -> ImportReport:
    async def work(admin: AdminTools) -> ImportReport:
        async with source as batches:
            report = await admin.operator.accounts.import_records(
                batches,
                tier=arguments.tier,
                is_dry_run=arguments.dry_run,
                on_progress=show_progress,
            )
            end_progress()
            return report

    return administer(arguments, work)


def _say_report(report: ImportReport) -> None:
    for line in report.refused[:_MAX_REFUSALS_SHOWN]:
        remark(f"line {line.line}: {line.why}")
    if len(report.refused) > _MAX_REFUSALS_SHOWN:
        remark(f"… and {len(report.refused) - _MAX_REFUSALS_SHOWN} more; --json lists them all")
    verb = "would be added" if report.is_dry_run else "added"
    if report.is_dry_run:
        for tier, count in sorted(report.tiers.items()):
            say(f"{tier}: {count.added} {verb}, {count.known} known already")
    skipped = f", {report.skipped} deleted there" if report.skipped else ""
    added, known, refused = len(report.added), len(report.known), len(report.refused)
    say(f"{added} {verb}, {known} known already, {refused} refused{skipped}")
