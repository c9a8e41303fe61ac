"""Every key name, one function each.

All keys share one hash tag, so that every script works on a Cluster. What is kept per pool is kept
apart already: past one shard, the pool keys get a hash tag per pool.
"""

from typing import Final

from grok2api.domain.account import Pool
from grok2api.domain.ids import BatchId

LAYOUT: Final = 1
"""Raised when data is laid out in another way; old data is then moved by a job."""

_PREFIX: Final = f"{{g2a}}:{LAYOUT}:"


def pool_name(pool: Pool) -> str:
    """Return the name that a pool has in keys and values."""
    return f"{pool.kind.value}:{pool.tier.value}"


def ready(pool: Pool) -> str:
    """ZSET of active accounts: open leases and last use, packed; the first is the best."""
    return f"{_PREFIX}pool:{pool_name(pool)}:ready"


def timers(pool: Pool) -> str:
    """ZSET of what ends by itself: "lease <id>" and "cool <account>" -> ms since epoch."""
    return f"{_PREFIX}pool:{pool_name(pool)}:timers"


def counts(pool: Pool) -> str:
    """HASH of numbers: accounts by status, "total", and the "sequence" of uses."""
    return f"{_PREFIX}pool:{pool_name(pool)}:counts"


def pool_group(pool: Pool) -> tuple[str, str, str]:
    """Return the keys of one pool in the order in which scripts take them."""
    return ready(pool), timers(pool), counts(pool)


def account_leases() -> str:
    """HASH lease id -> account id."""
    return f"{_PREFIX}account:leases"


def account_held() -> str:
    """HASH account id -> its open lease ids, space between; absent when none is open."""
    return f"{_PREFIX}account:held"


def account_statuses() -> str:
    """HASH account id -> "status since_ms until_ms reason"; absent when active."""
    return f"{_PREFIX}account:statuses"


def account_secrets() -> str:
    """HASH account id -> sealed credentials."""
    return f"{_PREFIX}account:secrets"


def account_user_ids() -> str:
    """HASH account id -> the upstream's user id."""
    return f"{_PREFIX}account:user_ids"


def account_records() -> str:
    """HASH account id -> what pages show of it, JSON."""
    return f"{_PREFIX}account:records"


def account_pools() -> str:
    """HASH account id -> pool name."""
    return f"{_PREFIX}account:pools"


def account_index() -> str:
    """ZSET of all accounts with equal scores, so that lists page by id."""
    return f"{_PREFIX}account:index"


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


def leader() -> str:
    """HASH of who leads maintenance: "owner", "epoch", "ends_at_ms"; the epoch is never removed."""
    return f"{_PREFIX}leader"
