"""`GET /ws/imagine/listen`: pictures over a WebSocket."""

import asyncio
from functools import partial

import msgspec
from msgspec import structs
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.utils import ClientDisconnected

from grok2api.simulator.accounts import Account
from grok2api.simulator.frames.imagine_frames import (
    Round,
    compose_round,
    encode_error,
    moderated_slots,
    scripted_error,
)
from grok2api.simulator.frames.imagine_payloads import (
    IMAGINE_DECODER,
    AskContent,
    ImagineMessage,
    check_message,
)
from grok2api.simulator.gallery import Form
from grok2api.simulator.ledger import Call, Submission, hash_prompt
from grok2api.simulator.pictures import Picture
from grok2api.simulator.script.directives import DirectiveError, Script, build_script
from grok2api.simulator.script.faults import SILENT_FAULTS
from grok2api.simulator.site.chat_socket import pass_door
from grok2api.simulator.site.checks import check_bare_handshake, fold_headers, read_cookies
from grok2api.simulator.site.gate import Visit, admit
from grok2api.simulator.site.lines import SocketLine, own_address, run_while, send_answer
from grok2api.simulator.world import World

# The site leaves it to the client to close; a forgotten socket ends after this.
_LINGER_S = 30.0
_NORMAL, _POLICY_VIOLATION = 1000, 1008
_MAX_REASON_BYTES = 120
_PRO = "image_pro"


class ImagineSocket:
    """The ASGI application behind the picture socket's address."""

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
        headers = fold_headers(scope["headers"])
        cookies, problems = read_cookies(headers, is_socket=False)
        query: bytes = scope["query_string"]
        problems += check_bare_handshake(headers, query, self._world.options.origin)
        visit = Visit("imagine", cookies, problems, is_signed=False)
        account, refusal = admit(self._world, visit)
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
            queued = self._world.scripts.take(account.entry, "imagine")
            if await pass_door(build_script(queued), call, scope, receive, send):
                await send({"type": "websocket.accept"})
                await _Talk(self._world, account, call, scope, send).run(receive, queued)
        finally:
            call.cancel()


class _Talk:
    """One socket from its acceptance to its end."""

    def __init__(
        self, world: World, account: Account, call: Call, scope: Scope, send: Send
    ) -> None:
        self._world = world
        self._account = account
        self._call = call
        self._scope = scope
        self._send = send
        self._asked: asyncio.Queue[AskContent] = asyncio.Queue()
        self._before: ImagineMessage | None = None

    async def run(self, receive: Receive, queued: dict[str, str]) -> None:
        """Talk until the client leaves, breaks a rule, or falls silent."""
        try:
            problems = await run_while(self._converse(queued), self._pump(receive))
            if problems:
                await self._throw_out(problems)
        except* ClientDisconnected:
            self._call.cancel()

    async def _pump(self, receive: Receive) -> list[str]:
        """Read until the client leaves (then nothing is returned) or something is wrong."""
        while True:
            message = await receive()
            if message["type"] == "websocket.disconnect":
                return []
            problems = self._take(message.get("text"))
            if problems:
                return problems

    def _take(self, text: str | None) -> list[str]:
        if text is None:
            return ["a binary message"]
        try:
            message = IMAGINE_DECODER.decode(text)
        except msgspec.DecodeError as error:
            return [str(error)]
        problems = check_message(message, self._before)
        if problems:
            return problems
        self._before = message
        content = message.item.content[0]
        if isinstance(content, AskContent):
            self._asked.put_nowait(content)
        return []

    async def _throw_out(self, problems: list[str]) -> None:
        self._world.ledger.note_violations(self._account.entry, "imagine", problems)
        self._call.fail()
        reason = f"[simulator] {'; '.join(problems)}"
        error = encode_error("invalid_request", reason)
        await self._send({"type": "websocket.send", "text": error.decode()})
        await self._close(_POLICY_VIOLATION, reason)

    async def _close(self, code: int, reason: str = "") -> None:
        shown = reason.encode()[:_MAX_REASON_BYTES].decode(errors="ignore")
        await self._send({"type": "websocket.close", "code": code, "reason": shown})

    async def _converse(self, queued: dict[str, str]) -> None:
        try:
            while True:
                async with asyncio.timeout(_LINGER_S):
                    asked = await self._asked.get()
                if not await self._answer(asked, queued):
                    return
                queued = {}
        except TimeoutError:
            await self._close(_NORMAL)

    async def _answer(self, asked: AskContent, queued: dict[str, str]) -> bool:
        """Answer one request; False if the connection has ended with it."""
        entry = self._account.entry
        entry.last_prompt = hash_prompt(asked.text)
        wanted = asked.properties.num_generations
        submission = Submission("image", asked.text, wanted)
        entry.note_submission(submission)
        try:
            script = self._world.scripts.decide(entry, queued, asked.text)
            moderated_slots(script)
        except DirectiveError as error:
            return await self._fail(encode_error("invalid_directive", f"[simulator] {error}"))
        if script.fault in SILENT_FAULTS:
            return await self._strike(SocketLine(self._scope, self._send, script), script.fault)
        if script.fault:
            script = structs.replace(script, error=script.fault, fault="")
        if script.error and script.after < 0:
            return await self._fail(scripted_error(script))
        if not self._account.spend_media(_PRO, wanted):
            message = "Image rate limit reached"
            return await self._fail(encode_error("rate_limit_exceeded", message))
        submission.is_accepted = True
        return await self._perform(script, self._prepare(asked, script))

    def _prepare(self, asked: AskContent, script: Script) -> Round:
        account, world = self._account, self._world
        count = max(asked.properties.num_generations - script.fewer, 0) + script.extra
        ids = world.name_media(account, "imagine", count)
        address = own_address(self._scope)
        ratio = asked.properties.aspect_ratio

        def paint(slot: int, percent: int, min_bytes: int) -> Picture:
            key = (asked.text, slot)
            painter = partial(world.studio.paint, ids[slot], ratio, *key, min_bytes=min_bytes)
            return painter(percent=percent)

        def publish(picture: Picture, form: Form) -> str:
            return address + world.studio.publish(account, picture, form)

        return Round(ids=ids, paint=paint, publish=publish)

    async def _perform(self, script: Script, asked: Round) -> bool:
        line = SocketLine(self._scope, self._send, script)
        delay_s = (
            self._world.options.delay_ms if script.delay_ms is None else script.delay_ms
        ) / 1000
        await asyncio.sleep((script.stall_headers_ms + script.stall_first_ms) / 1000)
        is_cut = script.after >= 0 and (bool(script.error) or script.end != "done")
        for number, frame in enumerate(compose_round(script, asked)):
            if is_cut and number == script.after:
                break
            if script.stall_mid_ms and number == max(script.stall_after, 0):
                await asyncio.sleep(script.stall_mid_ms / 1000)
            await line.write([frame])
            await asyncio.sleep(delay_s)
        if script.error:
            return await self._fail(scripted_error(script))
        if script.end == "done":
            self._call.finish()
            return True
        return await self._end(script, line)

    async def _end(self, script: Script, line: SocketLine) -> bool:
        if script.end in ("close", "session_ended"):
            self._call.fail()
            await self._close(_NORMAL)
            return False
        if script.end == "truncate":
            await line.truncate(b'{"type":"json","current_status":"cut off"}')
        endings = {"reset": "reset", "truncate": "drop"}
        return await self._strike(line, endings.get(script.end, "hang"))

    async def _strike(self, line: SocketLine, silent_fault: str) -> bool:
        if silent_fault != "hang":
            self._call.fail()
        await line.strike(silent_fault)
        return False

    async def _fail(self, error: bytes) -> bool:
        """Tell an error; the site then waits for the client to close or to ask again."""
        self._call.fail()
        await self._send({"type": "websocket.send", "text": error.decode()})
        return True
