"""client_key/look: what a key uses now; nothing is taken."""

from grok2api.domain.admission import KeySpending, PeriodSpending, Used
from grok2api.domain.client_key import KeyLimits
from grok2api.store import keys
from tests.lua.client_key.conftest import KEY, CallMaker
from tests.lua.conftest import KeyView

LIMITS = KeyLimits(requests_per_minute=9)
DAY_S = 86_400


async def test_use_is_told_with_the_time_until_it_counts_no_more(calls: CallMaker) -> None:
    """It is Friday, 15 January 2027, 8:00 UTC."""
    await calls.take(LIMITS, tokens=7, units=2)
    calls.wait(20)
    await calls.take(LIMITS)

    seen = await calls.store.look(KEY)

    used, midnight_s = Used(2, 7, 2), 16 * 3600 - 20
    assert seen == KeySpending(
        minute=Used(2, 7),
        requests_end_in_s=61.0,
        tokens_end_in_s=41.0,
        day=PeriodSpending(used, midnight_s),
        week=PeriodSpending(used, 2 * DAY_S + midnight_s),
        month=PeriodSpending(used, 16 * DAY_S + midnight_s),
    )


async def test_looking_takes_nothing_and_writes_nothing(calls: CallMaker, view: KeyView) -> None:
    seen = await calls.store.look(KEY)

    assert (seen.minute, seen.day.used, seen.requests_end_in_s) == (Used(), Used(), 0.0)
    assert await view.unpacked(keys.client_key_usage()) == {}


async def test_what_is_over_is_told_no_more(calls: CallMaker) -> None:
    await calls.take(LIMITS, tokens=7)
    calls.wait(40 * DAY_S)

    seen = await calls.store.look(KEY)

    assert [seen.minute, seen.day.used, seen.week.used, seen.month.used] == [Used()] * 4
