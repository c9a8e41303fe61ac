"""What is secret of accounts: sealed on its way in, opened for those who may see it."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from msgspec import Struct

from grok2api.domain.account import Credentials, Mode, Pool, Status
from grok2api.domain.ids import AccountId
from grok2api.domain.quota import Window
from grok2api.store import keys, reads
from grok2api.store.account_pages import read_accounts
from grok2api.store.account_requests import AccountDraft, plan_windows, to_ms
from grok2api.store.cipher import SecretCipher
from grok2api.store.connection import RedisClient

MAX_REVEALED: Final = 1000

_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Credentials)


class NewAccount(Struct, frozen=True):
    """An account to be added. `mask` and `tags` are shown, `credentials` never are.

    `cooldown_s` is when the status ends by itself, 0: never; `reason` counts for all but active.
    `windows` are what is known of its quota; the rest is what its tier usually has.
    """

    id: AccountId
    pool: Pool
    credentials: Credentials
    mask: str
    tags: tuple[str, ...] = ()
    created_at_s: float = 0.0
    status: Status = Status.ACTIVE
    cooldown_s: float = 0.0
    reason: str = ""
    max_concurrency: int | None = None
    windows: Mapping[Mode, Window] = {}


class Successor(Struct, frozen=True):
    """The account that takes an account's place. `mask` is shown, `credentials` never are."""

    id: AccountId
    credentials: Credentials
    mask: str


def build_draft(account: NewAccount, now_ms: int) -> AccountDraft:
    """Return what the script makes an account of."""
    return AccountDraft(
        pool=keys.pool_name(account.pool),
        mask=account.mask,
        made_ms=to_ms(account.created_at_s),
        tags=account.tags,
        status=account.status.value,
        cooldown_ms=to_ms(account.cooldown_s),
        reason=account.reason,
        limit=account.max_concurrency or 0,
        windows=plan_windows(account.pool.tier, account.windows, now_ms),
    )


def seal_credentials(cipher: SecretCipher, account: NewAccount | Successor) -> bytes:
    """Return what is stored of an account's credentials; it opens for that account only."""
    return cipher.seal(_ENCODER.encode(account.credentials), account.id.encode())


def open_credentials(cipher: SecretCipher, account_id: AccountId, sealed: bytes) -> Credentials:
    """Return what `seal_credentials` sealed.

    Raises:
        SettingsError: no configured secret key opens it.
    """
    return _DECODER.decode(cipher.open(sealed, account_id.encode()))


async def read_credentials(
    redis: RedisClient, cipher: SecretCipher, ids: Sequence[AccountId]
) -> dict[AccountId, Credentials]:
    """Return the credentials of those of `ids` that there are."""
    if len(ids) > MAX_REVEALED:
        raise ValueError("too many accounts at once")
    sealed = await reads.hash_get_many(redis, keys.account_secrets(), ids) if ids else []
    return {
        account_id: open_credentials(cipher, account_id, value)
        for account_id, value in zip(ids, sealed, strict=True)
        if value is not None
    }


async def read_known(redis: RedisClient, ids: Sequence[AccountId]) -> set[AccountId]:
    """Return those of `ids` that there are, deleted ones left out."""
    found = await read_accounts(redis, ids, 0)
    return {i for i, account in found.items() if account.status is not Status.DELETED}
