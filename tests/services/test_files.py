"""Files of a request: taken in within limits, uploaded per account, let go, deleted."""

import asyncio
import base64
import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from grok2api.config.schema import FileSettings
from grok2api.domain.account import Mode, Outcome, ProviderKind
from grok2api.domain.chat import (
    ChatRequest,
    ContentPart,
    EventBatch,
    FilePart,
    Finished,
    ImagePart,
    Message,
    Role,
    TextDelta,
    TextPart,
)
from grok2api.domain.files import InputFile
from grok2api.errors import (
    InvalidRequestError,
    UpstreamError,
    UpstreamRateLimitError,
    UpstreamRejectedError,
    UpstreamUnavailableError,
)
from grok2api.providers.session import UploadedFile, UpstreamSession
from grok2api.services.budget import Budget
from grok2api.services.chat import ChatService
from grok2api.services.cleanup import Cleanup
from grok2api.services.dispatch import Dispatcher, TurnRecord
from grok2api.services.files import BYTES_PER_MB, FileDesk
from grok2api.services.models import ModelCatalog
from grok2api.upstream.fetch import open_fetcher
from grok2api.upstream.guard import GuardRules
from tests.services.conftest import Bench

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
WAIT_S = 10.0


def data_url(content: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


IMAGE = ImagePart(data_url(PNG))
PDF = FilePart(data_url(b"%PDF-1.7 x", "application/pdf"), "a/report.pdf")


def ask(*parts: ContentPart) -> ChatRequest:
    message = Message(Role.USER, (TextPart("What is it?"), *parts))
    return ChatRequest(model="grok-chat-fast", messages=(message,))


@asynccontextmanager
async def open_desk(rules: GuardRules | None = None, **settings: float) -> AsyncIterator[FileDesk]:
    made = FileSettings(**settings)  # type: ignore[arg-type]
    timeout_s = made.fetch_timeout_s
    async with open_fetcher(4, rules or GuardRules(), timeout_s=timeout_s) as fetcher:
        yield FileDesk(fetcher, made)


async def refusal_of(request: ChatRequest, **settings: float) -> InvalidRequestError:
    async with open_desk(None, **settings) as desk:
        with pytest.raises(InvalidRequestError) as caught:
            await desk.take_in(request)
        assert desk.free_bytes == FileSettings().memory_mb * BYTES_PER_MB
    return caught.value


async def test_parts_name_files_that_are_at_hand() -> None:
    async with open_desk() as desk:
        with await desk.take_in(ask(IMAGE, PDF, IMAGE)) as intake:
            _, image, pdf, again = intake.request.messages[0].parts
            files = {file.ref: file for file in intake.request.files}

            assert isinstance(image, ImagePart)
            assert isinstance(pdf, FilePart)
            assert image == again
            assert len(files) == 2
            assert files[image.url].content == PNG
            assert files[image.url].name == "image.png"
            assert (pdf.name, files[pdf.url].name) == ("report.pdf", "report.pdf")
            assert files[pdf.url].media_type == "application/pdf"


async def test_files_are_forgotten_and_their_memory_is_free_again() -> None:
    async with open_desk(memory_mb=1) as desk:
        with await desk.take_in(ask(IMAGE)) as intake:
            assert desk.free_bytes == BYTES_PER_MB - len(PNG)

        assert [file.content for file in intake.request.files] == [b""]
        assert desk.free_bytes == BYTES_PER_MB


def bare(size: int, start: bytes = PNG) -> str:
    return data_url(start + bytes(size - len(start)))


@pytest.mark.parametrize(
    ("part", "code", "why"),
    [
        (ImagePart(data_url(b"<svg/>", "image/svg+xml")), "invalid_image_input", "not a PNG"),
        (ImagePart(data_url(b"%PDF-1.7")), "invalid_image_input", "not a PNG"),
        (ImagePart("data:image/png;base64,!!!!"), "invalid_image_input", "damaged"),
        (ImagePart("data:image/png;base64,"), "invalid_image_input", "empty"),
        (ImagePart("data:image/png;base64"), "invalid_image_input", "data URL is wrong"),
        (ImagePart("http://127.0.0.1/x.png"), "invalid_image_input", "public address"),
        (ImagePart("http://169.254.169.254/latest"), "invalid_image_input", "public address"),
        (FilePart("http://localhost/a.pdf"), "invalid_attachment_input", "public address"),
        (FilePart("https://example.com:22/"), "invalid_attachment_input", "port"),
        (FilePart(data_url(b"\x7fELF\x00\x01"), "a.txt"), "invalid_attachment_input", "neither"),
        (
            FilePart(data_url(b"PK\x03\x04\x00", "application/zip")),
            "invalid_attachment_input",
            "neither",
        ),
        (ImagePart(bare(BYTES_PER_MB + 1)), "invalid_image_input", "larger than 1 MB"),
    ],
)
async def test_file_that_cannot_be_used_is_named_with_the_reason(
    part: ContentPart, code: str, why: str
) -> None:
    error = await refusal_of(ask(IMAGE, part), max_file_mb=1)

    assert error.code == code
    assert error.param == "messages[0].content[2]"
    assert why in error.message


async def test_first_bad_file_is_told_whatever_ended_first() -> None:
    slow = ImagePart(data_url(b"no image" + bytes(200_000)))
    quick = ImagePart(data_url(b"no image"))

    assert (await refusal_of(ask(slow, quick))).param == "messages[0].content[1]"


async def test_count_and_common_size_are_limited() -> None:
    many = [ImagePart(data_url(PNG + bytes([n]))) for n in range(9)]
    heavy = [ImagePart(bare(700_000)), ImagePart(bare(700_001))]

    assert "At most 8 files" in (await refusal_of(ask(*many))).message
    assert "together" in (await refusal_of(ask(*heavy), max_request_mb=1)).message
    async with open_desk() as desk:
        with await desk.take_in(ask(*[IMAGE] * 20)) as intake:
            assert len(intake.request.files) == 1


async def test_operator_may_switch_files_or_fetching_off() -> None:
    by_url = ImagePart("https://example.com/x.png")

    assert "switched off" in (await refusal_of(ask(IMAGE), enabled=False)).message
    assert "send a data URL" in (await refusal_of(ask(by_url), fetch_urls=False)).message
    async with open_desk(enabled=False) as desk:
        with await desk.take_in(ask()) as intake:
            assert intake.request == ask()


async def test_huge_base64_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("binascii.a2b_base64", lambda *a, **k: pytest.fail("it was decoded"))
    bomb = ImagePart("data:image/png;base64," + "AAAA" * (40 * BYTES_PER_MB // 3))

    assert "larger than 32 MB" in (await refusal_of(ask(bomb))).message


async def serve_picture(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 108\r\n\r\n" + PNG)
    await writer.drain()
    writer.close()


async def test_picture_by_url_is_what_its_bytes_say() -> None:
    server = await asyncio.start_server(serve_picture, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        rules = GuardRules(ports=frozenset({port}), trusted=("127.0.0.1/32",))
        async with open_desk(rules) as desk:
            part = ImagePart(f"http://127.0.0.1:{port}/cat.jpg")
            with await desk.take_in(ask(part)) as intake:
                (file,) = intake.request.files
                assert file.content == PNG

    assert (file.name, file.media_type) == ("cat.png", "image/png")


async def test_requests_wait_for_memory_and_are_told_when_it_takes_too_long() -> None:
    async with open_desk(memory_mb=1, fetch_timeout_s=0.05) as desk:
        first = await desk.take_in(ask(ImagePart(bare(800_000))))

        with pytest.raises(UpstreamUnavailableError) as caught:
            await desk.take_in(ask(ImagePart(bare(800_001))))

        first.let_go()
        (await desk.take_in(ask(ImagePart(bare(800_001))))).let_go()
        assert caught.value.code == "files_exhausted"
        assert desk.free_bytes == BYTES_PER_MB


async def test_budget_is_shared_out_in_order_and_survives_those_who_leave() -> None:
    budget, order = Budget(10), list[str]()

    async def take(name: str, amount: int) -> None:
        await budget.take(amount)
        order.append(name)

    await budget.take(8)
    async with asyncio.TaskGroup() as group:
        large = group.create_task(take("large", 9))
        leaver = group.create_task(take("leaver", 5))
        small = group.create_task(take("small", 1))
        await asyncio.sleep(0)
        assert order == []
        leaver.cancel()
        budget.give(8)
        await large
        await small
    assert order == ["large", "small"]
    assert budget.free == 0
    budget.give(10)

    assert await budget.take(1000) == 10


async def test_cancelled_turn_gives_its_bytes_back() -> None:
    budget = Budget(10)
    await budget.take(10)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(budget.take(5))
        await asyncio.sleep(0)
        budget.give(10)  # it is its turn, but it has not heard yet
        task.cancel()

    assert budget.free == 10


async def test_resized_budget_serves_who_waits_and_takes_back_what_comes_back() -> None:
    budget = Budget(10)
    await budget.take(10)
    async with asyncio.timeout(WAIT_S), asyncio.TaskGroup() as group:
        waiting = group.create_task(budget.take(8))
        await asyncio.sleep(0)
        budget.resize(4)
        budget.give(5)
        await asyncio.sleep(0)
        assert (budget.free, waiting.done()) == (-1, False)
        budget.give(5)
        assert await waiting == 4  # there is no more
        second = group.create_task(budget.take(3))
        await asyncio.sleep(0)
        budget.resize(7)
        assert await second == 3

    assert budget.free == 0


@dataclass
class ScriptedFiles:
    """Keeps uploads in lists; `failures` are raised by the next uploads."""

    uploads: list[tuple[str, str]] = field(default_factory=list)
    deleted: list[tuple[str, str]] = field(default_factory=list)
    failures: list[UpstreamError | None] = field(default_factory=list)
    hangs: bool = False
    began: asyncio.Event = field(default_factory=asyncio.Event)
    may_delete: asyncio.Event = field(default_factory=asyncio.Event)

    async def upload(
        self, file: InputFile, session: UpstreamSession, *, for_media: bool = False
    ) -> UploadedFile:
        self.began.set()
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            raise failure
        self.uploads.append((session.credentials.session, file.name))
        if self.hangs and len(self.uploads) > 1:
            await asyncio.Event().wait()
        return UploadedFile(f"id-{len(self.uploads)}")

    async def delete(self, file_id: str, session: UpstreamSession) -> None:
        await self.may_delete.wait()
        self.deleted.append((session.credentials.session, file_id))


@dataclass
class FileBench:
    """A chat whose upstream takes files."""

    bench: Bench
    files: ScriptedFiles
    chat: ChatService
    desk: FileDesk
    cleanup: Cleanup
    attached: list[tuple[str, ...]] = field(default_factory=list)

    async def fast_left(self) -> list[int]:
        accounts = (await self.bench.store.list()).accounts
        return [account.windows[Mode.FAST].remaining for account in accounts]

    async def says(self, session: UpstreamSession) -> AsyncIterator[EventBatch]:
        self.attached.append(tuple(file.id for file in session.attachments))
        yield [TextDelta("A cat.")]
        yield [Finished()]

    async def fails(self, session: UpstreamSession) -> AsyncIterator[EventBatch]:
        self.attached.append(tuple(file.id for file in session.attachments))
        if self.attached:
            raise UpstreamUnavailableError("down", status=503)
        yield []


@asynccontextmanager
async def open_bench(bench: Bench, **settings: float) -> AsyncIterator[FileBench]:
    files = ScriptedFiles()
    kind = ProviderKind.GROK_WEB
    providers = {kind: dataclasses.replace(bench.providers[kind], files=files)}
    async with open_desk(None, **settings) as desk, Cleanup() as cleanup:
        parts = dataclasses.replace(bench.parts, files=desk, providers=providers, cleanup=cleanup)
        chat = ChatService(ModelCatalog(bench.store), Dispatcher(parts), count_tokens=len)
        yield FileBench(bench, files, chat, desk, cleanup)


async def test_files_are_uploaded_before_the_question_names_them(bench: Bench) -> None:
    await bench.add("a")
    async with open_bench(bench) as files:
        bench.script.plays = [files.says]

        _, answer = await files.chat.complete(ask(IMAGE, PDF), TurnRecord())

        assert answer.text == "A cat."
        assert files.files.uploads == [("a", "image.png"), ("a", "report.pdf")]
        assert files.attached == [("id-1", "id-2")]
        assert files.desk.free_bytes == 256 * BYTES_PER_MB


async def test_no_more_uploads_at_once_than_allowed(bench: Bench) -> None:
    await bench.add("a")
    async with open_bench(bench, upload_concurrency=1) as files:
        bench.script.plays = [files.says]
        async with files.desk.uploads.hold(1):
            asking = asyncio.get_running_loop().create_task(
                files.chat.complete(ask(IMAGE, PDF), TurnRecord())
            )
            while files.desk.free_bytes == 256 * BYTES_PER_MB:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.05)
            assert not files.files.began.is_set()
        await asyncio.wait_for(asking, WAIT_S)

    assert len(files.files.uploads) == 2


async def test_next_account_gets_its_own_uploads(bench: Bench) -> None:
    await bench.add("a", "b")
    async with open_bench(bench) as files:
        bench.script.plays = [files.fails, files.says]

        await files.chat.complete(ask(IMAGE), TurnRecord())

        assert sorted(files.files.uploads) == [("a", "image.png"), ("b", "image.png")]
        assert files.attached == [("id-1",), ("id-2",)]


async def test_account_that_may_not_upload_is_blamed_and_another_is_asked(bench: Bench) -> None:
    await bench.add("a", "b")
    async with open_bench(bench) as files:
        files.files.failures = [UpstreamRateLimitError("slow down", status=429)]
        bench.script.plays = [files.says]
        record = TurnRecord()

        await files.chat.complete(ask(IMAGE), record)

        assert [a.outcome for a in record.attempts] == [Outcome.RATE_LIMITED, Outcome.OK]
        assert len(bench.script.asked) == 1


async def test_file_that_the_upstream_rejects_is_not_tried_elsewhere(bench: Bench) -> None:
    await bench.add("a", "b")
    async with open_bench(bench) as files:
        before = await files.fast_left()
        files.files.failures = [UpstreamRejectedError("no", status=415)]
        record = TurnRecord()

        with pytest.raises(UpstreamRejectedError):
            await files.chat.complete(ask(IMAGE), record)

        assert len(record.attempts) == 1
        assert bench.script.asked == []
        assert await files.fast_left() == before
        assert set((await bench.statuses()).values()) == {"active"}


async def test_failure_without_an_answer_costs_no_query_either(bench: Bench) -> None:
    await bench.add("a")
    async with open_bench(bench) as files:
        before = await files.fast_left()
        files.files.failures = [UpstreamUnavailableError("broke off")]

        with pytest.raises(UpstreamUnavailableError):
            await files.chat.complete(ask(IMAGE), TurnRecord())

        assert await files.fast_left() == before


async def test_bad_file_takes_no_account(bench: Bench) -> None:
    await bench.add("a")
    async with open_bench(bench) as files:
        record = TurnRecord()

        with pytest.raises(InvalidRequestError):
            await files.chat.complete(ask(ImagePart("data:,x")), record)

        assert record.attempts == []


async def test_upstream_without_files_says_so(bench: Bench) -> None:
    await bench.add("a")

    with pytest.raises(InvalidRequestError, match="no images"):
        await bench.chat.complete(ask(IMAGE), TurnRecord())

    assert await bench.open_leases() == 0


async def test_client_that_leaves_during_an_upload_costs_nothing_and_leaves_nothing(
    bench: Bench,
) -> None:
    await bench.add("a")
    async with open_bench(bench, delete_after_use=True) as files:
        before = await files.fast_left()
        files.files.hangs = True
        files.files.may_delete.set()
        async with asyncio.timeout(WAIT_S), asyncio.TaskGroup() as group:
            task = group.create_task(files.chat.complete(ask(IMAGE, PDF), TurnRecord()))
            while len(files.files.uploads) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            task.cancel()

        assert bench.script.asked == []
        assert await bench.open_leases() == 0
        assert await files.fast_left() == before
        assert files.desk.free_bytes == 256 * BYTES_PER_MB
    assert files.files.deleted == [("a", "id-1")]


async def test_deletion_delays_no_answer_and_is_done_by_the_end(bench: Bench) -> None:
    await bench.add("a")
    async with asyncio.timeout(WAIT_S), open_bench(bench, delete_after_use=True) as files:
        bench.script.plays = [files.says]

        await files.chat.complete(ask(IMAGE, PDF), TurnRecord())

        assert files.files.deleted == []  # the site does not answer yet
        files.files.may_delete.set()
    assert sorted(files.files.deleted) == [("a", "id-1"), ("a", "id-2")]


async def test_failed_attempt_leaves_no_file_behind(bench: Bench) -> None:
    await bench.add("a", "b")
    async with open_bench(bench, delete_after_use=True) as files:
        files.files.may_delete.set()
        bench.script.plays = [files.fails, files.says]

        await files.chat.complete(ask(IMAGE), TurnRecord())

    assert sorted(files.files.deleted) == [("a", "id-1"), ("b", "id-2")] or sorted(
        files.files.deleted
    ) == [("a", "id-2"), ("b", "id-1")]


async def test_deletion_that_never_ends_is_given_up(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grok2api.services.uploads.DISCARD_TIMEOUT_S", 0.05)
    await bench.add("a")
    async with asyncio.timeout(WAIT_S), open_bench(bench, delete_after_use=True) as files:
        bench.script.plays = [files.says]
        await files.chat.complete(ask(IMAGE), TurnRecord())

    assert files.files.deleted == []


async def test_files_stay_with_the_account_unless_told_otherwise(bench: Bench) -> None:
    await bench.add("a")
    async with open_bench(bench) as files:
        files.files.may_delete.set()
        bench.script.plays = [files.says]
        await files.chat.complete(ask(IMAGE), TurnRecord())

    assert files.files.deleted == []


async def test_content_is_let_go_at_the_first_word(bench: Bench) -> None:
    await bench.add("a")
    async with open_bench(bench) as files:
        bench.script.plays = [files.says]
        seen: list[int] = []

        async with files.chat.stream(ask(ImagePart(bare(900_000)))) as turn:
            async for _ in turn:
                seen.append(files.desk.free_bytes)  # noqa: PERF401

        assert set(seen) == {256 * BYTES_PER_MB}
