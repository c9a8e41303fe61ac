"""POST /v1/images/generations and /v1/images/edits: pictures, streamed or whole."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import ExitStack, aclosing
from dataclasses import dataclass
from functools import partial
from typing import Final

import msgspec
import structlog
from starlette.requests import Request
from starlette.responses import Response

from grok2api.dialects.json_body import find_unknown
from grok2api.dialects.named_images import read_options
from grok2api.dialects.openai_images import (
    ImageStreamRenderer,
    ShownImage,
    count_input,
    measure_images,
    render_images,
)
from grok2api.dialects.openai_images_request import (
    EDIT_DECODER,
    EDIT_MODEL,
    GENERATION_DECODER,
    GENERATION_MODEL,
    ImageOrder,
    check_count,
    check_model,
    ignored_form_fields,
    is_image_field,
    parse_options,
    parse_references,
    refuse_images,
    refuse_unsupported,
)
from grok2api.domain.client_key import ClientKey
from grok2api.domain.images import ImageBatch, ImageMade, ImagePreview
from grok2api.domain.media import MediaKind, sniff_media_type
from grok2api.domain.model import Capability, Route
from grok2api.errors import MediaStoreError, StoreUnavailableError
from grok2api.services.dispatch import TurnRecord
from grok2api.services.files import GivenImage
from grok2api.telemetry.tokens import estimate_tokens
from grok2api.web.api.auth import admit, take
from grok2api.web.api.turn import (
    IGNORED_HEADER,
    JSON,
    OPENAI,
    WARNING_HEADER,
    note_mode,
    note_model,
    note_record,
)
from grok2api.web.body import read_json
from grok2api.web.facts import RequestFacts, facts_of
from grok2api.web.forms import Form, FormFile, FormText, is_form, read_form
from grok2api.web.presence import client_present
from grok2api.web.public_url import public_url
from grok2api.web.state import AppState, state_of
from grok2api.web.streaming import (
    MODE_HEADER,
    EventStreamResponse,
    StreamContext,
    StreamPace,
    Write,
)
from grok2api.wire.openai.images import ImageOptions, InputDetails

log = structlog.get_logger(__name__)

MAX_FORM_FILES: Final = 16
"""Read so far that the client can be told how many are too many."""
_INLINE_BYTES: Final = 64 * 1024
_MAGIC_BYTES: Final = 64
_NOT_KEPT: Final = "response_format: the pictures could not be kept, so here they are themselves"


@dataclass(frozen=True, slots=True, kw_only=True)
class _ImageCall:
    """A call that can be answered. `held` are the pictures it begins with."""

    state: AppState
    facts: RequestFacts
    order: ImageOrder
    route: Route
    caller: ClientKey | None
    base_url: str
    inputs: InputDetails
    held: ExitStack

    def headers(self, *more: str) -> dict[str, str]:
        """Tell which parameters had no effect, and what was served otherwise than asked."""
        lines = {
            IGNORED_HEADER: ", ".join(self.order.ignored),
            WARNING_HEADER: "; ".join((*self.order.warnings, *more)),
        }
        return {name: line for name, line in lines.items() if line}

    def stream(self) -> Response:
        """Answer with events."""
        renderer = ImageStreamRenderer(
            self.order, created_s=int(self.state.clock.now_s()), inputs=self.inputs
        )
        stream = self.state.settings.stream
        return EventStreamResponse(
            partial(self._produce, renderer),
            lambda error: renderer.fail(error, self.facts.request_id),
            pace=StreamPace(
                stream.commit_after_s, stream.keep_alive_s, ImageStreamRenderer.KEEP_ALIVE
            ),
            context=StreamContext(self.facts, self.state.drain, self.state.clock),
            headers=self.headers(),
        )

    async def _produce(self, renderer: ImageStreamRenderer, write: Write) -> bytes:
        record = TurnRecord()
        with self.held:
            try:
                source = self.state.images.stream(
                    self.order.request, self.route, record, self.caller, shows_steps=False
                )
                async with aclosing(source) as batches:
                    async for batch in batches:
                        note_mode(self.facts, record)
                        render = partial(renderer.render, batch)
                        await write(await _work(render, _size_of(batch)))
            finally:
                note_record(self.facts, record)
                self.facts.output_tokens = renderer.output_tokens
        return b""

    async def complete(self, request: Request) -> Response:
        """Answer with all pictures at once."""
        record = TurnRecord()
        with self.held:
            try:
                async with client_present(request.receive, self.state.drain):
                    made = await self.state.images.collect(
                        self.order.request, self.route, record, self.caller
                    )
            finally:
                note_record(self.facts, record)
        pictures = await self._show(made)
        usage = measure_images(self.inputs, [picture.content for picture in pictures])
        self.facts.output_tokens = usage.output_tokens
        created_s = int(self.state.clock.now_s())
        render = partial(render_images, pictures, self.order, created_s=created_s, usage=usage)
        body = await _work(render, sum(len(p.content) for p in pictures if not p.link))
        is_lost = self.order.wants_url and not all(picture.link for picture in pictures)
        headers = self.headers(_NOT_KEPT) if is_lost else self.headers()
        if self.facts.mode:
            headers[MODE_HEADER] = self.facts.mode
        return Response(body, media_type=JSON, headers=headers)

    async def _show(self, made: Sequence[ImageMade]) -> list[ShownImage]:
        """Return the pictures as they are answered; if links are wanted, kept."""
        if not self.order.wants_url:
            return [ShownImage(picture.content) for picture in made]
        return await asyncio.gather(*(self._keep(picture.content) for picture in made))

    async def _keep(self, content: bytes) -> ShownImage:
        """Keep a picture. One that cannot be kept has been paid for: it goes into the answer."""
        try:
            media_type = sniff_media_type(content[:_MAGIC_BYTES])
            media = await self.state.media.put(MediaKind.IMAGE, content, media_type)
        except (MediaStoreError, StoreUnavailableError) as error:
            log.warning("image_not_kept", error=error.kind.value, detail=error.detail)
            return ShownImage(content)
        return ShownImage(content, self.state.links.link(media, self.base_url))


async def create_images(request: Request) -> Response:
    """Make pictures from words."""
    facts_of(request).dialect = OPENAI
    caller = await admit(request)
    wire = await read_json(request, GENERATION_DECODER)
    route = note_model(request, wire.model or GENERATION_MODEL)
    way = check_model(route, Capability.IMAGE)
    refuse_images(wire)
    order = parse_options(wire, route, way)
    unknown = find_unknown(await request.body(), type(wire))
    return await _answer(request, _build_call(request, order, unknown, route, caller))


async def edit_images(request: Request) -> Response:
    """Make pictures from others: a form with files, or JSON with links or base64."""
    facts_of(request).dialect = OPENAI
    caller = await admit(request)
    if not is_form(request):
        wire = await read_json(request, EDIT_DECODER)
        given = [GivenImage(image.param, url=image.url) for image in parse_references(wire)]
        unknown = find_unknown(await request.body(), type(wire))
        return await _answer(request, await _prepare_edit(request, wire, given, unknown, caller))
    # The form is over, and its files are deleted, before the pictures are made.
    with await read_form(request, max_files=MAX_FORM_FILES) as form:
        options, given = _read_edit_form(form)
        unknown = ignored_form_fields(form.names)
        call = await _prepare_edit(request, options, given, unknown, caller)
    return await _answer(request, call)


def _read_edit_form(form: Form) -> tuple[ImageOptions, list[GivenImage]]:
    # Browsers send an empty part for a file that was not chosen.
    refuse_unsupported(file.field for file in form.files if file.content.size_bytes)
    refuse_unsupported(part.field for part in form.texts if part.text.strip())
    named = (part for part in form.parts if is_image_field(part.field))
    given = [image for part in named if (image := _read_image(part))]
    check_count(len(given))
    return read_options(ImageOptions, form.fields), given


def _read_image(part: FormFile | FormText) -> GivenImage | None:
    if isinstance(part, FormText):
        return GivenImage(part.field, url=part.text) if part.text.strip() else None
    return GivenImage(part.field, content=part.content, name=part.name, media_type=part.media_type)


async def _prepare_edit(
    request: Request,
    options: ImageOptions,
    given: Sequence[GivenImage],
    unknown: tuple[str, ...],
    caller: ClientKey | None,
) -> _ImageCall:
    """Return the call with its pictures at hand; what is cheap to check is checked first."""
    state = state_of(request)
    route = note_model(request, options.model or EDIT_MODEL)
    order = parse_options(options, route, check_model(route, Capability.IMAGE_EDIT))
    with ExitStack() as stack:
        async with client_present(request.receive, state.drain):
            intake = stack.enter_context(await state.files.take_images(given))
        edit = msgspec.structs.replace(order.request, references=intake.files)
        order = msgspec.structs.replace(order, request=edit)
        return _build_call(request, order, unknown, route, caller, held=stack.pop_all())


def _build_call(
    request: Request,
    order: ImageOrder,
    unknown: tuple[str, ...],
    route: Route,
    caller: ClientKey | None,
    held: ExitStack | None = None,
) -> _ImageCall:
    state, facts = state_of(request), facts_of(request)
    asked = msgspec.structs.replace(order.request, is_sensitive=state.settings.features.enable_nsfw)
    inputs = count_input(estimate_tokens(asked.prompt), [file.content for file in asked.references])
    facts.input_tokens = inputs.text_tokens + inputs.image_tokens
    facts.is_stream = order.is_stream
    return _ImageCall(
        state=state,
        facts=facts,
        order=msgspec.structs.replace(order, request=asked, ignored=(*order.ignored, *unknown)),
        route=route,
        caller=caller,
        base_url=public_url(request),
        inputs=inputs,
        held=held or ExitStack(),
    )


async def _answer(request: Request, call: _ImageCall) -> Response:
    try:
        await take(request, call.caller, units=call.order.request.n * call.route.model.cost)
    except BaseException:
        call.held.close()
        raise
    return call.stream() if call.order.is_stream else await call.complete(request)


async def _work(render: Callable[[], bytes], size_bytes: int) -> bytes:
    """Have pictures of so many bytes rendered; where that takes long, beside the loop."""
    return render() if size_bytes < _INLINE_BYTES else await asyncio.to_thread(render)


def _size_of(batch: ImageBatch) -> int:
    shown = (event for event in batch if isinstance(event, ImagePreview | ImageMade))
    return sum(len(event.content) for event in shown)
