"""An account as pages, lists and explanations show it."""

from collections.abc import Mapping

from msgspec import Struct

from grok2api.domain.account import Mode, Pool, Status
from grok2api.domain.ids import AccountId
from grok2api.domain.quota import Credits, Window


class Account(Struct, frozen=True, kw_only=True):
    """An account without its secrets. Times: seconds since epoch, 0 where there is none.

    `mask` is a short hint of the session for its owner (`eyJh…x9Qk`). `until_s` is when its status
    ends by itself. `max_concurrency` is None where the general limit holds. `strikes` are failures
    of the same kind in a row. An account on trial serves one request at a time until one goes well.
    """

    id: AccountId
    pool: Pool
    status: Status
    mask: str
    created_at_s: float
    tags: tuple[str, ...] = ()
    user_id: str = ""
    reason: str = ""
    since_s: float = 0.0
    until_s: float = 0.0
    open_leases: int = 0
    max_concurrency: int | None = None
    is_on_trial: bool = False
    uses: int = 0
    failures: int = 0
    strikes: int = 0
    last_fault: str = ""
    used_at_s: float = 0.0
    failed_at_s: float = 0.0
    synced_at_s: float = 0.0
    windows: Mapping[Mode, Window] = {}
    credits: Credits | None = None
