"""Edits and videos: `POST /rest/app-chat/conversations/new` with a model of pictures or videos."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec
from msgspec import Struct
from starlette.types import Receive, Scope, Send

from grok2api.simulator.accounts import Account
from grok2api.simulator.frames.imagine_frames import moderated_slots
from grok2api.simulator.frames.media_frames import compose_edit, compose_video
from grok2api.simulator.frames.media_payloads import MediaPost, check_media_post, read_media_post
from grok2api.simulator.frames.stream_frames import StreamFrames
from grok2api.simulator.ledger import Call, hash_prompt
from grok2api.simulator.script.directives import DirectiveError, Script
from grok2api.simulator.script.faults import FAULTS, SILENT_FAULTS
from grok2api.simulator.script.turn import find_failure
from grok2api.simulator.site.checks import check_post, fold_headers, read_cookies
from grok2api.simulator.site.gate import Visit, admit, from_fault, refuse, scripted_answer
from grok2api.simulator.site.lines import BodyLine, run_while, send_answer, strike
from grok2api.simulator.site.media_orders import EditOrder, VideoOrder, read_order
from grok2api.simulator.site.media_rules import check_belongings, page_of
from grok2api.simulator.site.requests import wait_until_left
from grok2api.simulator.world import World

_HEADERS = [(b"content-type", b"application/json"), (b"cache-control", b"no-cache")]


class _Job(Struct, frozen=True):
    """One admitted call."""

    account: Account
    call: Call
    order: EditOrder | VideoOrder
    queued: dict[str, str]


class MediaStream:
    """What the chat address does with a body that is about pictures or videos."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def serve(self, body: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one call whose body has been read."""
        visit, post = self._look_at(scope, body)
        account, refusal = admit(self._world, visit)
        if account is None or refusal is not None or post is None:
            if account is not None:
                Call(account.entry).fail()
            await send_answer(send, refusal or from_fault(FAULTS["bad_credentials"]))
            return
        host = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
        problems = check_belongings(self._world, account, post, host)
        call = Call(account.entry)
        try:
            if problems:
                call.fail()
                self._world.ledger.note_violations(account.entry, visit.where, problems)
                await send_answer(send, refuse(visit.where, problems))
                return
            order = read_order(self._world, account, post)
            queued = self._world.scripts.take(account.entry, order.target)
            job = _Job(account, call, order, queued)
            await run_while(self._answer(job, scope, send), wait_until_left(receive))
        finally:
            call.cancel()

    def _look_at(self, scope: Scope, body: bytes) -> tuple[Visit, MediaPost | None]:
        headers = fold_headers(scope["headers"])
        cookies, problems = read_cookies(headers, is_socket=False)
        post, page = None, "/imagine"
        try:
            post = read_media_post(body)
            page = page_of(post)
            problems += check_media_post(post)
        except msgspec.DecodeError as error:
            problems.append(str(error))
        problems += check_post(headers, self._world.options.origin, page=page)
        return Visit("media", cookies, problems, headers.get("x-statsig-id")), post

    async def _answer(self, job: _Job, scope: Scope, send: Send) -> None:
        entry, order = job.account.entry, job.order
        entry.last_prompt = hash_prompt(order.submission.prompt)
        entry.note_submission(order.submission)
        try:
            script = self._world.scripts.decide(entry, job.queued, order.submission.prompt)
            moderated_slots(script)
        except DirectiveError as error:
            job.call.fail()
            await send_answer(send, refuse("directive", [str(error)]))
            return
        refusal = scripted_answer(script)
        is_early = find_failure(script) is not None and script.after < 0
        if refusal is None and not script.fault and not is_early:
            if job.account.spend_media(order.mode, 1):
                order.submission.is_accepted = True
            else:
                refusal = from_fault(FAULTS["rate_exhausted"])
        frames = StreamFrames(self._world.name_turn(job.account).response, script)
        steps = self._begin(job, script, frames) if order.submission.is_accepted else ()
        await asyncio.sleep(script.stall_headers_ms / 1000)
        if script.fault in SILENT_FAULTS:
            if script.fault != "hang":
                job.call.fail()
            await strike(scope, script.fault)
        elif refusal is not None:
            job.call.fail()
            await send_answer(send, refusal)
        else:
            await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
            await self._perform(job, script, frames, steps, BodyLine(scope, send, script))

    def _begin(self, job: _Job, script: Script, frames: StreamFrames) -> Iterable[bytes]:
        """Begin the work, which may go on without its client; return what is told of it."""
        pause_s = self._pause_s(job, script)
        if isinstance(job.order, EditOrder):
            return compose_edit(script, job.order.begin(script), frames)
        stalls_ms = script.stall_headers_ms + script.stall_first_ms + script.stall_mid_ms
        total_s = max(script.steps, 1) * pause_s + stalls_ms / 1000
        return compose_video(script, job.order.begin(script, total_s), frames)

    def _pause_s(self, job: _Job, script: Script) -> float:
        if isinstance(job.order, VideoOrder) and script.video_ms:
            return script.video_ms / 1000 / max(script.steps, 1)
        delay_ms = self._world.options.delay_ms if script.delay_ms is None else script.delay_ms
        return delay_ms / 1000

    async def _perform(
        self,
        job: _Job,
        script: Script,
        frames: StreamFrames,
        steps: Iterable[bytes],
        line: BodyLine,
    ) -> None:
        failure = find_failure(script)
        await asyncio.sleep(script.stall_first_ms / 1000)
        if job.order.submission.is_accepted:
            await line.write(self._opening(job, frames))
        pause_s = self._pause_s(job, script)
        is_cut = script.after >= 0 and (failure is not None or script.end != "done")
        for number, frame in enumerate(steps):
            if is_cut and number == script.after:
                break
            if script.stall_mid_ms and number == max(script.stall_after, 0):
                await asyncio.sleep(script.stall_mid_ms / 1000)
            await line.write([frame])
            await asyncio.sleep(pause_s)
        if failure is not None:
            job.call.fail()
            await line.write(frames.encode(failure))
            await line.end_stream()
        elif script.end != "done":
            await line.break_off(job.call)
        else:
            job.call.finish()
            await line.end_stream()

    def _opening(self, job: _Job, frames: StreamFrames) -> list[bytes]:
        now = datetime.fromtimestamp(self._world.options.clock.now_s(), UTC)
        created = now.isoformat(timespec="microseconds").replace("+00:00", "Z")
        ids = self._world.name_turn(job.account)
        prompt = job.order.submission.prompt
        return frames.open(ids.conversation, ids.user_response, prompt, created)
