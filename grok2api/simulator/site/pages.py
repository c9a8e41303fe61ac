"""The small calls around a chat: session, quota, and the page with its verification element."""

import asyncio
from collections.abc import Callable
from html import escape

import msgspec
from msgspec import Struct
from starlette.types import Receive, Scope, Send

from grok2api.simulator.accounts import Account
from grok2api.simulator.frames.post_payloads import QUOTA_POST_DECODER
from grok2api.simulator.script.directives import Script, build_script
from grok2api.simulator.script.faults import FAULTS, SILENT_FAULTS
from grok2api.simulator.script.queue import Target
from grok2api.simulator.site.checks import (
    check_page,
    check_post,
    check_session_get,
    fold_headers,
    read_cookies,
)
from grok2api.simulator.site.gate import Answer, Visit, admit, from_fault, refuse, scripted_answer
from grok2api.simulator.site.lines import send_answer, strike
from grok2api.simulator.site.requests import read_body
from grok2api.simulator.world import World

_encode = msgspec.json.Encoder().encode
_OK = 200


class SmallRequest(Struct, frozen=True):
    """Headers by lower-case name, and the body."""

    headers: dict[str, str]
    body: bytes


def _change_nothing(_account: Account, _call: SmallRequest) -> None:
    pass


class SmallCall:
    """An ASGI application that answers at once, unless the queue has a script for its target.

    `settle` is called when the answer is a success of its own.
    """

    def __init__(
        self,
        world: World,
        target: Target,
        answer: Callable[[World, SmallRequest], tuple[Account | None, Answer]],
        settle: Callable[[Account, SmallRequest], None] = _change_nothing,
    ) -> None:
        self._world = world
        self._target = target
        self._answer = answer
        self._settle = settle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one call."""
        body = await read_body(receive)
        if body is None:
            return
        call = SmallRequest(fold_headers(scope["headers"]), body)
        account, answer = self._answer(self._world, call)
        script = Script()
        if account is not None:
            script = build_script(self._world.scripts.take(account.entry, self._target))
        await asyncio.sleep(script.stall_headers_ms / 1000)
        if script.fault in SILENT_FAULTS:
            await strike(scope, script.fault)
            return
        refusal = scripted_answer(script)
        if account is not None and refusal is None and answer.status == _OK:
            self._settle(account, call)
        await send_answer(send, refusal or answer)


def answer_session(world: World, call: SmallRequest) -> tuple[Account | None, Answer]:
    """Answer `GET /api/auth/session`: who the cookie belongs to, or that it belongs to nobody."""
    cookies, problems = read_cookies(call.headers, is_socket=False)
    problems += check_session_get(call.headers, world.options.origin)
    account = world.accounts.find(cookies.session)
    if problems:
        world.ledger.note_violations(account.entry if account else None, "session", problems)
        return account, refuse("session", problems)
    if account is None or account.entry.status == "expired":
        return account, Answer(200, b'{"status":"unauthenticated"}')
    status = "blocked" if account.entry.status == "blocked" else "authenticated"
    session = {"userId": account.user_id, "email": f"{account.entry.name}@example.com"}
    return account, Answer(200, _encode({"status": status, "session": session}))


def answer_quota(world: World, call: SmallRequest) -> tuple[Account | None, Answer]:
    """Answer `POST /rest/rate-limits`: the window of one mode."""
    cookies, problems = read_cookies(call.headers, is_socket=False)
    problems += check_post(call.headers, world.options.origin)
    mode = ""
    try:
        mode = QUOTA_POST_DECODER.decode(call.body).modelName
    except msgspec.DecodeError as error:
        problems.append(str(error))
    account, refusal = admit(
        world, Visit("quota", cookies, problems, call.headers.get("x-statsig-id"))
    )
    if account is not None:
        account.entry.quota_calls += 1
    if account is None or refusal is not None:
        return account, refusal or from_fault(FAULTS["bad_credentials"])
    window = account.quota.look(mode)
    shown = {
        "windowSizeSeconds": window.size_s,
        "remainingQueries": window.remaining,
        "totalQueries": window.total,
        "lowEffortRateLimits": None,
        "highEffortRateLimits": None,
    }
    return account, Answer(200, _encode(shown))


def answer_page(world: World, call: SmallRequest) -> tuple[Account | None, Answer]:
    """Answer `GET /index`: a page whose head carries the verification string."""
    problems = check_page(call.headers)
    cookies, cookie_problems = read_cookies(call.headers, is_socket=False)
    problems += cookie_problems
    account = world.accounts.find(cookies.session)
    if problems:
        world.ledger.note_violations(account.entry if account else None, "page", problems)
        return account, refuse("page", problems)
    page = (
        '<!DOCTYPE html><html lang="en"><head><title>Simulator</title>'
        f'<meta name="grok-site-verification" content="{escape(world.options.verification)}">'
        "</head><body><p>There is nobody here but us simulators.</p></body></html>"
    )
    return account, Answer(200, page.encode(), content_type="text/html; charset=utf-8")
