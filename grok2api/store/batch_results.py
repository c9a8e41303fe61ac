"""What batches leave behind for the operator: a sealed text for each item, for a while."""

from msgspec import Struct

from grok2api.domain.ids import AccountId, BatchId
from grok2api.store import keys, reads
from grok2api.store.batch_replies import Kept, StaleEpoch, Unclaimed
from grok2api.store.cipher import SecretCipher
from grok2api.store.connection import RedisClient
from grok2api.store.script import Script

_PAGE = 500
FIRST = "0"
"""The cursor of the first page of results; behind the last page comes the same."""


class ResultPage(Struct, frozen=True):
    """Some results. `next_cursor` is "" on the last page."""

    results: dict[AccountId, bytes]
    next_cursor: str


class BatchResults:
    """Results of batches. Each is bound to its batch and item: in another place it does not open.

    At the end of a batch there is one for each item that went well, if its kind leaves any.
    """

    def __init__(self, redis: RedisClient, cipher: SecretCipher) -> None:
        self._redis = redis
        self._cipher = cipher
        self._keep: Script[Kept | Unclaimed | StaleEpoch] = Script(
            redis, "batch/keep_result", Kept | Unclaimed | StaleEpoch
        )

    async def keep(
        self, batch_id: BatchId, account_id: AccountId, result: bytes, *, epoch: int
    ) -> bool:
        """Keep what came of an item that is claimed, in the place of what was kept of it before.

        False if the caller does not work on it any more.

        Raises:
            StoreUnavailableError: Redis did not answer.
        """
        reply = await self._keep(
            keys={
                "claimed": keys.batch_claimed(batch_id),
                "results": keys.batch_results(batch_id),
                "leader": keys.leader(),
            },
            args={
                "item": account_id,
                "result": self._cipher.seal(result, _context(batch_id, account_id)),
                "epoch": epoch,
            },
        )
        return isinstance(reply, Kept)

    async def page(
        self, batch_id: BatchId, cursor: str = FIRST, *, limit: int = _PAGE
    ) -> ResultPage:
        """Return about `limit` results from `cursor` on; over all pages one may come twice.

        Raises:
            StoreUnavailableError: Redis did not answer.
            SettingsError: no configured secret key opens a result.
        """
        following, found = await reads.hash_page(
            self._redis, keys.batch_results(batch_id), cursor, limit
        )
        results = {
            AccountId(name): self._cipher.open(sealed, _context(batch_id, AccountId(name)))
            for name, sealed in found.items()
        }
        return ResultPage(results, "" if following == FIRST else following)


def _context(batch_id: BatchId, account_id: AccountId) -> bytes:
    return f"{batch_id} {account_id}".encode()
