"""Every key name, one function each.

All keys share one hash tag, so that every script works on a Cluster. Past one shard, a kind of
account gets a hash tag of its own: nothing of one kind refers to another.
"""

from typing import Final

from grok2api.domain.account import POOLS, Pool
from grok2api.domain.ids import BatchId, ClientKeyId, ResponseId
from grok2api.domain.media import MediaKind

LAYOUT: Final = 1
"""Raised when data is laid out in another way; old data is then moved by a job."""

PREFIX: Final = f"{{g2a}}:{LAYOUT}:"
_PREFIX: Final = PREFIX


def pool_name(pool: Pool) -> str:
    """Return the name that a pool has in keys and values."""
    return f"{pool.kind.value}:{pool.tier.value}"


def ready(pool: Pool) -> str:
    """ZSET of the accounts that can be used now, in the order of their sections."""
    return f"{_PREFIX}pool:{pool_name(pool)}:ready"


def accounts() -> str:
    """HASH account id -> account, msgpack."""
    return f"{_PREFIX}account:accounts"


def account_secrets() -> str:
    """HASH account id -> sealed credentials."""
    return f"{_PREFIX}account:secrets"


def account_index() -> str:
    """ZSET of all accounts by when they were made, so that lists page by it."""
    return f"{_PREFIX}account:index"


def account_meta() -> str:
    """HASH of what holds for all accounts: strategy in force, numbers of tags, demand."""
    return f"{_PREFIX}account:meta"


def leases() -> str:
    """HASH lease id -> lease, msgpack."""
    return f"{_PREFIX}account:leases"


def timers() -> str:
    """ZSET of what ends by itself -> ms since epoch."""
    return f"{_PREFIX}account:timers"


def account_counts() -> str:
    """HASH of numbers by pool: accounts by status, open leases, units granted and ended."""
    return f"{_PREFIX}account:counts"


def waiters() -> str:
    """HASH lease id -> request that waits, msgpack."""
    return f"{_PREFIX}account:waiters"


def waiting() -> str:
    """ZSET of all lines, packed."""
    return f"{_PREFIX}account:waiting"


def queues() -> str:
    """HASH client key -> how many wait, and the virtual time of the last."""
    return f"{_PREFIX}account:queues"


def refresh() -> str:
    """ZSET account id -> when its quota is to be asked for."""
    return f"{_PREFIX}account:refresh"


def wakeups() -> str:
    """STREAM of the requests that were handed an account while they waited; capped."""
    return f"{_PREFIX}account:wakeups"


def sessions() -> str:
    """HASH session -> account id."""
    return f"{_PREFIX}session:accounts"


def session_ends() -> str:
    """ZSET session -> when it is forgotten."""
    return f"{_PREFIX}session:ends"


def suspects(fingerprint: str) -> str:
    """SET of accounts that a prompt has hurt; it expires."""
    return f"{_PREFIX}suspects:{fingerprint}"


def account_state() -> dict[str, str | tuple[str, ...]]:
    """Return the keys that `include/open_pools.lua` declares, by name."""
    return {
        "accounts": accounts(),
        "secrets": account_secrets(),
        "index": account_index(),
        "meta": account_meta(),
        "leases": leases(),
        "timers": timers(),
        "counts": account_counts(),
        "waiters": waiters(),
        "waiting": waiting(),
        "queues": queues(),
        "refresh": refresh(),
        "wakeups": wakeups(),
        "ready": tuple(ready(pool) for pool in POOLS),
    }


def client_key_digests() -> str:
    """HASH SHA-256 of a key -> client key id."""
    return f"{_PREFIX}client_key:digests"


def client_key_records() -> str:
    """HASH client key id -> record, JSON."""
    return f"{_PREFIX}client_key:records"


def client_key_digest_of() -> str:
    """HASH client key id -> SHA-256 of its key."""
    return f"{_PREFIX}client_key:digest_of"


def client_key_index() -> str:
    """ZSET of all client keys with equal scores, so that lists page by id."""
    return f"{_PREFIX}client_key:index"


def client_key_usage() -> str:
    """HASH client key id -> what it has used of its limits, msgpack."""
    return f"{_PREFIX}client_key:usage"


def client_key_calls() -> str:
    """HASH call id -> what an open call has reserved, msgpack."""
    return f"{_PREFIX}client_key:calls"


def client_key_call_ends() -> str:
    """ZSET call id -> when it is given back unless it is renewed, ms since epoch."""
    return f"{_PREFIX}client_key:call_ends"


def call_state() -> dict[str, str]:
    """Return the keys that `include/open_calls.lua` declares, by name."""
    return {
        "usage": client_key_usage(),
        "calls": client_key_calls(),
        "call_ends": client_key_call_ends(),
    }


def setup_claims() -> str:
    """HASH of what the first start stored: "admin_password" and "client_key"."""
    return f"{_PREFIX}setup:claims"


def batch_index() -> str:
    """ZSET batch id -> its place in the list; the newest has the highest."""
    return f"{_PREFIX}batch:index"


def batch_open() -> str:
    """ZSET of batches that have not started -> when they are forgotten, ms since epoch."""
    return f"{_PREFIX}batch:open"


def batch_running() -> str:
    """ZSET of batches that run or are being cancelled -> when they started, ms since epoch."""
    return f"{_PREFIX}batch:running"


def batch_finished() -> str:
    """ZSET of batches that have ended -> when they are forgotten, ms since epoch."""
    return f"{_PREFIX}batch:finished"


def batch_facts(batch_id: BatchId) -> str:
    """HASH of what is known of one batch; it expires unless work is done for it."""
    return f"{_PREFIX}batch:{batch_id}:facts"


def batch_pending(batch_id: BatchId) -> str:
    """SET of the items of one batch that nobody works on."""
    return f"{_PREFIX}batch:{batch_id}:pending"


def batch_claimed(batch_id: BatchId) -> str:
    """ZSET item of one batch -> when the claim on it ends, ms since epoch."""
    return f"{_PREFIX}batch:{batch_id}:claimed"


def batch_failures(batch_id: BatchId) -> str:
    """LIST of "item reason" of the items of one batch that failed, the first ones only."""
    return f"{_PREFIX}batch:{batch_id}:failures"


def batch_results(batch_id: BatchId) -> str:
    """HASH item of one batch -> what came of it, sealed; of those that did not fail."""
    return f"{_PREFIX}batch:{batch_id}:results"


def leader() -> str:
    """HASH of who leads maintenance: "owner", "epoch", "ends_at_ms"; the epoch is never removed."""
    return f"{_PREFIX}leader"


def response_facts(owner: ClientKeyId) -> str:
    """HASH response id of one client key -> record, msgpack; "bytes" of all contents together."""
    return f"{_PREFIX}response:{owner}:facts"


def response_contents(owner: ClientKeyId) -> str:
    """HASH "response <id>" and "input <id>" of one client key -> sealed."""
    return f"{_PREFIX}response:{owner}:contents"


def response_ends(owner: ClientKeyId) -> str:
    """ZSET response id of one client key -> when it is forgotten, ms since epoch."""
    return f"{_PREFIX}response:{owner}:ends"


def response_events(owner: ClientKeyId, response_id: ResponseId) -> str:
    """STREAM of the events of a response that is made in the background; capped."""
    return f"{_PREFIX}response:{owner}:{response_id}:events"


def video_jobs() -> str:
    """HASH of all video jobs: "<id>" -> record, msgpack; "<id> question", "<id> work" -> sealed."""
    return f"{_PREFIX}video:jobs"


def video_index() -> str:
    """ZSET "<owner> <place> <id>" with equal scores, so that the jobs of an owner page by age."""
    return f"{_PREFIX}video:index"


def video_due() -> str:
    """ZSET unfinished video job -> when the claim on it ends, ms since epoch."""
    return f"{_PREFIX}video:due"


def video_ends() -> str:
    """ZSET ended video job -> when it is forgotten, ms since epoch."""
    return f"{_PREFIX}video:ends"


def video_open() -> str:
    """HASH owner -> how many video jobs have not ended."""
    return f"{_PREFIX}video:open"


def video_tokens() -> str:
    """HASH "<owner> <digest of an Idempotency-Key>" -> the video job that it made, msgpack."""
    return f"{_PREFIX}video:tokens"


def video_state() -> dict[str, str]:
    """Return the keys that `include/open_videos.lua` declares, by name."""
    return {
        "jobs": video_jobs(),
        "index": video_index(),
        "due": video_due(),
        "ends": video_ends(),
        "open": video_open(),
        "tokens": video_tokens(),
        **{name: call_state()[name] for name in ("usage", "calls")},
    }


def media_state(kind: MediaKind) -> dict[str, str]:
    """Return the keys of one kind of media, which `include/open_media.lua` declares, by name."""
    names = ("index", "used", "created", "seen", "counts", "coming", "ends")
    return {name: f"{_PREFIX}media:{kind.value}:{name}" for name in names}


def settings_revisions() -> str:
    """HASH "current" -> the newest revision of the settings, revision -> what changed, msgpack."""
    return f"{_PREFIX}settings:revisions"


def settings_documents() -> str:
    """HASH revision of the settings -> all of them, sealed."""
    return f"{_PREFIX}settings:documents"
