"""`POST /rest/app-chat/conversations/…`: chat as an HTTP stream."""

import asyncio
from datetime import UTC, datetime

import msgspec
from msgspec import Struct, structs
from starlette.types import Receive, Scope, Send

from grok2api.simulator.accounts import Account
from grok2api.simulator.frames.media_payloads import is_media_post
from grok2api.simulator.frames.post_payloads import (
    CHAT_POST_DECODER,
    ChatPost,
    check_chat_post,
    parent_of,
)
from grok2api.simulator.frames.stream_frames import StreamFrames
from grok2api.simulator.ledger import Call, hash_prompt
from grok2api.simulator.script.directives import DirectiveError, Script
from grok2api.simulator.script.faults import FAULTS, SILENT_FAULTS
from grok2api.simulator.script.turn import Plan, Turn, build_plan
from grok2api.simulator.site.checks import check_post, fold_headers, read_cookies
from grok2api.simulator.site.gate import (
    Answer,
    Visit,
    admit,
    from_fault,
    quota_refusal,
    refuse,
    refuse_attachments,
    scripted_answer,
)
from grok2api.simulator.site.lines import BodyLine, run_while, send_answer, strike
from grok2api.simulator.site.media_stream import MediaStream
from grok2api.simulator.site.player import play
from grok2api.simulator.site.requests import read_body, wait_until_left
from grok2api.simulator.world import TurnIds, World

_HEADERS = [(b"content-type", b"application/json"), (b"cache-control", b"no-cache")]


class _Job(Struct, frozen=True):
    """One admitted call."""

    account: Account
    call: Call
    post: ChatPost
    conversation: str
    queued: dict[str, str]


class StreamChat:
    """The ASGI application behind both chat addresses; new conversations may be about media."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._media = MediaStream(world)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one call."""
        body = await read_body(receive)
        if body is None:
            return
        conversation: str = scope.get("path_params", {}).get("conversation", "")
        if not conversation and is_media_post(body):
            await self._media.serve(body, scope, receive, send)
            return
        visit, post = self._look_at(scope, body, is_follow_up=bool(conversation))
        account, refusal = admit(self._world, visit)
        if account is not None and refusal is None and post is not None:
            refusal = refuse_attachments(self._world, account, "chat", post.fileAttachments)
        if account is None or post is None:
            if account is not None:
                Call(account.entry).fail()
            await send_answer(send, refusal or refuse("chat", visit.problems))
            return
        call = Call(account.entry)
        try:
            if refusal is not None:
                call.fail()
                await send_answer(send, refusal)
                return
            queued = self._world.scripts.take(account.entry, "chat")
            job = _Job(account, call, post, conversation, queued)
            await run_while(self._serve(job, scope, send), wait_until_left(receive))
        finally:
            call.cancel()

    def _look_at(
        self, scope: Scope, body: bytes, *, is_follow_up: bool
    ) -> tuple[Visit, ChatPost | None]:
        headers = fold_headers(scope["headers"])
        cookies, problems = read_cookies(headers, is_socket=False)
        problems += check_post(headers, self._world.options.origin)
        post = None
        try:
            post = CHAT_POST_DECODER.decode(body)
            problems += check_chat_post(post, is_follow_up=is_follow_up)
        except msgspec.DecodeError as error:
            problems.append(str(error))
        return Visit("chat", cookies, problems, headers.get("x-statsig-id")), post

    async def _serve(self, job: _Job, scope: Scope, send: Send) -> None:
        job.account.entry.last_prompt = hash_prompt(job.post.message)
        ids = self._world.name_turn(job.account, job.conversation)
        turn = Turn(job.post.message, job.account.user_id, ids.response, self._world.options.seed)
        try:
            script = self._world.scripts.decide(job.account.entry, job.queued, job.post.message)
            plan = build_plan(script, turn)
        except DirectiveError as error:
            job.call.fail()
            await send_answer(send, refuse("directive", [str(error)]))
            return
        answer = scripted_answer(script) or self._refuse_turn(job)
        if answer is None and plan.is_accepted and not script.fault:
            job.account.spend(job.post.modeId)
            self._world.draw(job.account, script, turn)
            job.account.entry.attached += len(job.post.fileAttachments)
        await asyncio.sleep(script.stall_headers_ms / 1000)
        if script.fault in SILENT_FAULTS:
            if script.fault != "hang":
                job.call.fail()
            await strike(scope, script.fault)
            return
        if answer is not None:
            job.call.fail()
            await send_answer(send, answer)
            return
        if script.delay_ms is None:
            script = structs.replace(script, delay_ms=self._world.options.delay_ms)
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        await self._perform(job, ids, script, plan, BodyLine(scope, send, script))

    def _refuse_turn(self, job: _Job) -> Answer | None:
        if job.conversation:
            known = self._world.find_conversation(job.account, job.conversation)
            if known is None or parent_of(job.post) not in known.parents:
                return from_fault(FAULTS["not_found"])
        refusal = quota_refusal(self._world, job.account, job.post.modeId)
        return None if refusal is None else from_fault(refusal)

    async def _perform(
        self, job: _Job, ids: TurnIds, script: Script, plan: Plan, line: BodyLine
    ) -> None:
        frames = StreamFrames(ids.response, script)
        if plan.is_accepted:
            now = datetime.fromtimestamp(self._world.options.clock.now_s(), UTC)
            created = now.isoformat(timespec="microseconds").replace("+00:00", "Z")
            await line.write(
                frames.open(ids.conversation, ids.user_response, job.post.message, created)
            )
        await play(plan.steps, frames, line, script)
        if plan.failure is not None:
            job.call.fail()
            await line.write(frames.encode(plan.failure))
            await line.end_stream()
            return
        if script.end != "done":
            await line.break_off(job.call)
            return
        self._world.keep_turn(job.account, ids)
        job.call.finish()
        stop = [*frames.soft_stop(), *frames.finish(ids.user_response, "A simulated chat")]
        await line.write(stop)
        await line.end_stream()
