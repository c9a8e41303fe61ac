"""/v1/videos: jobs that make videos, and what they made."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from grok2api.dialects.json_body import find_unknown
from grok2api.dialects.named_images import read_options
from grok2api.dialects.openai_videos import (
    render_deleted_video,
    render_video,
    render_videos,
    status_of,
)
from grok2api.dialects.openai_videos_request import (
    VIDEO_DECODER,
    VIDEO_MODEL,
    VideoOrder,
    check_reference_count,
    check_video_model,
    ignored_video_fields,
    is_reference_field,
    parse_form_references,
    parse_video,
    parse_video_references,
)
from grok2api.domain.client_key import ClientKey
from grok2api.domain.ids import ClientKeyId
from grok2api.domain.media import MediaKind
from grok2api.domain.video import VideoState
from grok2api.domain.video_job import VideoJob
from grok2api.errors import (
    ConflictError,
    GatewayError,
    InvalidRequestError,
    NotFoundError,
    StoreUnavailableError,
)
from grok2api.services.files import GivenImage
from grok2api.telemetry.tokens import estimate_tokens
from grok2api.web.api.auth import admit, take
from grok2api.web.api.files import BY_KEY
from grok2api.web.api.openai_images import MAX_FORM_FILES
from grok2api.web.api.openai_response_turn import owner_of
from grok2api.web.api.queries import read_number
from grok2api.web.api.turn import IGNORED_HEADER, JSON, OPENAI, WARNING_HEADER, note_model
from grok2api.web.body import read_json
from grok2api.web.facts import RequestFacts, facts_of
from grok2api.web.forms import Form, is_form, read_form
from grok2api.web.media_response import MediaResponse
from grok2api.web.presence import client_present
from grok2api.web.public_url import public_url
from grok2api.web.state import state_of
from grok2api.wire.openai.videos import VideoOptions

IDEMPOTENCY_HEADER: Final = "idempotency-key"
MAX_IDEMPOTENCY_CHARS: Final = 255
POLL_HEADER: Final = "openai-poll-after-ms"
POLL_AFTER_MS: Final = 2000
DEFAULT_PAGE: Final = 20
MAX_PAGE: Final = 100


async def create_video(request: Request) -> Response:
    """Begin to make a video: a form with files, or JSON with links or base64."""
    facts_of(request).dialect = OPENAI
    caller = await admit(request)
    if not is_form(request):
        wire = await read_json(request, VIDEO_DECODER)
        given = [GivenImage(named.param, url=named.url) for named in parse_video_references(wire)]
        unknown = find_unknown(await request.body(), type(wire))
        return await _create(request, wire, given, unknown, caller)
    with await read_form(request, max_files=MAX_FORM_FILES) as form:
        options, given = _read_form(form)
        unknown = ignored_video_fields(form.names)
        return await _create(request, options, given, unknown, caller)


async def retrieve_video(request: Request) -> Response:
    """Tell how far a job is."""
    owner, job_id = await _begin(request)
    return _answer(request, await state_of(request).videos.find(owner, job_id))


async def list_videos(request: Request) -> Response:
    """List the jobs of a key, the newest first."""
    facts_of(request).dialect = OPENAI
    owner = owner_of(await admit(request))
    limit = read_number(request, "limit", DEFAULT_PAGE)
    if not 1 <= limit <= MAX_PAGE:
        raise _refusal(f"'limit' is 1 to {MAX_PAGE}.", "limit")
    order = request.query_params.get("order", "desc")
    if order not in ("asc", "desc"):
        raise _refusal("'order' is 'asc' or 'desc'.", "order")
    after = request.query_params.get("after", "")
    try:
        page = await state_of(request).videos.list(
            owner, after=after, limit=limit, ascending=order == "asc"
        )
    except NotFoundError as error:
        raise NotFoundError(error.message, param="after", code=error.code) from None
    body = render_videos(page.jobs, _Linker(request).link, has_more=page.has_more)
    return Response(body, media_type=JSON)


async def cancel_video(request: Request) -> Response:
    """Stop a job; what has ended stays as it is."""
    owner, job_id = await _begin(request)
    return _answer(request, await state_of(request).videos.cancel(owner, job_id))


async def delete_video(request: Request) -> Response:
    """Forget a job, and stop it if it is under way."""
    owner, job_id = await _begin(request)
    await state_of(request).videos.delete(owner, job_id)
    return Response(render_deleted_video(job_id), media_type=JSON)


async def video_content(request: Request) -> Response:
    """Send the finished video, or a part of it."""
    owner, job_id = await _begin(request)
    if request.query_params.get("variant", "video") != "video":
        raise _refusal("'variant' can only be 'video' here.", "variant")
    state = state_of(request)
    job = await state.videos.find(owner, job_id)
    if job.state is not VideoState.DONE or job.media is None:
        raise ConflictError(_explain_missing(job), param="video_id", code="video_not_ready")
    media = await state.media.find(MediaKind.VIDEO, job.media)
    if media is None:
        raise NotFoundError(
            "This video is not kept any more.", param="video_id", code="file_not_found"
        )
    return MediaResponse(
        media, state.media, request.headers, cache_control=BY_KEY, is_download=True
    )


async def _create(
    request: Request,
    options: VideoOptions,
    given: Sequence[GivenImage],
    unknown: tuple[str, ...],
    caller: ClientKey | None,
) -> Response:
    state = state_of(request)
    route = note_model(request, options.model or VIDEO_MODEL)
    check_video_model(route)
    is_older = state.settings.video.protocol == "older"
    order = parse_video(options, route, has_references=bool(given), is_older=is_older)
    token = _idempotency_key(request)
    facts, units = facts_of(request), len(order.request.segments) * route.model.cost
    facts.input_tokens = estimate_tokens(order.request.prompt)
    owner = owner_of(caller)
    is_known = await state.videos.is_known(owner, token)
    await take(request, caller, units=0 if is_known else units)
    async with client_present(request.receive, state.drain):
        intake = await state.files.take_images(given)
    with intake, _counting(facts, units):
        begun = await state.videos.create(
            owner,
            msgspec.structs.replace(order.request, references=intake.files),
            shown=order.shown,
            idempotency_key=token,
            caller=caller,
            call_id=facts.call_id,
        )
    if not begun.is_new:
        facts.units = facts.input_tokens = 0  # it has been paid for
    facts.job = begun.job.id
    response = _answer(request, begun.job)
    response.headers.update(_notes(order, unknown))
    return response


@contextmanager
def _counting(facts: RequestFacts, units: int) -> Iterator[None]:
    """Count a job that the body creates, also where nobody can tell whether it is there now."""
    facts.units = units
    try:
        yield
    except StoreUnavailableError:
        raise
    except GatewayError:
        facts.units = 0
        raise


def _read_form(form: Form) -> tuple[VideoOptions, list[GivenImage]]:
    # Browsers send an empty part for a file that was not chosen.
    given = [
        GivenImage(file.field, content=file.content, name=file.name, media_type=file.media_type)
        for file in form.files
        if is_reference_field(file.field) and (file.content.size_bytes or file.name)
    ]
    given += [
        GivenImage(named.param, url=named.url)
        for named in parse_form_references((part.field, part.text) for part in form.texts)
    ]
    check_reference_count(len(given))
    return read_options(VideoOptions, form.fields), given


async def _begin(request: Request) -> tuple[ClientKeyId, str]:
    facts_of(request).dialect = OPENAI
    owner = owner_of(await admit(request))
    job_id: str = request.path_params["video_id"]
    return owner, job_id


def _answer(request: Request, job: VideoJob) -> Response:
    headers = {} if job.has_ended else {POLL_HEADER: str(POLL_AFTER_MS)}
    body = render_video(job, _Linker(request).link)
    return Response(body, media_type=JSON, headers=headers)


class _Linker:
    """Makes links to the finished videos of one answer."""

    def __init__(self, request: Request) -> None:
        self._links = state_of(request).links
        self._base = public_url(request)

    def link(self, job: VideoJob) -> str:
        if job.media is None:
            return ""
        return self._links.link_to(MediaKind.VIDEO, job.media, self._base)


def _idempotency_key(request: Request) -> str:
    token = request.headers.get(IDEMPOTENCY_HEADER, "").strip()
    if len(token) > MAX_IDEMPOTENCY_CHARS:
        raise _refusal(
            f"'Idempotency-Key' has at most {MAX_IDEMPOTENCY_CHARS} characters.",
            "Idempotency-Key",
        )
    return token


def _notes(order: VideoOrder, unknown: tuple[str, ...]) -> dict[str, str]:
    lines = {IGNORED_HEADER: ", ".join(unknown), WARNING_HEADER: "; ".join(order.warnings)}
    return {name: line for name, line in lines.items() if line}


def _explain_missing(job: VideoJob) -> str:
    if job.has_ended:
        return f"There is no video: {job.error_message or 'it was cancelled.'}"
    return f"The video is not ready: it is {status_of(job)}, {job.percent} %."


def _refusal(message: str, param: str) -> InvalidRequestError:
    return InvalidRequestError(message, param=param, code="invalid_value")
