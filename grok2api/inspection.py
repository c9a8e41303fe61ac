"""`accounts explain`, `sessions list` and `sessions clear`."""

from argparse import Namespace
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from grok2api.administration import administer
from grok2api.bootstrap import AdminTools
from grok2api.console import end_progress, say, say_json, say_table, show_progress
from grok2api.domain.eligibility import Reason, Word
from grok2api.errors import SettingsError
from grok2api.services.explain import BOUND
from grok2api.services.explanation import Explanation, Query, ReasonGroup
from grok2api.store.sessions import Session

_UNITS: Final = ((86_400, "days"), (3_600, "h"), (60, "min"), (1, "s"))


def accounts_explain(arguments: Namespace) -> int:
    """Say who would serve a request now, and why each other account would not."""
    query = Query(
        model=arguments.model,
        key=arguments.key or "",
        session=arguments.session or "",
        tags=tuple(dict.fromkeys(arguments.tag)),
    )

    async def work(admin: AdminTools) -> Explanation:
        explanation = await admin.explainer.explain(query, on_progress=show_progress)
        end_progress()
        return explanation

    explanation = administer(arguments, work)
    if arguments.json:
        say_json(explanation)
    else:
        for line in _describe(explanation):
            say(line)
        for group in explanation.reasons:
            _say_group(group, explanation.now_s)
    return 0 if _is_served(explanation) else 1


def sessions_list(arguments: Namespace) -> int:
    """List sessions: which conversation, by its digest, stays with which account."""

    async def collect(admin: AdminTools) -> list[Session]:
        return [session async for session in admin.sessions.list()]

    sessions = administer(arguments, collect)
    if arguments.json:
        say_json(sessions)
        return 0
    rows = [(s.session, s.account_id, _clock_time(s.ends_at_s)) for s in sessions]
    say_table(("session", "account", "until"), rows)
    return 0


def sessions_clear(arguments: Namespace) -> int:
    """Forget sessions; their conversations go on with any account."""
    given = list(dict.fromkeys(arguments.sessions))
    if arguments.all == bool(given):
        raise SettingsError("name the sessions to forget, or give --all")

    async def work(admin: AdminTools) -> int:
        return await (admin.sessions.clear_all() if arguments.all else admin.sessions.clear(given))

    cleared = administer(arguments, work)
    missing = 0 if arguments.all else len(given) - cleared
    say(f"{cleared} cleared" + (f", {missing} not found" if missing else ""))
    return 1 if missing else 0


def _is_served(explanation: Explanation) -> bool:
    """Whether an account could serve it, and its key would be let in."""
    return explanation.decisive.word in (Word.READY, BOUND)


def _describe(explanation: Explanation) -> Iterator[str]:
    """Yield what is said before the reasons."""
    name = explanation.requested
    alias = f" ({explanation.model})" if explanation.model != name else ""
    units = "1 query" if explanation.units == 1 else f"{explanation.units} queries"
    yield f"A request for {name}{alias} takes {units}. Strategy: {explanation.strategy}."
    chosen = explanation.chosen
    if chosen is None:
        yield f"Nobody can serve it now: {explanation.decisive.text}"
    elif not _is_served(explanation):
        yield f"The key is refused: {explanation.decisive.text}"
    else:
        account, reason = chosen.account, chosen.account.reason
        yield f"Now it would be served by {account.id} ({account.mask}, {account.tier})."
        yield f"  {reason.text}{_idle(reason, explanation.now_s)}"
        yield f"  {chosen.how}"
    yield ""
    yield "Looked at in this order:"
    for lane in explanation.lanes:
        tag = f" tagged {lane.tag}" if lane.tag else ""
        yield (
            f"  {lane.mode} of {lane.pool.tier} accounts{tag}: "
            f"{lane.ready} ready, {lane.waiting} waiting"
        )
    line = explanation.line
    yield f"Waiting: {line.waiting} of at most {line.max_waiting}, up to {line.max_wait_s:g} s."
    for key, count in line.by_key.items():
        who = "without a key" if key == "-" else f"of {key}"
        yield f"  {who}: {count} of at most {line.max_waiting_per_key}"


def _say_group(group: ReasonGroup, now_s: float) -> None:
    count = "1 account" if group.count == 1 else f"{group.count} accounts"
    soonest = f", the first until {_moment(group.soonest_s, now_s)}" if group.soonest_s else ""
    title = "also ready" if group.word is Word.READY else group.word.replace("_", " ")
    say(f"\n{title}: {count}{soonest}")
    rows = [
        (
            f"  {account.id}",
            account.mask,
            account.tier,
            account.reason.text + _idle(account.reason, now_s),
            _moment(account.reason.until_s, now_s) if account.reason.until_s else "",
            ",".join(account.tags),
        )
        for account in group.accounts
    ]
    columns = list(zip(("  id", "session", "tier", "why", "until", "tags"), *rows, strict=True))
    filled = [column for column in columns if any(column[1:])]
    heads, *lines = zip(*filled, strict=True)
    say_table(heads, lines)
    if group.count > len(rows):
        say(f"  … and {group.count - len(rows)} more")


def _idle(reason: Reason, now_s: float) -> str:
    if reason.word is not Word.READY:
        return f" Since {_clock_time(reason.since_s, now_s)}." if reason.since_s else ""
    if not reason.used_at_s:
        return " Never used."
    return f" Last used {_span(now_s - reason.used_at_s)} ago."


def _moment(at_s: float, now_s: float) -> str:
    """Return "14:32 (in 12 min)"."""
    return f"{_clock_time(at_s, now_s)} (in {_span(at_s - now_s)})"


def _clock_time(at_s: float, now_s: float = 0.0) -> str:
    """Return local time, with its date unless that is today."""
    at, now = (datetime.fromtimestamp(s, tz=UTC).astimezone() for s in (at_s, now_s))
    return at.strftime("%H:%M" if at.date() == now.date() else "%Y-%m-%d %H:%M")


def _span(seconds: float) -> str:
    """Return a length of time in its largest unit that counts at least two, "12 min"."""
    whole = max(0, round(seconds))
    size, unit = next(((s, u) for s, u in _UNITS if whole >= 2 * s), (1, "s"))
    return f"{round(whole / size)} {unit}"
