"""What happens on the gateway socket once it is open."""

import asyncio
from types import MappingProxyType

from msgspec import UNSET, structs
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.utils import ClientDisconnected

from grok2api.simulator.accounts import Account
from grok2api.simulator.frames.socket_frames import SocketFrames
from grok2api.simulator.frames.socket_payloads import ItemCreate, SessionCreate
from grok2api.simulator.identity import make_uuid
from grok2api.simulator.ledger import Call, hash_prompt
from grok2api.simulator.script.directives import DirectiveError, Script, build_script
from grok2api.simulator.script.faults import FAULTS, SILENT_FAULTS
from grok2api.simulator.script.turn import InBandError, Turn, build_plan
from grok2api.simulator.site.gate import quota_refusal, refuse_attachments
from grok2api.simulator.site.inbox import Inbox
from grok2api.simulator.site.lines import SocketLine, run_while
from grok2api.simulator.site.player import play
from grok2api.simulator.world import Conversation, TurnIds, World

# The site leaves it to the client to close; a forgotten socket ends after this.
_LINGER_S = 30.0
_NORMAL, _POLICY_VIOLATION = 1000, 1008
_MAX_REASON_BYTES = 120
_NOT_FOUND = InBandError(FAULTS["not_found"].code, FAULTS["not_found"].message, "root")


# What a status means when it is too late for a status.
_LIKENESS = MappingProxyType(
    {401: "unauthorized_json", 403: "forbidden", 404: "not_found", 429: "rate_limited"}
)


class SocketTalk:
    """One socket from its acceptance to its end."""

    def __init__(
        self, world: World, account: Account, call: Call, scope: Scope, send: Send
    ) -> None:
        self._world = world
        self._account = account
        self._call = call
        self._scope = scope
        self._send = send
        self._inbox = Inbox(account.entry)
        self._attached = 0

    async def run(self, receive: Receive, queued: dict[str, str]) -> None:
        """Talk until the answer is over, the client leaves, or it breaks a rule."""
        try:
            problems = await run_while(self._converse(queued), self._inbox.pump(receive))
            if problems:
                await self._throw_out(problems)
        except* ClientDisconnected:
            self._call.cancel()

    async def _throw_out(self, problems: list[str]) -> None:
        self._world.ledger.note_violations(self._account.entry, "socket", problems)
        self._call.fail()
        reason = f"[simulator] {'; '.join(problems)}"
        frames = SocketFrames("", Script())
        error = frames.event("error", error={"code": "invalid_request", "message": reason})
        await self._send({"type": "websocket.send", "text": error.decode()})
        await self._close(_POLICY_VIOLATION, reason)

    async def _close(self, code: int, reason: str = "") -> None:
        shown = reason.encode()[:_MAX_REASON_BYTES].decode(errors="ignore")
        await self._send({"type": "websocket.close", "code": code, "reason": shown})

    async def _converse(self, queued: dict[str, str]) -> None:
        envelope, opening = await self._inbox.opening()
        session_id = "" if envelope.session_id is UNSET else envelope.session_id
        known = self._world.find_conversation(self._account, session_id)
        ids = self._world.name_turn(self._account, session_id)
        script = build_script(queued)
        line = SocketLine(self._scope, self._send, script)
        if session_id and known is None:
            await self._fail(line, SocketFrames(session_id, script), _NOT_FOUND)
        else:
            self._inbox.expect_turn(ids.conversation)
            await line.write(self._confirm(script, ids, opening))
            await self._answer(queued, ids, opening, known)
        await asyncio.sleep(_LINGER_S)
        await self._close(_NORMAL)

    def _confirm(self, script: Script, ids: TurnIds, opening: SessionCreate) -> list[bytes]:
        frames = SocketFrames(ids.conversation, script)
        created = frames.event("session.created", client_event_id=opening.event_id)
        attached_id = ids.conversation
        if script.wrong_conversation or script.empty_conversation:
            self._call.fail()
            attached_id = "" if script.empty_conversation else make_uuid("wrong", attached_id)
        attached = frames.event("conversation.attached", conversation={"id": attached_id})
        both = [attached, created] if script.attach_first else [created, attached]
        if script.foreign_first:
            stranger = SocketFrames(make_uuid("foreign", ids.conversation), script)
            event_id = f"evt_init_{make_uuid('foreign event', ids.conversation)}"
            both.insert(0, stranger.event("session.created", client_event_id=event_id))
        return both

    async def _answer(
        self,
        queued: dict[str, str],
        ids: TurnIds,
        opening: SessionCreate,
        known: Conversation | None,
    ) -> None:
        item = await self._inbox.turn()
        prompt = _prompt_of(item)
        self._account.entry.last_prompt = hash_prompt(prompt)
        line = SocketLine(self._scope, self._send, Script())
        frames = SocketFrames(ids.conversation, Script())
        file_ids = [] if item.file_attachment_ids is UNSET else item.file_attachment_ids
        if refuse_attachments(self._world, self._account, "socket", file_ids) is not None:
            await self._fail(line, frames, _NOT_FOUND)
            return
        if known is not None and item.parent_response_id not in known.parents:
            await self._fail(line, frames, _NOT_FOUND)
            return
        refusal = quota_refusal(self._world, self._account, opening.session.model)
        if refusal is not None:
            await self._fail(line, frames, InBandError(refusal.code, refusal.message, "root"))
            return
        try:
            script = self._world.scripts.decide(self._account.entry, queued, prompt)
            self._attached = len(file_ids)
            await self._perform(_bring_inside(script), ids, prompt, opening.session.model)
        except DirectiveError as error:
            text = f"[simulator] {error}"
            await self._fail(line, frames, InBandError("invalid_directive", text, "root"))

    async def _perform(self, script: Script, ids: TurnIds, prompt: str, mode: str) -> None:
        options = self._world.options
        if script.delay_ms is None:
            script = structs.replace(script, delay_ms=options.delay_ms)
        turn = Turn(prompt, self._account.user_id, ids.response, options.seed)
        plan = build_plan(script, turn)
        if plan.is_accepted and not script.fault:
            self._account.spend(mode)
            self._world.draw(self._account, script, turn)
            self._account.entry.attached += self._attached
        line = SocketLine(self._scope, self._send, script)
        frames = SocketFrames(ids.conversation, script)
        await asyncio.sleep(script.stall_headers_ms / 1000)
        if script.fault:
            await self._strike(line, script.fault)
            return
        await play(plan.steps, frames, line, script)
        if plan.failure is not None:
            await self._fail(line, frames, plan.failure)
            return
        await self._end(line, frames, script, ids)

    async def _end(
        self, line: SocketLine, frames: SocketFrames, script: Script, ids: TurnIds
    ) -> None:
        match script.end:
            case "done":
                if script.done in ("", "completed"):
                    self._world.keep_turn(self._account, ids)
                    self._call.finish()
                self._call.fail()
                await line.write(frames.finish(ids.response, script.done))
            case "close":
                self._call.fail()
                await self._close(_NORMAL)
            case "session_ended":
                self._call.fail()
                await line.write([frames.event("session.ended")])
            case "reset":
                await self._strike(line, "reset")
            case "truncate":
                await line.truncate(frames.event("response.chunk", chunk={"text": "cut off"}))
                await self._strike(line, "drop")
            case "silence":
                await self._strike(line, "hang")

    async def _strike(self, line: SocketLine, silent_fault: str) -> None:
        if silent_fault != "hang":
            self._call.fail()
        await line.strike(silent_fault)

    async def _fail(self, line: SocketLine, frames: SocketFrames, error: InBandError) -> None:
        self._call.fail()
        await line.write(frames.encode(error))


def _prompt_of(item: ItemCreate) -> str:
    last = item.item.x_grok.input_chunks[-1].text
    return "" if last is UNSET else last.text


def _bring_inside(script: Script) -> Script:
    """Turn a refusal that came too late for the handshake into an error in the stream."""
    if script.http:
        fault = FAULTS[_LIKENESS.get(script.http, "server_error")]
        return structs.replace(
            script, error="custom", code=str(fault.code), message=script.body or fault.message
        )
    if script.fault and script.fault not in SILENT_FAULTS:
        return structs.replace(script, error=script.fault, fault="")
    return script
