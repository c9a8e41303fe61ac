"""An operator who talks to a gateway and keeps every answer, to see that none holds a session."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import msgspec

from grok2api.config.schema import AppSettings
from grok2api.domain.account import Credentials, Pool, ProviderKind, Tier
from grok2api.domain.ids import AccountId
from grok2api.services.imports import account_id_of, mask_session
from grok2api.store.accounts import AccountStore, NewAccount
from tests.web.conftest import TEST_SETTINGS, WAIT_S, Edge, EdgeMaker

PASSWORD = "password-of-the-operator"
SETTINGS = msgspec.structs.replace(TEST_SETTINGS, app=AppSettings(app_key=PASSWORD))
KIND = ProviderKind.GROK_WEB
PLANTED = "planted-"


def session_of(name: object) -> str:
    """Return a session that no answer may hold."""
    return f"{PLANTED}session-0123456789-{name}"


def id_of(name: object) -> AccountId:
    return account_id_of(KIND, Credentials(session_of(name)))


class Operator:
    """Sends administrative requests; `answers` are the bodies and headers that came."""

    def __init__(self, edge: Edge, client: httpx2.AsyncClient) -> None:
        self.edge = edge
        self.client = client
        self.answers: list[str] = []

    async def add(self, *names: object, tier: Tier = Tier.BASIC, **facts: Any) -> list[AccountId]:
        """Put accounts into the store."""
        return await add_accounts(self.edge.store, names, tier, **facts)

    async def ask(
        self, method: str, path: str, body: object = None, **options: Any
    ) -> httpx2.Response:
        if body is not None:
            options["content"] = msgspec.json.encode(body)
        response = await self.client.request(method, f"/admin/api{path}", **options)
        self.answers += [response.text, str(response.headers)]
        return response

    async def get(self, path: str, **params: Any) -> Any:
        response = await self.ask("GET", path, params=params)
        assert response.status_code == 200, response.text
        return response.json()

    async def send(self, method: str, path: str, body: object, **params: Any) -> Any:
        response = await self.ask(method, path, body, params=params)
        assert response.status_code == 200, response.text
        return response.json()

    async def refused(
        self, method: str, path: str, body: object = None, **options: Any
    ) -> tuple[int, str | None, str | None]:
        """Return status, param and code of an error."""
        response = await self.ask(method, path, body, **options)
        error = response.json()["error"]
        assert error["message"]
        return response.status_code, error["param"], error["code"]

    async def statuses(self) -> dict[str, str]:
        found = (await self.edge.store.list(limit=1000)).accounts
        return {account.id: account.status.value for account in found}


async def add_accounts(
    store: AccountStore, names: Sequence[object], tier: Tier, **facts: Any
) -> list[AccountId]:
    for name in names:
        session = session_of(name)
        account = NewAccount(
            id_of(name), Pool(KIND, tier), Credentials(session), mask_session(session), **facts
        )
        await store.save(account)
    return [id_of(name) for name in names]


@asynccontextmanager
async def open_operator(make_edge: EdgeMaker) -> AsyncIterator[Operator]:
    """Start a gateway without accounts; at the end no answer may have held a session."""
    headers = {"authorization": f"Bearer {PASSWORD}"}
    async with (
        make_edge(SETTINGS) as edge,
        httpx2.AsyncClient(base_url=edge.url, headers=headers, timeout=WAIT_S) as client,
    ):
        await edge.store.remove(AccountId("acc_1"))
        operator = Operator(edge, client)
        yield operator
        assert not [text for text in operator.answers if PLANTED in text]
