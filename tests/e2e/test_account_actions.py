"""What the operator does to accounts while the gateway runs: the very next request obeys."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx2
import msgspec
import pytest

from tests.e2e.installation import Installation, make_sessions

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

FAST, EXPERT = "grok-chat-fast", "grok-chat-expert"
AT_ONCE = 8


def ask(here: Installation, model: str = FAST, count: int = AT_ONCE) -> list[int]:
    """Ask over connections of their own, so that every worker gets some; return the statuses."""

    async def one() -> int:
        body = {"model": model, "messages": [{"role": "user", "content": "Hello"}]}
        headers = {"authorization": f"Bearer {here.key}"}
        async with httpx2.AsyncClient(timeout=30) as http:
            reply = await http.post(f"{here.url}/v1/chat/completions", json=body, headers=headers)
            return reply.status_code

    async def several() -> list[int]:
        return list(await asyncio.gather(*(one() for _ in range(count))))

    return asyncio.run(several())


SETTINGS = {"GROK_ACCOUNT_REFRESH_ENABLED": "false", "GROK_ACCOUNT_SELECTION_WAIT_S": "0"}
ALL_SERVED, NONE_SERVED = [200] * AT_ONCE, [503] * AT_ONCE


def test_next_request_obeys_whatever_the_operator_does(
    install: Callable[..., Installation],
) -> None:
    here = install(accounts=0, settings=SETTINGS)
    (session,) = make_sessions(1)
    here.register([session], tier="heavy")
    here.import_accounts(session)
    (account,) = here.accounts()

    def act(*words: str) -> dict[str, Any]:
        said = here.command("accounts", words[0], account["id"], *words[1:], "--json")
        answer: dict[str, Any] = msgspec.json.decode(said)
        return answer

    assert ask(here) == ALL_SERVED

    assert act("disable") == {"done": [account["id"]], "unknown": []}
    assert ask(here) == NONE_SERVED
    act("restore")
    assert ask(here) == ALL_SERVED

    act("delete")
    assert ask(here) == NONE_SERVED
    act("restore")
    assert ask(here) == ALL_SERVED

    assert ask(here, EXPERT) == NONE_SERVED
    act("move", "--tier", "super")
    assert ask(here, EXPERT) == ALL_SERVED

    act("limit", "--to", "1")
    stream = here.client(max_retries=0).chat.completions.create(
        model=FAST,
        messages=[{"role": "user", "content": "Hi [[sim: tokens=400; delay_ms=20]]"}],
        stream=True,
    )
    next(iter(stream))
    assert ask(here) == NONE_SERVED
    act("limit", "--to", "0")
    assert ask(here, count=7) == [200] * 7
    stream.close()

    (refreshed,) = act("refresh")["refreshed"]
    assert (refreshed["tier"], refreshed["failure"]) == ("heavy", "")
    assert ask(here, "grok-chat-heavy") == ALL_SERVED


def test_expired_account_whose_session_works_is_revived_by_a_refresh(
    install: Callable[..., Installation],
) -> None:
    here = install(accounts=0, settings=SETTINGS)
    (session,) = make_sessions(1)
    here.register([session])
    here.import_accounts(session)
    (account,) = here.accounts()
    change = f"{here.sim}/_sim/accounts/{session}"
    httpx2.patch(change, json={"status": "expired"}).raise_for_status()
    statuses = ask(here)
    assert not set(statuses) & {200}
    assert [a["status"] for a in here.accounts()] == ["expired"]
    httpx2.patch(change, json={"status": "ok"}).raise_for_status()

    said = here.command("accounts", "refresh", account["id"])

    assert said.splitlines()[1].split() == [account["id"], "basic", "active", "refreshed"]
    assert ask(here) == ALL_SERVED
