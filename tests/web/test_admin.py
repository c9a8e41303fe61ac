"""Administrative routes: behind the administrator's password, and nothing else."""

import asyncio
import io
import logging
from collections.abc import AsyncIterator, Iterator, Mapping
from types import MappingProxyType

import httpx2
import msgspec
import pytest
import structlog

from grok2api.config.schema import AccountSettings, AppSettings, SelectionSettings
from grok2api.domain.account import Credentials, Pool, ProviderKind, Status, Tier
from grok2api.domain.ids import AccountId
from grok2api.store.accounts import NewAccount
from grok2api.store.connection import RedisClient
from grok2api.store.leader import LeaderStore
from grok2api.telemetry.logging import configure_logging
from tests.web.conftest import API_KEY, TEST_SETTINGS, Edge, EdgeMaker

PASSWORD = "planted-pässword"
ROUTES = [
    ("GET", "/admin/api/verify"),
    ("GET", "/admin/api/status"),
    ("POST", "/admin/api/sync"),
    ("GET", "/admin/api/tokens/explain?model=grok-chat-fast"),
    ("GET", "/admin/api/sessions"),
]


Headers = Mapping[bytes, bytes]


def bearer(password: str) -> Headers:
    return {b"authorization": b"Bearer " + password.encode()}


async def call(
    edge: Edge, method: str, path: str, headers: Headers = MappingProxyType({})
) -> httpx2.Response:
    """Send a request whose only credential is in `headers`."""
    async with httpx2.AsyncClient(base_url=edge.url) as client:
        return await client.request(method, path, headers=headers)


@pytest.fixture
async def admin_edge(make_edge: EdgeMaker) -> AsyncIterator[Edge]:
    settings = msgspec.structs.replace(
        TEST_SETTINGS,
        app=AppSettings(app_key=PASSWORD),
        account=AccountSettings(selection=SelectionSettings(strategy="lru")),
    )
    async with make_edge(settings) as running:
        yield running


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_password_opens_in_either_header(admin_edge: Edge, method: str, path: str) -> None:
    of_bearer = await call(admin_edge, method, path, bearer(PASSWORD))
    of_key = await call(admin_edge, method, path, {b"x-api-key": PASSWORD.encode("latin-1")})

    assert (of_bearer.status_code, of_key.status_code) == (200, 200)
    assert of_bearer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        bearer("wrong"),
        bearer(API_KEY),
        {b"x-api-key": API_KEY.encode()},
        {b"x-api-key": b"\xff\xfe"},
    ],
    ids=["nothing", "wrong", "client key", "client key in x-api-key", "no text"],
)
async def test_anything_else_is_a_401_with_an_error_object(
    admin_edge: Edge, method: str, path: str, headers: Headers
) -> None:
    response = await call(admin_edge, method, path, headers)

    assert response.status_code == 401
    error = response.json()["error"]
    assert error["type"] == "authentication_error"
    assert set(error) >= {"message", "type", "param", "code"}


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_password_in_the_address_does_not_count(
    admin_edge: Edge, method: str, path: str
) -> None:
    response = await call(
        admin_edge, method, path.partition("?")[0] + "?app_key=planted-p%C3%A4ssword"
    )

    assert response.status_code == 401


async def test_administrators_password_is_no_client_key(admin_edge: Edge) -> None:
    response = await call(admin_edge, "GET", "/v1/models", bearer(PASSWORD))

    assert response.status_code == 401


async def test_nobody_administers_before_a_password_exists(edge: Edge) -> None:
    response = await call(edge, "GET", "/admin/api/verify", bearer("x"))

    assert response.status_code == 401


async def test_verify_says_success(admin_edge: Edge) -> None:
    response = await call(admin_edge, "GET", "/admin/api/verify", bearer(PASSWORD))

    assert response.json() == {"status": "success"}


async def test_sync_changes_nothing(admin_edge: Edge) -> None:
    response = await call(admin_edge, "POST", "/admin/api/sync", bearer(PASSWORD))

    assert response.json()["changed"] is False
    assert "nothing to synchronise" in response.json()["message"]


async def test_status_counts_accounts_by_pool_and_state(admin_edge: Edge) -> None:
    for name, tier in (("acc_2", Tier.BASIC), ("acc_3", Tier.SUPER), ("acc_4", Tier.SUPER)):
        pool = Pool(ProviderKind.GROK_WEB, tier)
        account = NewAccount(AccountId(name), pool, Credentials(name), mask="…")
        await admin_edge.store.save(account)
    await admin_edge.store.set_status(AccountId("acc_2"), Status.DISABLED)
    await admin_edge.store.set_status(AccountId("acc_4"), Status.DELETED)

    body = (await call(admin_edge, "GET", "/admin/api/status", bearer(PASSWORD))).json()

    pools = {(pool["kind"], pool["tier"]): pool for pool in body["pools"]}
    assert (body["status"], body["size"], body["strategy"]) == ("ok", 3, "lru")
    assert body["leader"] is None
    assert pools["grok_web", "basic"]["by_status"]["disabled"] == 1
    assert pools["grok_web", "basic"]["by_status"]["active"] == 1
    assert pools["grok_web", "super"]["by_status"]["deleted"] == 1
    assert pools["grok_web", "heavy"]["total"] == 0


async def test_status_names_the_leader(admin_edge: Edge, redis: RedisClient) -> None:
    await LeaderStore(redis).campaign("host-1", ttl_s=60)

    body = (await call(admin_edge, "GET", "/admin/api/status", bearer(PASSWORD))).json()

    assert body["leader"]["owner"] == "host-1"
    assert body["leader"]["epoch"] > 0
    assert 0 < body["leader"]["ends_in_s"] <= 60


@pytest.fixture
def log_output() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    stream = io.StringIO()
    configure_logging("debug", "json", stream)
    yield stream
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


async def test_no_password_is_logged(log_output: io.StringIO, admin_edge: Edge) -> None:
    await call(admin_edge, "GET", "/admin/api/verify", bearer(PASSWORD))
    await call(admin_edge, "GET", "/admin/api/verify", bearer("planted-wrong"))
    await asyncio.sleep(0)

    text = log_output.getvalue()
    rows = [msgspec.json.decode(line) for line in text.splitlines()]
    served = [row["status"] for row in rows if row["msg"] == "request_served"]
    assert served == [200, 401]
    assert "planted" not in text
