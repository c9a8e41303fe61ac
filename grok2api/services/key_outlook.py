"""Why a client key would be refused now, before any account is looked at."""

from collections.abc import Iterator

from msgspec import Struct

from grok2api.domain.admission import KeyUse, LimitName, Used
from grok2api.domain.client_key import Budget, ClientKey
from grok2api.errors import AuthenticationError, PermissionDeniedError
from grok2api.services.key_rules import require_good, require_model


class Decisive(Struct, frozen=True):
    """The one reason that decides of a request: a word for programs, a sentence for people."""

    word: str
    text: str


def find_refusal(
    key: ClientKey, use: KeyUse, names: tuple[str, str], units: int, now_s: float
) -> Decisive | None:
    """Return why a call of `key` would be refused, None if it would be let in.

    `names` are the model's own name and the one that is asked for; `units` is its cost. Of tokens
    it is only asked whether any are left: nobody knows how many the call would need.
    """
    try:
        require_good(key, now_s)
        require_model(key, *names)
    except (AuthenticationError, PermissionDeniedError) as error:
        return Decisive(error.code or error.kind.value, error.message)
    return next(_find_limits(key, use, units), None)


def _find_limits(key: ClientKey, use: KeyUse, units: int) -> Iterator[Decisive]:
    """Yield the limits that are reached, those that hold for longest first."""
    limits = key.limits
    for period, budget, used in (
        ("month", limits.month, use.month),
        ("week", limits.week, use.week),
        ("day", limits.day, use.day),
    ):
        for what, left in _left(budget, used, units):
            text = f"The budget of this API key is used up: {left} {what} a {period}."
            yield Decisive(LimitName.BUDGET.value, text)
    minute = use.minute
    for name, what, gone, most in (
        (LimitName.TOKENS_PER_MINUTE, "tokens per minute", minute.tokens, limits.tokens_per_minute),
        (
            LimitName.REQUESTS_PER_MINUTE,
            "requests per minute",
            minute.requests,
            limits.requests_per_minute,
        ),
        (LimitName.CONCURRENCY, "requests at the same time", use.open_calls, limits.concurrency),
    ):
        if most and gone >= most:
            yield Decisive(name.value, f"This API key has {gone} of {most} {what}.")


def _left(budget: Budget, used: Used, units: int) -> Iterator[tuple[str, str]]:
    """Yield what a budget has not enough of for one more call, and how much of it is used."""
    need = {"requests": 1, "tokens": 1, "units": units}
    for what, needed in need.items():
        most, gone = getattr(budget, what), getattr(used, what)
        if most and gone + needed > most:
            yield what, f"{gone} of {most}"
