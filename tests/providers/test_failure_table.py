"""The decision table of upstream failures, row by row, over real sockets."""

from collections.abc import AsyncIterator

import msgspec
import pytest
from curl_cffi import CurlECode

from grok2api.dialects.errors import render_openai_error
from grok2api.domain.chat import VISIBLE_EVENTS
from grok2api.errors import Scope, UpstreamError
from grok2api.providers.grok_web.options import ChatTransport
from grok2api.services.verdict import FailureTally, Verdict, judge, may_repeat_once, may_try_other
from grok2api.upstream.faults import from_curl
from grok2api.upstream.transport import Timeouts
from tests.conformance.conftest import Counterpart, open_counterpart
from tests.providers.failure_rows import ROWS, FailureRow

SHORT = Timeouts(connect_s=5.0, header_s=1.0, idle_s=1.0)
MAX_ATTEMPTS, ACCOUNTS = 3, 3


@pytest.fixture
async def site() -> AsyncIterator[Counterpart]:
    async with open_counterpart() as opened:
        yield opened


CASES = [
    pytest.param(row, protocol, id=f"{row.place}-{row.name}-{protocol}")
    for row in ROWS
    for protocol in row.protocols
]


async def meet(
    site: Counterpart, row: FailureRow, protocol: ChatTransport
) -> tuple[UpstreamError | None, bool]:
    """Ask once; return the failure and whether the client had seen something before it."""
    if row.is_silent:
        site.timeouts = SHORT
    await site.site.script(row.directive, times=0)
    has_seen = False
    try:
        async with site.ask("Hi", protocol) as events:
            async for batch in events:
                has_seen = has_seen or any(isinstance(event, VISIBLE_EVENTS) for event in batch)
    except UpstreamError as error:
        return error, has_seen
    return None, has_seen


def count_calls(error: UpstreamError, *, has_seen: bool) -> int:
    """Return how often the upstream is called when each call fails in the same way."""
    tally, calls = FailureTally(MAX_ATTEMPTS), 0
    for _ in range(ACCOUNTS):
        for _ in range(1 + may_repeat_once(error)):
            calls += 1
            tally.note(error)
            if has_seen or tally.is_hopeless:
                return calls
        if not may_try_other(error):
            return calls
    return calls


@pytest.mark.parametrize(("row", "protocol"), CASES)
async def test_failure_means_what_its_row_says(
    site: Counterpart, row: FailureRow, protocol: ChatTransport
) -> None:
    means = row.means

    error, has_seen = await meet(site, row, protocol)

    assert error is not None
    assert (type(error), error.kind, error.scope) == (means.error, means.kind, means.scope)
    assert judge(error) == Verdict(means.outcome, means.cooldown_s, means.reason)
    assert (may_try_other(error), may_repeat_once(error)) == (
        means.may_try_other,
        means.may_repeat_once,
    )
    answer = render_openai_error(error, "req-1")
    told = msgspec.json.decode(answer.body)["error"]
    assert (answer.status, told["type"], told["code"], answer.headers.get("retry-after")) == (
        means.told.status,
        means.told.type,
        means.told.code,
        means.told.retry_after,
    )
    assert has_seen is row.has_content
    assert count_calls(error, has_seen=has_seen) == row.calls
    assert (await site.site.page("one"))["violations"] == []


def test_rows_have_names_of_their_own() -> None:
    names = [row.name for row in ROWS]

    assert len(set(names)) == len(names)


def test_no_refusal_of_an_account_looks_like_one_of_the_client() -> None:
    statuses = {row.means.told.status for row in ROWS if row.means.scope is not Scope.REQUEST}

    assert statuses <= {429, 502, 504}


def test_account_is_touched_only_where_it_is_at_fault() -> None:
    for row in ROWS:
        is_touched = row.means.outcome != "failed"
        assert is_touched is (row.means.scope is Scope.ACCOUNT), row.name


@pytest.mark.parametrize(
    "code",
    [
        CurlECode.COULDNT_RESOLVE_PROXY,
        CurlECode.COULDNT_RESOLVE_HOST,
        CurlECode.COULDNT_CONNECT,
        CurlECode.SSL_CONNECT_ERROR,
        CurlECode.PEER_FAILED_VERIFICATION,
        CurlECode.PROXY,
        CurlECode.SEND_ERROR,
        CurlECode.RECV_ERROR,
    ],
)
def test_connection_that_never_came_about_is_the_exits_trouble(code: CurlECode) -> None:
    error = from_curl(code, has_head=False, connect_s=1.0)

    assert (error.scope, error.code) == (Scope.EGRESS, "upstream_network_error")
    assert may_repeat_once(error)
    assert not judge(error).is_suspicious


@pytest.mark.parametrize("code", [CurlECode.HTTP2, CurlECode.HTTP2_STREAM, CurlECode.RECV_ERROR])
def test_stream_that_breaks_is_the_upstreams_trouble(code: CurlECode) -> None:
    error = from_curl(code, has_head=True, connect_s=1.0)

    assert (error.scope, error.code) == (Scope.UPSTREAM, "upstream_stream_truncated")
    assert may_try_other(error)
