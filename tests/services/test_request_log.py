"""The log of finished requests is searched, paged and written out."""

import csv
import io
from contextlib import aclosing
from typing import Any

import msgspec
import pytest

from grok2api.domain.ids import AccountId, CallId, ClientKeyId
from grok2api.domain.usage import AttemptFact, FinishedRequest
from grok2api.errors import InvalidRequestError, NotFoundError
from grok2api.services.request_log import LogForm, RequestFilter, RequestLog
from grok2api.store.connection import RedisClient
from grok2api.store.request_log import RequestLogStore
from grok2api.store.usage import UsageLimits, UsageStore

START_MS = 1_800_000_000_000


def request(name: str, **facts: Any) -> FinishedRequest:
    finished = FinishedRequest(
        id=name, at_s=1_799_999_999.5, route="/v1/messages", status=200, model="grok-4"
    )
    return msgspec.structs.replace(finished, **facts)


class LogBench:
    """A log, one request a second."""

    def __init__(self, redis: RedisClient) -> None:
        self.store = UsageStore(redis, UsageLimits(), now_ms=START_MS)
        self.log = RequestLog(RequestLogStore(redis))
        self.batch = 0

    async def write(self, *finished: FinishedRequest) -> None:
        for one in finished:
            self.batch += 1
            await self.store.settle([one], recorder="w", batch=self.batch)
            self.store.now_ms += 1000

    async def find(self, **wanted: Any) -> list[str]:
        page = await self.log.page(RequestFilter(**wanted))
        return [entry.finished.id for entry in page.items]

    async def export(self, form: LogForm, **wanted: Any) -> bytes:
        async with aclosing(self.log.export(RequestFilter(**wanted), form)) as parts:
            return b"".join([part async for part in parts])


@pytest.fixture
def bench(redis: RedisClient) -> LogBench:
    return LogBench(redis)


async def test_pages_go_from_the_newest_to_the_oldest_and_end(bench: LogBench) -> None:
    await bench.write(*(request(f"r{n}", status=200 + n % 2) for n in range(7)))
    wanted, cursor, pages = RequestFilter(status="200"), "", []
    while True:
        page = await bench.log.page(wanted, cursor=cursor, limit=3)
        pages.append([entry.finished.id for entry in page.items])
        cursor = page.next_cursor
        if not cursor:
            break
        await bench.write(request("newer"))

    assert pages == [["r6", "r4", "r2"], ["r0"]]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, ["d", "c", "b", "a"]),
        ({"since_s": START_MS / 1000 + 1, "until_s": START_MS / 1000 + 3}, ["c", "b"]),
        ({"key_id": "key_1"}, ["b"]),
        ({"model": "grok-3"}, ["c"]),
        ({"model": "gpt-4o"}, ["c"]),
        ({"account": "acc_tried"}, ["d"]),
        ({"account": "acc_last"}, ["d"]),
        ({"status": "4xx"}, ["c", "a"]),
        ({"status": "429"}, ["c"]),
        ({"error": "rate_limit_exceeded"}, ["c"]),
        ({"error": "insufficient_quota"}, ["c"]),
        ({"text": "ACC_TR"}, ["d"]),
        ({"text": "192.0.2"}, ["b"]),
        ({"text": "call_9"}, ["a"]),
        ({"is_failed": True}, ["c", "a"]),
        ({"is_failed": True, "status": "2xx"}, []),
    ],
)
async def test_every_filter_finds_what_fits(
    bench: LogBench, wanted: dict[str, Any], expected: list[str]
) -> None:
    tried = AttemptFact(account=AccountId("acc_tried"), outcome="forbidden")
    await bench.write(
        request("a", status=499, call_id=CallId("call_9")),
        request("b", key_id=ClientKeyId("key_1"), client="192.0.2.7"),
        request(
            "c",
            status=429,
            error="rate_limit_exceeded",
            code="insufficient_quota",
            model="grok-3",
            requested="gpt-4o",
        ),
        request("d", account=AccountId("acc_last"), attempts=(tried,)),
    )

    assert await bench.find(**wanted) == expected


async def test_last_request_with_an_id_is_found(bench: LogBench) -> None:
    await bench.write(request("same", status=500), request("same", status=200), request("b"))

    found = await bench.log.find("same")

    assert (found.finished.status, found.settled_at_s) == (200, START_MS / 1000 + 1)
    with pytest.raises(NotFoundError):
        await bench.log.find("other")


@pytest.mark.parametrize("cursor", ["x", "1", "1-", "(1-1", "1-1 "])
async def test_cursor_of_nobody_is_refused(bench: LogBench, cursor: str) -> None:
    with pytest.raises(InvalidRequestError):
        await bench.log.page(RequestFilter(), cursor=cursor)


@pytest.mark.parametrize("status", ["2", "xx", "999", "4x", "4xxx"])
async def test_status_that_is_none_is_refused(bench: LogBench, status: str) -> None:
    with pytest.raises(InvalidRequestError):
        await bench.log.page(RequestFilter(status=status))


async def test_lines_hold_every_field(bench: LogBench) -> None:
    tried = AttemptFact(account=AccountId("acc_1"), outcome="ok", duration_ms=7)
    await bench.write(request("a", attempts=(tried,)), request("b"))

    lines = [msgspec.json.decode(line) for line in (await bench.export(LogForm.JSONL)).splitlines()]

    assert [line["id"] for line in lines] == ["b", "a"]
    assert lines[0]["at"] == "2027-01-15T07:59:59.500+00:00"
    assert lines[0].keys() - {"at"} == set(FinishedRequest.__struct_fields__) - {"at_s"}
    assert lines[1]["attempts"][0] == msgspec.structs.asdict(tried)


async def test_table_has_heads_and_runs_no_formula(bench: LogBench) -> None:
    await bench.write(request("a", requested='=HYPERLINK("http://x")', agent='a,"b"\nc'))

    rows = list(csv.DictReader(io.StringIO((await bench.export(LogForm.CSV)).decode(), newline="")))

    assert [(row["id"], row["requested"], row["agent"]) for row in rows] == [
        ("a", '\'=HYPERLINK("http://x")', 'a,"b"\nc')
    ]
    assert (rows[0]["first_output_ms"], rows[0]["attempts"]) == ("", "0")


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])  # noqa: RUF001
async def test_no_text_of_a_table_begins_a_formula(bench: LogBench, first: str) -> None:
    await bench.write(request("a", agent=f"{first}1+1"))

    rows = list(csv.DictReader(io.StringIO((await bench.export(LogForm.CSV)).decode(), newline="")))

    assert rows[0]["agent"] == f"'{first}1+1"


async def test_export_of_many_is_whole(bench: LogBench) -> None:
    for first in range(0, 1200, 30):
        bench.batch += 1
        sent = [request(f"r{n}", status=200 + n % 2) for n in range(first, first + 30)]
        await bench.store.settle(sent, recorder="w", batch=bench.batch)

    lines = (await bench.export(LogForm.JSONL, status="201")).splitlines()

    ids = [msgspec.json.decode(line)["id"] for line in lines]
    assert ids == [f"r{n}" for n in range(1199, 0, -2)]
