"""Why an account serves a request now, or why it does not: the one reason that decides.

The order is that of the scripts that choose: `lua/include/fits.lua` and what leads to it.
"""

from enum import StrEnum
from typing import Any

from msgspec import Struct

from grok2api.domain.account import Mode, Status
from grok2api.domain.pool_member import Account
from grok2api.domain.quota import Credits, Window
from grok2api.domain.selection import Wish


class Word(StrEnum):
    """What decides; in the order in which it is asked."""

    OTHER_TIER = "other_tier"
    DELETED = "deleted"
    DISABLED = "disabled"
    EXPIRED = "expired"
    COOLING = "cooling"
    EXHAUSTED = "exhausted"
    NO_MODE = "no_mode"
    RESTING = "resting"
    NO_CREDITS = "no_credits"
    NO_UNITS = "no_units"
    ON_TRIAL = "on_trial"
    BUSY = "busy"
    NO_TAG = "no_tag"
    EXCLUDED = "excluded"
    READY = "ready"


class Reason(Struct, frozen=True, kw_only=True):
    """What decides of one account, with its numbers and times.

    `text` is a sentence without times: `since_s` and `until_s` (seconds since epoch, 0 where there
    is none) say when it began and when it ends by itself. `number` of `limit` are units left in
    `mode`, open requests where those decide, None where nobody knows. A ready account also says
    what ranks it: its open requests and its last use (0: never).
    """

    word: Word
    text: str
    mode: Mode | None = None
    number: int | None = None
    limit: int | None = None
    since_s: float = 0.0
    until_s: float = 0.0
    open_requests: int = 0
    used_at_s: float = 0.0


_STATUS_TEXTS = {
    Status.DELETED: (Word.DELETED, "It was deleted."),
    Status.DISABLED: (Word.DISABLED, "It is disabled"),
    Status.EXPIRED: (Word.EXPIRED, "Its session is no longer taken"),
    Status.COOLING: (Word.COOLING, "It cools down"),
    Status.EXHAUSTED: (Word.EXHAUSTED, "Its allowance is used up"),
}


def decide(account: Account, wish: Wish, *, max_concurrency: int, now_s: float) -> Reason:
    """Return what decides of `account` for `wish`; the word is `ready` if it can serve it now.

    Of several modes the best decides: the first that can serve, else the one that will soonest.
    """
    if account.pool not in wish.pools:
        wanted = " or ".join(dict.fromkeys(pool.tier for pool in wish.pools))
        text = f"Its tier is {account.pool.tier}; this needs {wanted}."
        return Reason(word=Word.OTHER_TIER, text=text)
    if account.status is not Status.ACTIVE:
        return _of_status(account, wish, now_s)
    findings = [_of_mode(account, mode, wish.units, now_s) for mode in wish.modes]
    best = next((found for found in findings if found.word is Word.READY), None)
    if best is None:
        return min(findings, key=_hope)
    return _of_slots(account, wish, max_concurrency) or best


def _of_status(account: Account, wish: Wish, now_s: float) -> Reason:
    word, text = _STATUS_TEXTS[account.status]
    facts: dict[str, Any] = {"since_s": account.since_s, "until_s": account.until_s}
    if account.status is Status.EXHAUSTED and account.reason == "quota":
        found = min((_of_mode(account, m, wish.units, now_s) for m in wish.modes), key=_hope)
        if found.word is Word.NO_CREDITS:
            return found
        if found.word is Word.NO_UNITS:
            facts |= {"mode": found.mode, "number": found.number, "limit": found.limit}
            facts["until_s"] = found.until_s
            amount = _amount(found.number, found.limit)
            text = f"All its queries are used up: {amount} in {found.mode}."
        else:
            text = "All its queries are used up."
    elif account.reason and account.status is not Status.DELETED:
        text = f"{text}: {account.reason}."
    else:
        text = text if text.endswith(".") else f"{text}."
    return Reason(word=word, text=text, **facts)


def _of_mode(account: Account, mode: Mode, units: int, now_s: float) -> Reason:
    window = account.windows.get(mode)
    if window is None:
        return Reason(word=Word.NO_MODE, text=f"It has no {mode} mode.", mode=mode)
    if window.rests_until_s > now_s:
        text = f"It was refused in {mode}; the mode rests."
        return Reason(word=Word.RESTING, text=text, mode=mode, until_s=window.rests_until_s)
    if account.credits is not None and account.credits.remaining <= 0:
        return _no_credits(account.credits, mode, now_s)
    if window.is_known and window.remaining < units:
        text = f"{_amount(window.remaining, window.total)} left in {mode}; this needs {units}."
        return Reason(
            word=Word.NO_UNITS,
            text=text,
            mode=mode,
            number=window.remaining,
            limit=window.total,
            until_s=window.reset_at_s,
        )
    return _ready(account, mode, window)


def _no_credits(credits_: Credits, mode: Mode, now_s: float) -> Reason:
    return Reason(
        word=Word.NO_CREDITS,
        text="Its weekly credits are used up.",
        mode=mode,
        number=0,
        limit=credits_.total,
        until_s=now_s + credits_.resets_in_s,
    )


def _ready(account: Account, mode: Mode, window: Window) -> Reason:
    if window.is_known:
        left = f"{_amount(window.remaining, window.total)} left in {mode}"
    else:
        left = f"nobody knows how many queries are left in {mode}"
    return Reason(
        word=Word.READY,
        text=f"It can serve this: {left}, {account.open_leases} open.",
        mode=mode,
        number=window.remaining if window.is_known else None,
        limit=window.total,
        until_s=0.0,
        open_requests=account.open_leases,
        used_at_s=account.used_at_s,
    )


def _of_slots(account: Account, wish: Wish, max_concurrency: int) -> Reason | None:
    """Return what keeps an account from serving although it has units; None if nothing does."""
    open_, limit = account.open_leases, account.max_concurrency or max_concurrency
    if account.is_on_trial and open_ >= 1:
        text = "It is on trial after a failure, and its one request is open."
        return Reason(word=Word.ON_TRIAL, text=text, number=open_, limit=1)
    if not account.is_on_trial and open_ >= limit:
        text = f"{open_} of {limit} requests are open."
        return Reason(word=Word.BUSY, text=text, number=open_, limit=limit)
    if wish.tags and not set(wish.tags) & set(account.tags):
        text = f"It has none of the tags {', '.join(wish.tags)}."
        return Reason(word=Word.NO_TAG, text=text)
    if account.id in wish.exclude:
        return Reason(word=Word.EXCLUDED, text="This request has tried it already.")
    return None


def _amount(number: int | None, limit: int | None) -> str:
    return f"{number}" if limit is None else f"{number} of {limit}"


def _hope(found: Reason) -> tuple[bool, float]:
    """Return how soon a mode will serve; one that the account has not never will."""
    return found.word is Word.NO_MODE, found.until_s or float("inf")
