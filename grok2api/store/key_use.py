"""What a client key uses of its limits, as scripts keep it and tell it."""

from msgspec import Struct, msgpack

from grok2api.domain.admission import KeySpending, KeyUse, PeriodSpending, Used

_CELL_COUNTS_S = 61


class _Period(Struct, frozen=True, array_like=True):
    ends_in_ms: int
    requests: int
    tokens: int
    units: int

    @property
    def spending(self) -> PeriodSpending:
        return PeriodSpending(Used(self.requests, self.tokens, self.units), self.ends_in_ms / 1000)


class _Told(Struct, frozen=True, array_like=True):
    """What `include/tell_use.lua` returns."""

    requests: int
    requests_end_in_ms: int
    tokens: int
    tokens_end_in_ms: int
    day: _Period
    week: _Period
    month: _Period

    @property
    def spending(self) -> KeySpending:
        return KeySpending(
            minute=Used(self.requests, self.tokens),
            requests_end_in_s=self.requests_end_in_ms / 1000,
            tokens_end_in_s=self.tokens_end_in_ms / 1000,
            day=self.day.spending,
            week=self.week.spending,
            month=self.month.spending,
        )


class _Usage(Struct, frozen=True):
    """What is kept of a key's use; see `include/open_calls.lua`."""

    cells: tuple[int, ...]
    open: int
    day: tuple[int, int, int, int]
    week: tuple[int, int, int, int]
    month: tuple[int, int, int, int]


_TOLD = msgpack.Decoder(_Told)
_ALL_TOLD = msgpack.Decoder(tuple[_Told | bool, ...])
_USAGE = msgpack.Decoder(_Usage)


def read_spending(told: bytes) -> KeySpending:
    """Return what a script tells of one key."""
    return _TOLD.decode(told).spending


def read_spendings(told: bytes) -> list[KeySpending | None]:
    """Return what a script tells of several keys; None where it knows nothing."""
    return [None if isinstance(one, bool) else one.spending for one in _ALL_TOLD.decode(told)]


def read_use(packed: bytes, now_ms: int) -> KeyUse:
    """Return what of the use that is kept counts at a moment."""
    usage = _USAGE.decode(packed)
    cells = list(zip(usage.cells[::3], usage.cells[1::3], usage.cells[2::3], strict=True))
    counting = [cell for cell in cells if (cell[0] + _CELL_COUNTS_S) * 1000 > now_ms]

    def within(sums: tuple[int, int, int, int]) -> Used:
        return Used(*sums[1:]) if now_ms < sums[0] else Used()

    return KeyUse(
        open_calls=usage.open,
        minute=Used(sum(cell[1] for cell in counting), sum(cell[2] for cell in counting)),
        day=within(usage.day),
        week=within(usage.week),
        month=within(usage.month),
    )
