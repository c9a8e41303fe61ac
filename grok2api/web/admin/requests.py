"""Administrative routes of the request log: search, explain one, export, clear."""

from typing import Any, Final, Literal

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from grok2api.domain.client_key import ANONYMOUS
from grok2api.domain.ids import AccountId
from grok2api.domain.usage import FinishedRequest
from grok2api.services.request_log import MAX_PAGE, LogForm, RequestFilter, check_filter
from grok2api.services.request_rows import describe_request
from grok2api.services.request_story import tell_request
from grok2api.web.admin.answers import (
    answer,
    read_choice,
    read_flag,
    read_limit,
    read_moment,
    read_text,
)
from grok2api.web.admin.audit import about
from grok2api.web.admin.auth import admit_admin
from grok2api.web.admin.export_stream import stream_lines, stream_table
from grok2api.web.state import state_of

_MS_PER_S: Final = 1000


class RequestList(Struct, frozen=True):
    """Requests, the newest first. A page may be short, even empty, and not be the last."""

    requests: list[dict[str, Any]]
    next_cursor: str | None


class Explained(Struct, frozen=True):
    """All that is known of a request, and the same in words."""

    request: dict[str, Any]
    story: list[str]


class Cleared(Struct, frozen=True):
    """So many requests were in the log."""

    cleared: int
    status: Literal["success"] = "success"


async def list_requests(request: Request) -> Response:
    """Search in the log."""
    await admit_admin(request)
    wanted = read_filter(request)
    page = await state_of(request).records.requests.page(
        wanted,
        cursor=read_text(request, "cursor"),
        limit=read_limit(request, default=50, most=MAX_PAGE),
    )
    return answer(
        RequestList(
            [_show(entry.finished, entry.settled_at_s) for entry in page.items],
            page.next_cursor or None,
        )
    )


async def explain_request(request: Request) -> Response:
    """Say what happened to one request: attempts, who was left out, waits, timings."""
    await admit_admin(request)
    found = await state_of(request).records.requests.find(request.path_params["id"])
    left_out = _left_out(found.finished)
    shown = _show(found.finished, found.settled_at_s)
    attempts = zip(shown["attempts"], left_out, strict=True)
    shown["attempts"] = [attempt | {"left_out": names} for attempt, names in attempts]
    owner, job = found.finished.key_id or ANONYMOUS, found.finished.job
    video = await state_of(request).videos.store.find(owner, job) if job else None
    return answer(Explained(shown, tell_request(found.finished, video)))


async def export_requests(request: Request) -> Response:
    """Stream what a search finds, as JSON lines or as a table."""
    await admit_admin(request)
    given = request.query_params.get("format") or LogForm.JSONL.value
    form = read_choice(LogForm, given, "format")
    parts = state_of(request).records.requests.export(read_filter(request), form)
    if form is LogForm.CSV:
        return stream_table(request, parts, name="requests.csv")
    return stream_lines(request, parts, name="requests.jsonl")


async def clear_requests(request: Request) -> Response:
    """Forget all requests of the log; the statistics stay."""
    await admit_admin(request)
    cleared = await state_of(request).records.requests.clear()
    about(request, detail=f"{cleared} requests")
    return answer(Cleared(cleared))


def read_filter(request: Request) -> RequestFilter:
    """Return which requests the parameters ask for.

    Raises:
        InvalidRequestError: one of them does not hold.
    """
    wanted = RequestFilter(
        since_s=read_moment(request, "since"),
        until_s=read_moment(request, "until"),
        key_id=read_text(request, "key"),
        model=read_text(request, "model"),
        account=read_text(request, "account"),
        status=read_text(request, "status"),
        error=read_text(request, "error"),
        text=read_text(request, "q"),
        is_failed=read_flag(request, "failed", default=False),
    )
    check_filter(wanted)
    return wanted


def _show(finished: FinishedRequest, ended_at_s: float) -> dict[str, Any]:
    """Return a request as answers have it: times are ms since epoch."""
    return {
        **describe_request(finished),
        "at": round(finished.at_s * _MS_PER_S),
        "ended_at": round(ended_at_s * _MS_PER_S),
    }


def _left_out(finished: FinishedRequest) -> list[list[AccountId]]:
    """Return for each attempt the accounts that had failed before it."""
    failed: list[list[AccountId]] = []
    so_far: dict[AccountId, None] = {}
    for attempt in finished.attempts:
        failed.append([account for account in so_far if account != attempt.account])
        if attempt.error:
            so_far[attempt.account] = None
    return failed
