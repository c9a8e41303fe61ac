"""The one reason that decides of an account, with its number and its time."""

from typing import Any

import msgspec
import pytest

from grok2api.domain.account import Mode, Pool, ProviderKind, Status, Tier
from grok2api.domain.eligibility import Reason, Word, decide
from grok2api.domain.ids import AccountId
from grok2api.domain.pool_member import Account
from grok2api.domain.quota import Credits, Source, Window
from grok2api.domain.selection import Wish

NOW_S = 1_800_000_000.0
SUPER, BASIC = (Pool(ProviderKind.GROK_WEB, tier) for tier in (Tier.SUPER, Tier.BASIC))
WISH = Wish(pools=(SUPER,), modes=(Mode.FAST,), units=4)
A = AccountId("a")


def window(remaining: int, total: int | None = 30, **facts: Any) -> Window:
    return Window(remaining, total, 7200, Source.REAL, **facts)


def make(**facts: Any) -> Account:
    plain: dict[str, Any] = {
        "id": A,
        "pool": SUPER,
        "status": Status.ACTIVE,
        "mask": "…",
        "created_at_s": 1.0,
        "windows": {Mode.FAST: window(27)},
    }
    return Account(**(plain | facts))


def judge(account: Account, **changes: Any) -> Reason:
    wish = msgspec.structs.replace(WISH, **changes)
    return decide(account, wish, max_concurrency=8, now_s=NOW_S)


def ended(status: Status, reason: str = "", until_s: float = 0.0, **facts: Any) -> Account:
    return make(status=status, reason=reason, since_s=NOW_S - 60, until_s=until_s, **facts)


UNKNOWN = Window(0, None, 7200, Source.UNKNOWN)
NO_CREDITS = Credits(0, 3600.0)
EMPTY = {Mode.FAST: window(0, reset_at_s=NOW_S + 300)}
RESTS = {Mode.FAST: window(27, rests_until_s=NOW_S + 30)}
LATER = NOW_S + 900

# word, account, changes of the wish, what the sentence says, number, limit, until
Row = tuple[Word, Account, dict[str, Any], str, int | None, int | None, float]
ROWS: list[Row] = [
    (Word.OTHER_TIER, make(pool=BASIC), {}, "basic; this needs super", None, None, 0),
    (Word.DELETED, ended(Status.DELETED, "operator", LATER), {}, "deleted", None, None, LATER),
    (Word.DISABLED, ended(Status.DISABLED, "operator"), {}, "disabled: operator", None, None, 0),
    (Word.EXPIRED, ended(Status.EXPIRED), {}, "no longer taken.", None, None, 0),
    (Word.COOLING, ended(Status.COOLING, "rate", LATER), {}, "down: rate", None, None, LATER),
    (Word.EXHAUSTED, ended(Status.EXHAUSTED, "x", LATER), {}, "used up: x", None, None, LATER),
    (
        Word.EXHAUSTED,
        ended(Status.EXHAUSTED, "quota", LATER, windows=EMPTY),
        {},
        "0 of 30 in fast",
        0,
        30,
        NOW_S + 300,
    ),
    (
        Word.NO_CREDITS,
        ended(Status.EXHAUSTED, "quota", LATER, credits=NO_CREDITS),
        {},
        "weekly credits",
        0,
        10_000,
        NOW_S + 3600,
    ),
    (Word.NO_CREDITS, make(credits=NO_CREDITS), {}, "weekly", 0, 10_000, NOW_S + 3600),
    (Word.NO_MODE, make(windows={}), {}, "no fast mode", None, None, 0),
    (Word.RESTING, make(windows=RESTS), {}, "fast; the mode rests", None, None, NOW_S + 30),
    (
        Word.NO_UNITS,
        make(windows={Mode.FAST: window(3, reset_at_s=NOW_S + 9)}),
        {},
        "3 of 30 left in fast; this needs 4",
        3,
        30,
        NOW_S + 9,
    ),
    (Word.ON_TRIAL, make(is_on_trial=True, open_leases=1), {}, "on trial", 1, 1, 0),
    (Word.BUSY, make(open_leases=8), {}, "8 of 8 requests are open", 8, 8, 0),
    (Word.BUSY, make(open_leases=2, max_concurrency=2), {}, "2 of 2", 2, 2, 0),
    (Word.NO_TAG, make(tags=("red",)), {"tags": ("blue", "green")}, "blue, green", None, None, 0),
    (Word.EXCLUDED, make(), {"exclude": (A,)}, "tried it already", None, None, 0),
    (Word.READY, make(open_leases=7), {}, "27 of 30 left in fast, 7 open", 27, 30, 0),
    (Word.READY, make(windows={Mode.FAST: UNKNOWN}), {}, "nobody knows", None, None, 0),
    (Word.READY, make(windows={Mode.FAST: window(5, None)}), {}, "this: 5 left in", 5, None, 0),
    (
        Word.NO_UNITS,
        make(windows={Mode.FAST: window(2, None, reset_at_s=LATER)}),
        {},
        "2 left in fast; this needs 4.",
        2,
        None,
        LATER,
    ),
    (
        Word.EXHAUSTED,
        ended(Status.EXHAUSTED, "quota", LATER, windows=EMPTY | {Mode.IMAGE_PRO: UNKNOWN}),
        {"modes": (Mode.IMAGE_PRO,)},
        "All its queries are used up.",
        None,
        None,
        LATER,
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=[f"{n}-{row[0]}" for n, row in enumerate(ROWS)])
def test_reason_has_its_sentence_number_and_time(row: Row) -> None:
    word, account, changes, says, number, limit, until_s = row

    reason = judge(account, **changes)

    assert reason.word is word
    assert says in reason.text
    assert reason.text.endswith(".")
    assert (reason.number, reason.limit, reason.until_s) == (number, limit, until_s)


def test_every_word_has_a_row() -> None:
    assert {row[0] for row in ROWS} == set(Word)


def test_only_the_first_of_many_reasons_is_told() -> None:
    """Each thing that is mended uncovers the next, in the order in which the scripts ask."""
    facts: dict[str, Any] = {
        "pool": BASIC,
        "status": Status.COOLING,
        "windows": {Mode.FAST: window(3, rests_until_s=LATER)},
        "credits": NO_CREDITS,
        "is_on_trial": True,
        "open_leases": 8,
        "tags": ("red",),
    }
    mends: list[dict[str, Any]] = [
        {"pool": SUPER},
        {"status": Status.ACTIVE},
        {"windows": {Mode.FAST: window(3)}},
        {"credits": None},
        {"windows": {Mode.FAST: window(30)}},
        {"is_on_trial": False},
        {"open_leases": 0},
        {"tags": ("blue",)},
    ]
    words = [judge(make(**facts), tags=("blue",), exclude=(A,)).word]
    for mend in mends:
        facts |= mend
        words.append(judge(make(**facts), tags=("blue",), exclude=(A,)).word)

    assert words == [
        Word.OTHER_TIER,
        Word.COOLING,
        Word.RESTING,
        Word.NO_CREDITS,
        Word.NO_UNITS,
        Word.ON_TRIAL,
        Word.BUSY,
        Word.NO_TAG,
        Word.EXCLUDED,
    ]


def test_first_mode_that_can_serve_decides() -> None:
    windows = {Mode.AUTO: window(0), Mode.FAST: window(9), Mode.EXPERT: window(30)}

    reason = judge(make(windows=windows), modes=(Mode.AUTO, Mode.FAST, Mode.EXPERT))

    assert (reason.word, reason.mode, reason.number) == (Word.READY, Mode.FAST, 9)


def test_of_modes_that_cannot_serve_the_soonest_decides() -> None:
    windows = {
        Mode.AUTO: window(0, reset_at_s=NOW_S + 900),
        Mode.EXPERT: window(30, rests_until_s=NOW_S + 60),
    }

    reason = judge(make(windows=windows), modes=(Mode.FAST, Mode.AUTO, Mode.EXPERT))

    assert (reason.word, reason.mode) == (Word.RESTING, Mode.EXPERT)


def test_trial_that_is_idle_may_serve() -> None:
    assert judge(make(is_on_trial=True)).word is Word.READY
