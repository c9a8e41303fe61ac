"""The decision table of upstream failures through a running gateway: what each row does to the
client, to the accounts and to the upstream.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest

from grok2api.domain.account import Mode, Outcome, Status
from grok2api.domain.pool_member import Account
from grok2api.domain.quota import Source
from grok2api.providers.grok_web.options import ChatTransport
from tests.conftest import BASIC
from tests.e2e.running import open_running
from tests.providers.failure_rows import DAY_S, ROWS, FailureRow

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(60)]

UNITS = 30
"""Of an account's window in mode fast."""
COOLDOWN_S = 900.0
NEAR_S = 60.0
"""How far a time of the store's may lie from one of ours."""
CASES = [
    pytest.param(row, protocol, id=f"{row.place}-{row.name}-{protocol}")
    for row in ROWS
    for protocol in row.protocols
]


@pytest.mark.parametrize(("row", "protocol"), CASES)
async def test_row(
    row: FailureRow, protocol: ChatTransport, tmp_path: Path, redis_url: str
) -> None:
    silence_s = 1.0 if row.is_silent else 20.0
    async with open_running(tmp_path, redis_url, protocol, silence_s=silence_s) as running:
        await running.site.script(row.directive, times=0)

        answer = await running.ask(stream=row.has_content)

        accounts = await running.accounts()
        pages = (await running.site.ledger())["accounts"]
        (counts,) = [c for c in await running.store.pool_counts() if c.pool == BASIC]
    check_answer(row, answer)
    assert sum(page["calls"] for page in pages.values()) == row.calls
    assert [page["violations"] for page in pages.values()] == [[], [], []]
    for name, account in accounts.items():
        if pages[name]["calls"]:
            check_touched(row, account, spent=pages[name]["spent"].get("fast", 0))
        else:
            check_untouched(account)
    assert counts.open_leases == 0
    assert counts.granted == counts.settled + counts.refunded == len(touched(pages))


def touched(pages: dict[str, Any]) -> list[str]:
    return [name for name, page in pages.items() if page["calls"]]


def check_answer(row: FailureRow, answer: httpx2.Response) -> None:
    """What the client is told: an answer of its own, or the end of the one that had begun."""
    told = row.means.told
    if row.has_content:
        assert answer.status_code == 200
        *_, error_line, last = [line for line in answer.text.split("\n\n") if line]
        assert last == "data: [DONE]"
        error = msgspec.json.decode(error_line.removeprefix("data: "))["error"]
    else:
        assert answer.status_code == told.status, answer.text
        error = answer.json()["error"]
        assert answer.headers.get("retry-after") == told.retry_after
    assert (error["type"], error["code"]) == (told.type, told.code)


def check_untouched(account: Account) -> None:
    assert (account.status, account.strikes, account.failures) == (Status.ACTIVE, 0, 0)
    assert (account.windows[Mode.FAST].remaining, account.windows[Mode.FAST].held) == (UNITS, 0)


def check_touched(row: FailureRow, account: Account, *, spent: int) -> None:
    """What the failure did to an account that met it; `spent` is the upstream's own count."""
    means, window = row.means, account.windows[Mode.FAST]
    assert account.open_leases == 0
    assert window.held == 0
    assert window.remaining <= UNITS - spent, "never more than the upstream has left"
    is_fault = means.outcome is not Outcome.FAILED
    assert (account.strikes, account.failures) == (int(is_fault), int(is_fault))
    assert account.last_fault == means.reason
    STATES[means.outcome](row, account)
    if means.outcome not in {Outcome.RATE_LIMITED, Outcome.WINDOW_EMPTY}:
        assert window.rests_until_s == 0.0 or means.outcome is Outcome.FORBIDDEN
        if row.place.startswith("2."):
            assert window.remaining == UNITS, "a refusal costs nothing"


def is_near(at_s: float, from_now_s: float) -> bool:
    return abs(at_s - time.time() - from_now_s) < NEAR_S  # noqa: TID251 - the store's is the same


def is_unhurt(row: FailureRow, account: Account) -> None:
    assert account.status is Status.ACTIVE


def is_expired(row: FailureRow, account: Account) -> None:
    assert (account.status, account.reason) == (Status.EXPIRED, row.means.reason)
    assert account.until_s == 0.0


def rests_in_one_mode(row: FailureRow, account: Account) -> None:
    assert account.status is Status.ACTIVE
    assert is_near(account.windows[Mode.FAST].rests_until_s, row.means.cooldown_s)


def cools(row: FailureRow, account: Account) -> None:
    assert (account.status, account.reason) == (Status.COOLING, row.means.reason)
    assert is_near(account.until_s, row.means.cooldown_s or COOLDOWN_S)


def is_used_up(row: FailureRow, account: Account) -> None:
    assert (account.status, account.reason) == (Status.EXHAUSTED, "used_up")
    assert is_near(account.until_s, row.means.cooldown_s)


def has_no_window(row: FailureRow, account: Account) -> None:
    window = account.windows[Mode.FAST]
    assert (window.remaining, window.source) == (0, Source.ESTIMATED)
    assert is_near(window.reset_at_s, row.means.cooldown_s or DAY_S)


def is_rate_limited(row: FailureRow, account: Account) -> None:
    has_no_window(row, account)
    cools(row, account)


def is_out_of_quota(row: FailureRow, account: Account) -> None:
    has_no_window(row, account)
    assert (account.status, account.reason) == (Status.EXHAUSTED, "quota")


STATES: dict[Outcome, Callable[[FailureRow, Account], None]] = {
    Outcome.FAILED: is_unhurt,
    Outcome.UNAUTHORIZED: is_expired,
    Outcome.UNCONFIRMED: cools,
    Outcome.FORBIDDEN: rests_in_one_mode,
    Outcome.USED_UP: is_used_up,
    Outcome.RATE_LIMITED: is_rate_limited,
    Outcome.WINDOW_EMPTY: is_out_of_quota,
}
