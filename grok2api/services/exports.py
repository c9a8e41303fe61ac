"""Writing accounts out: one JSON object that an import reads again."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Final

import msgspec
from msgspec import UNSET, Struct, UnsetType

from grok2api.domain.account import Credentials, Mode, ProviderKind, Status, Tier
from grok2api.domain.ids import AccountId
from grok2api.domain.pool_member import Account
from grok2api.domain.quota import Source, Window
from grok2api.store.accounts import AccountStore

EXPORT_VERSION: Final = 1
PAGE: Final = 500

_HEAD: Final = b'{"version":%d,"accounts":[' % EXPORT_VERSION
_TAIL: Final = b"\n]}\n"
_ENCODER = msgspec.json.Encoder()


class ExportedWindow(Struct, frozen=True):
    """What is left of a mode. `total` is None where nobody knows more than what remains now."""

    remaining: int
    total: int | None
    length_s: int
    source: Source
    reset_at: datetime | None


class ExportedAccount(Struct, frozen=True):
    """An account as a file holds it. `until` is when a cooldown ends.

    `quota` holds the windows whose number is known and not just what the tier usually has.
    `session` and `cookies` are left out unless secrets were asked for.
    """

    id: AccountId
    kind: ProviderKind
    tier: Tier
    status: Status
    reason: str
    until: datetime | None
    tags: tuple[str, ...]
    created_at: datetime
    mask: str
    max_concurrency: int | None = None
    quota: dict[Mode, ExportedWindow] = {}
    session: str | UnsetType = UNSET
    cookies: str | UnsetType = UNSET


class ExportPart(Struct, frozen=True):
    """Some of an export's bytes, and how many accounts are in all parts up to it."""

    data: bytes
    done: int


async def iterate_export(
    store: AccountStore, *, with_secrets: bool
) -> AsyncGenerator[ExportPart, None]:
    """Yield all accounts that are not deleted, page by page; without the last part it is not whole.

    Raises:
        SettingsError: no configured secret key opens the credentials of an account.
        StoreUnavailableError: Redis did not answer.
    """
    async with aclosing(frame_export(_list_pages(store, with_secrets=with_secrets))) as parts:
        async for part in parts:
            yield part


async def frame_export(
    pages: AsyncGenerator[Sequence[bytes], None],
) -> AsyncGenerator[ExportPart, None]:
    """Yield an export of described accounts, page by page; `pages` ends with it."""
    done = 0
    async with aclosing(pages):
        yield ExportPart(_HEAD, 0)
        async for page in pages:
            written = b"".join(
                (b",\n" if number else b"\n") + described
                for number, described in enumerate(page, done)
            )
            done += len(page)
            if written:
                yield ExportPart(written, done)
        yield ExportPart(_TAIL, done)


def describe_account(account: Account, secret: Credentials | None) -> bytes:
    """Return an account as a line of a file, with what is secret of it if that is given."""
    return _ENCODER.encode(
        ExportedAccount(
            id=account.id,
            kind=account.pool.kind,
            tier=account.pool.tier,
            status=account.status,
            reason=account.reason,
            until=_moment(account.until_s) if account.until_s else None,
            tags=account.tags,
            created_at=_moment(account.created_at_s),
            mask=account.mask,
            max_concurrency=account.max_concurrency,
            quota={
                mode: _describe_window(window)
                for mode, window in account.windows.items()
                if window.is_known and (window.reset_at_s or window.source is not Source.DEFAULT)
            },
            session=UNSET if secret is None else secret.session,
            cookies=UNSET if secret is None else secret.cookies,
        )
    )


async def export_accounts(
    store: AccountStore,
    write: Callable[[bytes], object],
    *,
    with_secrets: bool,
    on_progress: Callable[[int, int], None] | None = None,
) -> int:
    """Write all accounts that are not deleted through `write`, page by page; return how many.

    Raises:
        SettingsError: no configured secret key opens the credentials of an account.
        StoreUnavailableError: what was written is not whole.
    """
    total = sum(count.total for count in await store.pool_counts())
    done = 0
    async with aclosing(iterate_export(store, with_secrets=with_secrets)) as parts:
        async for part in parts:
            write(part.data)
            if on_progress is not None and part.done > done:
                on_progress(part.done, max(part.done, total))
            done = part.done
    return done


async def _list_pages(
    store: AccountStore, *, with_secrets: bool
) -> AsyncGenerator[list[bytes], None]:
    cursor = ""
    while True:
        page = await store.list(cursor=cursor, limit=PAGE)
        live = [account for account in page.accounts if account.status is not Status.DELETED]
        ids = [account.id for account in live]
        revealed = await store.reveal(ids) if with_secrets else {}
        yield [
            describe_account(account, revealed.get(account.id))
            for account in live
            if not with_secrets or account.id in revealed  # else removed meanwhile
        ]
        cursor = page.next_cursor
        if not cursor:
            return


def _describe_window(window: Window) -> ExportedWindow:
    # What is held now will have come to an end where this is read.
    return ExportedWindow(
        remaining=window.remaining,
        total=window.total,
        length_s=window.length_s,
        source=window.source,
        reset_at=_moment(window.reset_at_s) if window.reset_at_s else None,
    )


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
