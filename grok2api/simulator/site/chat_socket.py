"""`GET /ws/mgw/`: who may open the gateway socket."""

import asyncio

from starlette.types import Receive, Scope, Send

from grok2api.simulator.ledger import Call
from grok2api.simulator.script.directives import Script, build_script
from grok2api.simulator.script.faults import SILENT_FAULTS
from grok2api.simulator.site.checks import check_handshake, fold_headers, read_cookies
from grok2api.simulator.site.gate import Visit, admit, scripted_answer
from grok2api.simulator.site.lines import run_while, send_answer, strike
from grok2api.simulator.site.socket_talk import SocketTalk
from grok2api.simulator.world import World


class SocketChat:
    """The ASGI application behind the socket's address."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one socket."""
        await receive()
        self._world.ledger.open_sockets += 1
        try:
            await self._serve(scope, receive, send)
        finally:
            self._world.ledger.open_sockets -= 1

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        account, refusal = admit(self._world, self._look_at(scope))
        if account is None:
            if refusal is not None:
                await send_answer(send, refusal, is_handshake=True)
            return
        call = Call(account.entry)
        try:
            if refusal is not None:
                call.fail()
                await send_answer(send, refusal, is_handshake=True)
                return
            queued = self._world.scripts.take(account.entry, "chat")
            if await pass_door(build_script(queued), call, scope, receive, send):
                await send({"type": "websocket.accept"})
                talk = SocketTalk(self._world, account, call, scope, send)
                await talk.run(receive, queued)
        finally:
            call.cancel()

    def _look_at(self, scope: Scope) -> Visit:
        headers = fold_headers(scope["headers"])
        cookies, problems = read_cookies(headers, is_socket=True)
        query: bytes = scope["query_string"]
        problems += check_handshake(headers, query, self._world.options.origin)
        uid = query.decode("latin-1").removeprefix("uid=")
        return Visit("socket", cookies, problems, uid=uid, is_signed=False)


async def pass_door(script: Script, call: Call, scope: Scope, receive: Receive, send: Send) -> bool:
    """Let the script have its way with the handshake; True if it may be accepted."""
    is_silent = script.fault in SILENT_FAULTS
    if script.stall_headers_ms or is_silent:
        has_left = await run_while(_delay(script, call, scope), _wait_until_left(receive))
        if has_left or is_silent:
            return False
    answer = scripted_answer(script)
    if answer is None:
        return True
    call.fail()
    await send_answer(send, answer, is_handshake=True)
    return False


async def _delay(script: Script, call: Call, scope: Scope) -> None:
    await asyncio.sleep(script.stall_headers_ms / 1000)
    if script.fault in SILENT_FAULTS:
        if script.fault != "hang":
            call.fail()
        await strike(scope, script.fault)


async def _wait_until_left(receive: Receive) -> bool:
    while (await receive())["type"] != "websocket.disconnect":
        pass
    return True
