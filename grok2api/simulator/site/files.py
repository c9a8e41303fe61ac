"""Uploads in both forms, the list of an account's files, and their deletion."""

import asyncio
from abc import ABC, abstractmethod
from urllib.parse import parse_qs

import msgspec
from msgspec import Struct
from starlette.types import Receive, Scope, Send

from grok2api.simulator.accounts import Account
from grok2api.simulator.files import content_path, list_files, rename_keys
from grok2api.simulator.frames.upload_payloads import (
    IMAGINE_SOURCE,
    Upload,
    UploadError,
    read_form,
    read_json,
)
from grok2api.simulator.script.directives import Script, build_script
from grok2api.simulator.script.faults import FAULTS, SILENT_FAULTS
from grok2api.simulator.script.queue import Target
from grok2api.simulator.site.checks import check_post, check_upload, fold_headers, read_cookies
from grok2api.simulator.site.gate import Answer, Visit, admit, from_fault, scripted_answer
from grok2api.simulator.site.lines import run_while, send_answer, strike
from grok2api.simulator.site.requests import read_body, wait_until_left
from grok2api.simulator.world import World

PAGE_SIZE = 50
_encode = msgspec.json.Encoder().encode


class FileCall(Struct, frozen=True):
    """One admitted call: whose, and what came with it. `upload` is None where none belongs."""

    account: Account
    script: Script
    path: str
    query: str
    upload: Upload | None


class FileEndpoint(ABC):
    """The ASGI application behind one address about files; subclasses say what is special."""

    target: Target
    page = "/"

    def __init__(self, world: World) -> None:
        self._world = world

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one call."""
        headers = fold_headers(scope["headers"])
        cookies, problems = read_cookies(headers, is_socket=False)
        body = await read_body(receive)
        if body is None:
            account = self._world.accounts.find(cookies.session)
            if account is not None and self.target == "upload":
                account.entry.broken_uploads += 1
            return
        upload = None
        try:
            upload = self._read(headers, body)
        except UploadError as error:
            problems.append(str(error))
        problems += self._check(headers, upload)
        visit = self._visit(Visit(self.target, cookies, problems, headers.get("x-statsig-id")))
        account, refusal = admit(self._world, visit)
        if account is None or refusal is not None:
            await send_answer(send, refusal or from_fault(FAULTS["bad_credentials"]))
            return
        script = build_script(self._world.scripts.take(account.entry, self.target))
        path, query = scope["path"].rpartition("/")[2], scope["query_string"].decode("latin-1")
        call = FileCall(account, script, path, query, upload)
        await run_while(self._serve(call, scope, send), wait_until_left(receive))

    async def _serve(self, call: FileCall, scope: Scope, send: Send) -> None:
        await asyncio.sleep(call.script.stall_headers_ms / 1000)
        if call.script.fault in SILENT_FAULTS:
            await strike(scope, call.script.fault)
            return
        await send_answer(send, scripted_answer(call.script) or self._answer(call))

    def _check(self, headers: dict[str, str], upload: Upload | None) -> list[str]:
        return check_post(headers, self._world.options.origin, page=self.page)

    def _read(self, headers: dict[str, str], body: bytes) -> Upload | None:
        if body:
            raise UploadError("no body belongs here")
        return None

    def _visit(self, visit: Visit) -> Visit:
        return visit

    @abstractmethod
    def _answer(self, call: FileCall) -> Answer:
        """Return what the site says to a call in order."""

    def _keep(self, call: FileCall) -> str:
        if call.upload is None:
            raise TypeError("an upload without a file")
        now_s = self._world.options.clock.now_s()
        return self._world.files.keep(call.account, call.upload, now_s)


class DirectUpload(FileEndpoint):
    """`POST /http/upload-file-v2/direct`: the page's form."""

    target: Target = "upload"

    def _check(self, headers: dict[str, str], upload: Upload | None) -> list[str]:
        is_for_media = upload is not None and upload.source == IMAGINE_SOURCE
        page = "/imagine" if is_for_media else "/"
        return check_upload(headers, self._world.options.origin, page=page)

    def _read(self, headers: dict[str, str], body: bytes) -> Upload | None:
        return read_form(headers.get("content-type", ""), body)

    def _visit(self, visit: Visit) -> Visit:
        return msgspec.structs.replace(visit, is_signed=False)

    def _answer(self, call: FileCall) -> Answer:
        if call.script.terminal_error:
            return Answer(200, _encode({"terminalError": {"message": call.script.terminal_error}}))
        file_id = self._keep(call)
        metadata = {
            "metadata": {"fileMetadataId": file_id, "fileId": f"file-{file_id}"},
            "file": {"fileId": file_id},
            "upload": None,
        }[call.script.upload_id]
        if metadata is not None:
            metadata["fileUri"] = content_path(call.account, file_id)
        upload_id = file_id if metadata is None else f"upload-{file_id}"
        shown = {"uploadId": upload_id, "terminalError": None, "fileMetadata": metadata}
        return Answer(200, _encode(shown))


class OlderUpload(FileEndpoint):
    """`POST /rest/app-chat/upload-file`: JSON with base64."""

    target: Target = "upload"

    def _read(self, headers: dict[str, str], body: bytes) -> Upload | None:
        return read_json(body)

    def _answer(self, call: FileCall) -> Answer:
        file_id = self._keep(call)
        upload = call.upload
        shown = {
            "fileMetadataId": file_id,
            "fileId": f"file-{file_id}",
            "fileUri": content_path(call.account, file_id),
            "fileName": upload.name if upload else "",
            "fileMimeType": upload.media_type if upload else "",
        }
        if call.script.upload_id == "file":
            shown |= {"fileMetadataId": "", "fileId": file_id}
        return Answer(200, _encode(shown))


class FileList(FileEndpoint):
    """`GET /rest/assets`: the account's files, page by page."""

    target: Target = "assets"
    page = "/files"

    def _answer(self, call: FileCall) -> Answer:
        token = parse_qs(call.query).get("pageToken", ["0"])[0]
        start = int(token) if token.isdecimal() else 0
        made = self._world.gallery.list_assets(
            call.account.user_id, self._world.options.clock.now_s()
        )
        views, has_more = list_files(
            call.account, self._world.files, made, start=start, count=PAGE_SIZE
        )
        files = [rename_keys(view, call.script.names) for view in views]
        shown: dict[str, object] = {"items" if call.script.names == "plain" else "assets": files}
        if has_more:
            shown["nextPageToken"] = str(start + PAGE_SIZE)
        return Answer(200, _encode(shown))


class FileDeletion(FileEndpoint):
    """`DELETE /rest/assets-metadata/{id}`."""

    target: Target = "delete"
    page = "/files"

    def _answer(self, call: FileCall) -> Answer:
        is_there = self._world.files.drop(call.account, call.path)
        if not is_there:
            is_there = self._world.gallery.drop(call.account.user_id, call.path)
            call.account.entry.deletes += is_there
        return Answer(200, b"{}") if is_there else from_fault(FAULTS["not_found"])
