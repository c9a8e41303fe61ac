"""Puts a new session in the place of an account, in one step."""

from grok2api.domain.ids import AccountId
from grok2api.store import keys
from grok2api.store.account_replies import Known, Replaced, Unknown
from grok2api.store.account_requests import to_ms
from grok2api.store.account_vault import Successor, seal_credentials
from grok2api.store.cipher import SecretCipher
from grok2api.store.connection import RedisClient
from grok2api.store.script import Script


class AccountReplacement:
    """Its one method is one script. `now_ms` is for tests, as in `AccountStore`."""

    def __init__(self, redis: RedisClient, cipher: SecretCipher, *, now_ms: int = 0) -> None:
        self._cipher = cipher
        self.now_ms = now_ms
        self._replace: Script[Replaced | Known | Unknown] = Script(
            redis, "account/replace", Replaced | Known | Unknown
        )

    async def replace(
        self, account_id: AccountId, successor: Successor, *, keep_s: float, reason: str
    ) -> Replaced | Known | Unknown:
        """Give a successor all that an account has but its session; that account is then deleted.

        It can be restored for `keep_s` seconds. Where the ids are the same, only cookies change.

        Raises:
            StoreUnavailableError: Redis did not answer; all of it has happened, or nothing.
        """
        sealed = seal_credentials(self._cipher, successor)
        return await self._replace(
            keys=keys.account_state(),
            args={
                "account_id": account_id,
                "new_id": successor.id,
                "mask": successor.mask,
                "secret": sealed,
                "keep_ms": to_ms(keep_s),
                "reason": reason,
                "now_ms": self.now_ms,
            },
        )
