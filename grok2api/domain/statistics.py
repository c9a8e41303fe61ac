"""Statistics: sums over finished requests, by hour and by day, along some dimensions."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

import msgspec
from msgspec import Struct

from grok2api.domain.usage import FinishedRequest, UsageCount

OTHER: Final = "(other)"
"""The member that stands for all beyond the `MAX_MEMBERS` first ones of an hour or day."""

MAX_MEMBERS: Final = 5000


class Dimension(StrEnum):
    """What requests are told apart by. The sums over the members of each are the same."""

    MODEL = "model"
    KEY = "key"
    ACCOUNT = "account"
    STATUS = "status"


class Usage(Struct, frozen=True):
    """What was used from a moment on, for an hour or a day. Days are those of UTC."""

    at_s: float
    count: UsageCount


def member_of(finished: FinishedRequest, dimension: Dimension) -> str:
    """Return what a request counts under; "" where it had no model, key or account."""
    match dimension:
        case Dimension.MODEL:
            return finished.model
        case Dimension.KEY:
            return finished.key_id
        case Dimension.ACCOUNT:
            return finished.account
        case Dimension.STATUS:
            return str(finished.status)


def count_request(finished: FinishedRequest) -> UsageCount:
    """Return what one request adds to the sums."""
    first_ms = finished.first_output_ms
    return UsageCount(
        requests=1,
        errors=0 if finished.is_success else 1,
        input_tokens=finished.input_tokens,
        output_tokens=finished.output_tokens,
        units=finished.units,
        duration_ms=finished.duration_ms,
        first_output_ms=first_ms or 0,
        first_outputs=0 if first_ms is None else 1,
    )


def sum_usage(counts: Iterable[UsageCount]) -> UsageCount:
    """Return the sum of `counts`."""
    cells = [msgspec.structs.astuple(count) for count in counts]
    return UsageCount(
        **dict(
            zip(
                UsageCount.__struct_fields__,
                map(sum, zip(*cells, strict=True)),
                strict=True,
            )
        )
        if cells
        else {}
    )
