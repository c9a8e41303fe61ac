"""Who may come in: strictness first, then the account, then what the script has for the door."""

import math
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from grok2api.simulator.accounts import Account
from grok2api.simulator.files import check_attachments
from grok2api.simulator.script.directives import Script
from grok2api.simulator.script.faults import FAULTS, SILENT_FAULTS, Fault
from grok2api.simulator.site.checks import Cookies, accepts_statsig
from grok2api.simulator.world import World


class Answer(Struct, frozen=True):
    """A whole answer."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str = "application/json"


class Visit(Struct, frozen=True):
    """What a request shows at the door; `is_signed` is False on addresses that are never signed."""

    where: str
    cookies: Cookies
    problems: list[str]
    statsig: str | None = None
    uid: str | None = None
    is_signed: bool = True


def refuse(where: str, problems: list[str]) -> Answer:
    """Return the answer to a request that breaks the rules of the wire."""
    message = f"[simulator] {where}: {'; '.join(problems)}"
    return Answer(400, msgspec.json.encode({"code": 3, "message": message, "details": []}))


def admit(world: World, visit: Visit) -> tuple[Account | None, Answer | None]:
    """Return the account a request belongs to, and the refusal it gets, if any.

    One of the two is always there.
    """
    account = world.accounts.find(visit.cookies.session)
    problems = visit.problems
    if visit.uid is not None:
        problems = problems + _check_uid(visit.uid, visit.cookies, account)
    if problems:
        entry = account.entry if account else None
        world.ledger.note_violations(entry, visit.where, problems)
        return account, refuse(visit.where, problems)
    if account is None or account.entry.status == "expired":
        return account, from_fault(FAULTS["bad_credentials"])
    if account.entry.status == "blocked":
        return account, from_fault(FAULTS["blocked"])
    limited_s = world.accounts.limited_for_s(account)
    if limited_s:
        return account, from_fault(FAULTS["rate_limited"], retry_after=str(math.ceil(limited_s)))
    if visit.is_signed and not accepts_statsig(visit.statsig, world.options.statsig):
        return account, from_fault(FAULTS["anti_bot"])
    return account, None


def _check_uid(uid: str, cookies: Cookies, account: Account | None) -> list[str]:
    problems = [] if uid == cookies.user_id else ["uid and x-userid differ"]
    if account is not None and uid != account.user_id:
        problems.append("uid is not the user id of this session")
    return problems


def from_fault(fault: Fault, *, retry_after: str = "", should_retry: str = "") -> Answer:
    """Return a fault as an answer."""
    headers = fault.headers
    if retry_after:
        headers += (("retry-after", retry_after),)
    if should_retry:
        headers += (("x-should-retry", should_retry),)
    return Answer(fault.status, fault.body, headers, fault.content_type)


def scripted_answer(script: Script) -> Answer | None:
    """Return the refusal a script asks for; None for none and for a silent fault."""
    if script.http:
        made_up = Fault(script.http, script.body.encode(), "", "", content_type=script.content_type)
        return from_fault(made_up, retry_after=script.retry_after, should_retry=script.should_retry)
    if not script.fault or script.fault in SILENT_FAULTS:
        return None
    return from_fault(
        FAULTS[script.fault], retry_after=script.retry_after, should_retry=script.should_retry
    )


def refuse_attachments(
    world: World, account: Account, where: str, file_ids: Sequence[str]
) -> Answer | None:
    """Return the answer to a chat that names files which its account has not."""
    problems = check_attachments(account, file_ids)
    if not problems:
        return None
    world.ledger.note_violations(account.entry, where, problems)
    return refuse(where, problems)


def quota_refusal(world: World, account: Account, mode: str) -> Fault | None:
    """Return the refusal of a call that the plan or the window does not allow."""
    if world.options.enforce_quota:
        if not account.quota.allows(mode):
            return FAULTS["access_denied"]
        if account.quota.look(mode).remaining <= 0:
            return FAULTS["rate_exhausted"]
    return None
