"""Images and documents from the request to the site, with the simulator as the site."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from msgspec import Struct, structs

from grok2api.clock import SystemClock
from grok2api.config.accounts import SelectionSettings
from grok2api.config.schema import AccountSettings, ChatSettings, FileSettings, RetrySettings
from grok2api.domain.account import Credentials, Outcome
from grok2api.domain.chat import (
    ChatRequest,
    ContentPart,
    FilePart,
    ImagePart,
    Message,
    Role,
    TextPart,
)
from grok2api.domain.files import InputFile
from grok2api.domain.ids import AccountId
from grok2api.errors import (
    ContentRejectedError,
    CredentialRejectedError,
    EgressBlockedError,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamRateLimitError,
    UpstreamRejectedError,
    UpstreamTimeoutError,
    UpstreamUnavailableError,
)
from grok2api.providers.grok_web.files import GrokWebFiles
from grok2api.providers.grok_web.options import ChatTransport, UploadForm
from grok2api.providers.registry import build_providers
from grok2api.services.attempt import DispatchParts
from grok2api.services.chat import ChatService
from grok2api.services.cleanup import Cleanup
from grok2api.services.dispatch import Dispatcher, TurnRecord
from grok2api.services.files import FileDesk
from grok2api.services.leases import LeaseKeeper
from grok2api.services.lender import Lender, build_policy
from grok2api.services.models import ModelCatalog
from grok2api.store.accounts import AccountStore, NewAccount
from grok2api.store.connection import open_redis
from grok2api.store.wakeups import Wakeups
from grok2api.upstream.fetch import open_fetcher
from grok2api.upstream.guard import GuardRules
from tests.conformance.conftest import SESSION, Counterpart, upstream_session
from tests.services.conftest import BASIC, build_pictures

OTHER = "sim-session-0002-abcdefgh"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
PDF = b"%PDF-1.7\n" + bytes(range(256)) * 8
WAIT_S = 10.0
FILE = InputFile("r", 'my "photo" grüße.png', "image/png", PNG)

both_protocols = pytest.mark.parametrize("protocol", ["websocket", "http"])
both_forms = pytest.mark.parametrize("form", ["direct", "json"])


def data_url(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def files_of(counterpart: Counterpart, **changes: object) -> GrokWebFiles:
    options = structs.replace(counterpart.options(), **changes)
    return GrokWebFiles(counterpart.transport, options, SystemClock())


@both_forms
async def test_upload_is_what_the_site_wants(counterpart: Counterpart, form: UploadForm) -> None:
    file_id = (await files_of(counterpart, upload_form=form).upload(FILE, upstream_session())).id

    page = await counterpart.site.page("one")
    assert page["violations"] == []
    assert page["files"] == {
        file_id: {
            "name": FILE.name,
            "media_type": "image/png",
            "size": len(PNG),
            "digest": digest(PNG),
        }
    }


async def test_picture_to_be_worked_on_is_uploaded_as_such(counterpart: Counterpart) -> None:
    taken = await files_of(counterpart).upload(FILE, upstream_session(), for_media=True)

    page = await counterpart.site.page("one")
    assert page["violations"] == []  # the page and the parts of such an upload are checked
    assert list(page["files"]) == [taken.id]
    assert taken.url.startswith(f"{counterpart.site.url}/users/")


@pytest.mark.parametrize("kind", ["file", "upload"])
async def test_picture_to_be_worked_on_needs_its_own_id(
    counterpart: Counterpart, kind: str
) -> None:
    await counterpart.site.script(f"upload_id={kind}", target="upload")

    with pytest.raises(UpstreamProtocolError):
        await files_of(counterpart).upload(FILE, upstream_session(), for_media=True)


@pytest.mark.parametrize("kind", ["metadata", "file", "upload"])
async def test_whatever_id_the_site_tells_can_be_named(counterpart: Counterpart, kind: str) -> None:
    await counterpart.site.script(f"upload_id={kind}", target="upload")

    file_id = (await files_of(counterpart).upload(FILE, upstream_session())).id

    assert file_id in (await counterpart.site.page("one"))["files"]


@both_forms
@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("bad_credentials", CredentialRejectedError),
        ("moderated", ContentRejectedError),
        ("rate_limited", UpstreamRateLimitError),
        ("too_large", UpstreamRejectedError),
        ("unsupported", UpstreamRejectedError),
        ("unprocessable", UpstreamRejectedError),
        ("timeout", UpstreamUnavailableError),
        ("not_found", UpstreamProtocolError),
        ("challenge", EgressBlockedError),
        ("empty_403", EgressBlockedError),
        ("server_error", UpstreamUnavailableError),
        ("reset", UpstreamUnavailableError),
    ],
)
async def test_refused_upload_has_its_meaning(
    counterpart: Counterpart, form: UploadForm, fault: str, expected: type[UpstreamError]
) -> None:
    await counterpart.site.script(f"fault={fault}", target="upload", times=0)

    with pytest.raises(UpstreamError) as caught:
        await files_of(counterpart, upload_form=form).upload(FILE, upstream_session())

    assert type(caught.value) is expected


async def test_file_the_site_does_not_take_is_the_requests_fault(counterpart: Counterpart) -> None:
    await counterpart.site.script('terminal_error="virus found"', target="upload")

    with pytest.raises(UpstreamRejectedError) as caught:
        await files_of(counterpart).upload(FILE, upstream_session())

    assert caught.value.code == "upstream_upload_rejected"
    assert "virus found" in caught.value.detail


@pytest.mark.parametrize("body", ["{}", "[]", '{\\"fileMetadata\\":{\\"fileId\\":null}}', "x"])
async def test_answer_without_an_id_is_not_understood(counterpart: Counterpart, body: str) -> None:
    await counterpart.site.script(f'http=200; body="{body}"', target="upload")

    with pytest.raises(UpstreamProtocolError):
        await files_of(counterpart).upload(FILE, upstream_session())


async def test_blocked_exit_gets_one_more_try(counterpart: Counterpart) -> None:
    await counterpart.site.script("fault=challenge", target="upload")

    await files_of(counterpart).upload(FILE, upstream_session())

    assert (await counterpart.site.page("one"))["uploads"] == 1


async def test_upload_that_hangs_is_given_up(counterpart: Counterpart) -> None:
    await counterpart.site.script("fault=hang", target="upload")

    with pytest.raises(UpstreamTimeoutError):
        await files_of(counterpart, upload_timeout_s=0.2).upload(FILE, upstream_session())


async def test_deletion_leaves_nothing_and_may_be_repeated(counterpart: Counterpart) -> None:
    files, session = files_of(counterpart), upstream_session()
    file_id = (await files.upload(FILE, session)).id

    await files.delete(file_id, session)
    await files.delete(file_id, session)

    page = await counterpart.site.page("one")
    assert (page["files"], page["deletes"], page["violations"]) == ({}, 1, [])


class Gateway(Struct):
    """The services in front of the site, with two accounts."""

    chat: ChatService
    counterpart: Counterpart
    fetch_url: str
    heads: list[bytes]

    async def ask(self, text: str, *parts: ContentPart) -> tuple[str, TurnRecord]:
        record = TurnRecord()
        said = (TextPart(text),) if text else ()
        message = Message(Role.USER, (*parts, *said))
        request = ChatRequest(model="grok-chat-fast", messages=(message,))
        _, answer = await self.chat.complete(request, record)
        return answer.text, record

    async def pages(self) -> list[dict[str, object]]:
        return [await self.counterpart.site.page(name) for name in ("one", "two")]


class GatewayMaker:
    """Starts gateways with options of the test's choice."""

    def __init__(
        self, counterpart: Counterpart, store: AccountStore, redis_url: str, folder: Path
    ) -> None:
        self._counterpart = counterpart
        self._folder = folder
        self._store = store
        self._redis_url = redis_url

    @asynccontextmanager
    async def __call__(
        self, protocol: ChatTransport, form: UploadForm = "direct", *, deletes: bool = False
    ) -> AsyncIterator[Gateway]:
        heads: list[bytes] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            heads.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(PNG) + PNG)
            await writer.drain()
            writer.close()

        account = AccountSettings(selection=SelectionSettings(wait_s=0.0))
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        rules = GuardRules(ports=frozenset({port}), trusted=("127.0.0.1/32",))
        options = structs.replace(
            self._counterpart.options(), chat_transport=protocol, upload_form=form
        )
        async with (
            server,
            open_redis(self._redis_url, pool_size=1) as for_wakeups,
            open_fetcher(4, rules, timeout_s=WAIT_S) as fetcher,
            Cleanup() as cleanup,
            LeaseKeeper(self._store, ttl_s=60.0) as keeper,
            Lender(
                self._store, Wakeups(for_wakeups), keeper, cleanup, build_policy(account)
            ) as lender,
        ):
            await self._save()
            parts = DispatchParts(
                accounts=self._store,
                providers=build_providers(self._counterpart.transport, options, SystemClock()),
                keeper=keeper,
                cleanup=cleanup,
                clock=SystemClock(),
                retry=RetrySettings(base_delay_s=0.0),
                account=account,
                lender=lender,
                chat=ChatSettings(),
                files=FileDesk(fetcher, FileSettings(delete_after_use=deletes)),
                pictures=build_pictures(for_wakeups, self._folder, cleanup),
            )
            chat = ChatService(ModelCatalog(self._store), Dispatcher(parts), count_tokens=len)
            url = f"http://127.0.0.1:{port}/cat.png"
            yield Gateway(chat, self._counterpart, url, heads)

    async def _save(self) -> None:
        await self._counterpart.site.register({"session": OTHER, "name": "two"})
        for name, session in (("one", SESSION), ("two", OTHER)):
            credentials = Credentials(session)
            await self._store.save(NewAccount(AccountId(name), BASIC, credentials, mask="…"))


@pytest.fixture
def make_gateway(
    counterpart: Counterpart, account_store: AccountStore, redis_url: str, tmp_path: Path
) -> GatewayMaker:
    return GatewayMaker(counterpart, account_store, redis_url, tmp_path)


@both_protocols
@both_forms
async def test_pictures_and_documents_reach_the_site(
    make_gateway: GatewayMaker, protocol: ChatTransport, form: UploadForm
) -> None:
    async with make_gateway(protocol, form) as gateway:
        text, record = await gateway.ask(
            "What? [[sim: text=A cat.]]",
            ImagePart(data_url(PNG + b"1", "image/jpeg")),
            ImagePart(gateway.fetch_url),
            FilePart(data_url(PDF, "application/octet-stream"), "paper.pdf"),
        )
        pages = await gateway.pages()

    assert text == "A cat."
    assert len(record.attempts) == 1
    assert [page["violations"] for page in pages] == [[], []]
    (page,) = [page for page in pages if page["calls"]]
    assert page["attached"] == 3
    files = page["files"]
    assert isinstance(files, dict)
    assert sorted((f["name"], f["media_type"], f["digest"]) for f in files.values()) == [
        ("cat.png", "image/png", digest(PNG)),
        ("image.png", "image/png", digest(PNG + b"1")),
        ("paper.pdf", "application/pdf", digest(PDF)),
    ]


@both_protocols
async def test_picture_without_a_word_is_answered(
    make_gateway: GatewayMaker, protocol: ChatTransport
) -> None:
    async with make_gateway(protocol) as gateway:
        text, _ = await gateway.ask("", ImagePart(data_url(PNG, "image/png")))

        assert text
        assert sum(int(str(page["attached"])) for page in await gateway.pages()) == 1


@both_protocols
async def test_no_secret_goes_to_the_server_of_a_url(
    make_gateway: GatewayMaker, protocol: ChatTransport
) -> None:
    async with make_gateway(protocol) as gateway:
        await gateway.ask("What?", ImagePart(gateway.fetch_url))

    (head,) = gateway.heads
    names = {line.partition(b":")[0].lower() for line in head.splitlines()[1:] if line}
    assert names == {b"host", b"accept", b"accept-encoding", b"user-agent"}
    assert b"sim-session" not in head


@both_protocols
async def test_other_account_gets_files_of_its_own(
    make_gateway: GatewayMaker, protocol: ChatTransport
) -> None:
    async with make_gateway(protocol) as gateway:
        await gateway.counterpart.site.script("fault=rate_limited")
        _, record = await gateway.ask("What?", ImagePart(data_url(PNG, "image/png")))
        pages = await gateway.pages()

    assert [a.outcome for a in record.attempts] == [Outcome.RATE_LIMITED, Outcome.OK]
    assert [page["uploads"] for page in pages] == [1, 1]
    assert [page["violations"] for page in pages] == [[], []]


@both_protocols
async def test_nothing_stays_when_the_operator_wants_that(
    make_gateway: GatewayMaker, protocol: ChatTransport
) -> None:
    async with make_gateway(protocol, deletes=True) as gateway:
        await gateway.counterpart.site.script("fault=rate_limited")
        await gateway.ask(
            "What?", ImagePart(data_url(PNG, "image/png")), FilePart(data_url(PDF, ""), "a.pdf")
        )

    pages = await gateway.pages()
    assert [page["files"] for page in pages] == [{}, {}]
    assert [page["deletes"] for page in pages] == [2, 2]
    assert [page["violations"] for page in pages] == [[], []]


async def test_upload_that_fails_is_tried_with_another_account(make_gateway: GatewayMaker) -> None:
    async with make_gateway("http") as gateway:
        await gateway.counterpart.site.script("fault=bad_credentials", target="upload")
        text, record = await gateway.ask(
            "What? [[sim: text=A cat.]]", ImagePart(data_url(PNG, "image/png"))
        )
        pages = await gateway.pages()

    assert text == "A cat."
    assert [a.outcome for a in record.attempts] == [Outcome.UNAUTHORIZED, Outcome.OK]
    assert sorted(int(str(page["calls"])) for page in pages) == [0, 1]


async def test_client_that_leaves_during_an_upload_stops_it(make_gateway: GatewayMaker) -> None:
    async with make_gateway("http") as gateway:
        await gateway.counterpart.site.script("fault=hang", target="upload")
        async with asyncio.timeout(WAIT_S), asyncio.TaskGroup() as group:
            task = group.create_task(gateway.ask("What?", ImagePart(data_url(PNG, "image/png"))))
            while not gateway.counterpart.transport.sessions.active:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            task.cancel()

        assert gateway.counterpart.transport.sessions.active == 0
        assert [page["calls"] for page in await gateway.pages()] == [0, 0]
