"""Pictures: one request, one account or several, and what happens when one fails."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest

from grok2api.domain.account import Mode, ProviderKind
from grok2api.domain.catalogue import CATALOGUE
from grok2api.domain.images import (
    ImageBatch,
    ImageMade,
    ImageRequest,
    ImagesDone,
    ImageStep,
    ImageWay,
)
from grok2api.domain.model import Model, Route
from grok2api.domain.quota import QuotaReport, Reading
from grok2api.error_kinds import LimitExtent
from grok2api.errors import (
    ContentRejectedError,
    NoAccountAvailableError,
    UpstreamProtocolError,
    UpstreamRateLimitError,
    UpstreamUnavailableError,
)
from grok2api.providers.session import UpstreamSession
from grok2api.services.dispatch import Dispatcher, TurnRecord
from grok2api.services.images import AT_ONCE, ImageService
from grok2api.store.account_edits import AccountEdits, Finding
from grok2api.store.connection import RedisClient
from tests.services.conftest import Bench

BY_NAME = {model.name: model for model in CATALOGUE}
Play = Callable[[ImageRequest, str], AsyncIterator[ImageBatch]]


@dataclass
class ScriptedImages:
    """Plays the next script of `plays`, else `otherwise`; notes who was asked for how many."""

    otherwise: Play
    plays: list[Play] = field(default_factory=list)
    asked: list[tuple[str, int]] = field(default_factory=list)
    open: int = 0
    most_open: int = 0

    @asynccontextmanager
    async def make_images(
        self, request: ImageRequest, session: UpstreamSession
    ) -> AsyncIterator[AsyncIterator[ImageBatch]]:
        name = session.credentials.session
        self.asked.append((name, request.n))
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        play = self.plays.pop(0) if self.plays else self.otherwise
        try:
            yield play(request, name)
        finally:
            self.open -= 1


async def makes_all(request: ImageRequest, name: str) -> AsyncIterator[ImageBatch]:
    for slot in range(request.n):
        yield [ImageStep(slot, 50)]
        await asyncio.sleep(0)
        yield [ImageMade(slot, f"{name} {slot}".encode())]
    yield [ImagesDone()]


async def takes_its_time(request: ImageRequest, name: str) -> AsyncIterator[ImageBatch]:
    await asyncio.sleep(0.05)
    yield [ImageMade(0, name.encode()), ImagesDone()]


async def breaks(request: ImageRequest, name: str) -> AsyncIterator[ImageBatch]:
    yield [ImageStep(0, 10)]
    raise UpstreamUnavailableError("The socket broke.", status=503)


async def is_out(request: ImageRequest, name: str) -> AsyncIterator[ImageBatch]:
    yield []
    error = UpstreamRateLimitError("Image rate limit reached.", code="rate_limit_exceeded")
    error.extent = LimitExtent.WINDOW
    raise error


async def breaks_after_one(request: ImageRequest, name: str) -> AsyncIterator[ImageBatch]:
    yield [ImageMade(0, b"one")]
    raise UpstreamUnavailableError("The socket broke.", status=503)


async def withholds(request: ImageRequest, name: str) -> AsyncIterator[ImageBatch]:
    if not request.prompt:
        yield []
    raise ContentRejectedError("The upstream withholds it.", code="content_policy_violation")


async def hangs(request: ImageRequest, name: str) -> AsyncIterator[ImageBatch]:
    yield [ImageStep(0, 1)]
    await asyncio.Event().wait()


@dataclass
class Easel:
    bench: Bench
    script: ScriptedImages
    images: ImageService
    record: TurnRecord = field(default_factory=TurnRecord)

    async def fast_left(self) -> int:
        accounts = (await self.bench.store.list()).accounts
        return sum(account.windows[Mode.FAST].remaining for account in accounts)


@pytest.fixture
def easel(bench: Bench) -> Easel:
    script = ScriptedImages(makes_all)
    kind = ProviderKind.GROK_WEB
    providers = {kind: replace(bench.providers[kind], images=script)}
    dispatcher = Dispatcher(replace(bench.parts, providers=providers))
    return Easel(bench, script, ImageService(dispatcher, patience_s=5.0))


def wish(n: int, way: ImageWay = ImageWay.LITE) -> ImageRequest:
    return ImageRequest(model="some", way=way, prompt="A lighthouse.", n=n)


def route(model: Model) -> Route:
    return Route(requested=model.name, model=model, modes=(model.mode,))


LITE = route(BY_NAME["grok-imagine-image-lite"])
SPEED = route(BY_NAME["grok-imagine-image"])


async def test_lite_pictures_are_asked_for_one_by_one_and_keep_their_slots(easel: Easel) -> None:
    await easel.bench.add("one", "two")
    before = await easel.fast_left()

    made = await easel.images.collect(wish(4), LITE, easel.record)

    assert [picture.slot for picture in made] == [0, 1, 2, 3]
    assert [n for _, n in easel.script.asked] == [1, 1, 1, 1]
    assert len(easel.record.attempts) == 4
    assert before - await easel.fast_left() == 4
    assert await easel.bench.open_leases() == 0


async def test_no_more_than_a_few_accounts_work_at_the_same_time(easel: Easel) -> None:
    await easel.bench.add(*"abcdefgh")
    easel.script.otherwise = takes_its_time

    made = await easel.images.collect(wish(10), LITE, easel.record)

    assert len(made) == 10
    assert easel.script.most_open == AT_ONCE


async def test_failure_before_the_first_picture_is_tried_with_another_account(easel: Easel) -> None:
    await easel.bench.add("one", "two")
    easel.script.plays = [breaks]

    made = await easel.images.collect(wish(1), LITE, easel.record)

    assert len(made) == 1
    assert len({name for name, _ in easel.script.asked}) == 2


async def test_step_that_was_shown_binds_the_request_to_its_account(easel: Easel) -> None:
    await easel.bench.add("one", "two")
    easel.script.plays = [breaks]

    async def read_all() -> None:
        async with aclosing(easel.images.stream(wish(1), LITE, easel.record)) as batches:
            async for _ in batches:
                pass

    with pytest.raises(UpstreamUnavailableError):
        await read_all()
    assert len(easel.script.asked) == 1


async def test_pictures_that_were_made_are_named_when_the_others_fail(easel: Easel) -> None:
    await easel.bench.add("one")
    easel.script.plays = [makes_all, breaks_after_one, breaks_after_one]

    with pytest.raises(UpstreamProtocolError, match="of 3 pictures") as caught:
        await easel.images.collect(wish(3), LITE, easel.record)

    assert caught.value.code == "image_generation_incomplete"
    assert easel.script.open == 0
    assert await easel.bench.open_leases() == 0


async def test_part_that_is_refused_is_given_back_and_the_others_are_paid_for(
    easel: Easel,
) -> None:
    """What was cut off in the middle may have been counted; what was refused was not."""
    await easel.bench.add("one", "two", "three")
    before = await easel.fast_left()
    all_asked = asyncio.Event()

    async def makes_then_waits(request: ImageRequest, name: str) -> AsyncIterator[ImageBatch]:
        yield [ImageStep(0, 50)]
        if len(easel.script.asked) == 3:
            all_asked.set()
        await asyncio.Event().wait()

    async def refuses(request: ImageRequest, name: str) -> AsyncIterator[ImageBatch]:
        await all_asked.wait()
        async for batch in withholds(request, name):
            yield batch

    easel.script.plays = [refuses, makes_then_waits, makes_then_waits]

    with pytest.raises(ContentRejectedError):
        await easel.images.collect(wish(3), LITE, easel.record)

    assert before - await easel.fast_left() == 2
    assert sorted(attempt.units for attempt in easel.record.attempts) == [0, 1, 1]
    assert await easel.bench.open_leases() == 0


async def test_withheld_picture_is_not_tried_elsewhere(easel: Easel) -> None:
    await easel.bench.add("one", "two")
    easel.script.plays = [withholds]

    with pytest.raises(ContentRejectedError):
        await easel.images.collect(wish(1), LITE, easel.record)
    assert len(easel.script.asked) == 1


async def test_reader_that_leaves_stops_every_account(easel: Easel) -> None:
    await easel.bench.add("one", "two")
    easel.script.otherwise = hangs

    async with aclosing(easel.images.stream(wish(3), LITE, easel.record)) as batches:
        async for _ in batches:
            break

    assert easel.script.open == 0
    assert await easel.bench.open_leases() == 0


async def test_cancelled_request_leaves_no_lease(easel: Easel) -> None:
    await easel.bench.add("one", "two")
    easel.script.otherwise = hangs

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await easel.images.collect(wish(3), LITE, easel.record)

    assert easel.script.asked
    assert easel.script.open == 0
    assert await easel.bench.open_leases() == 0


async def test_pool_without_accounts_is_told(easel: Easel) -> None:
    with pytest.raises(NoAccountAvailableError):
        await easel.images.collect(wish(2, ImageWay.SPEED), SPEED, easel.record)


async def add_with_room(easel: Easel, redis: RedisClient, **rooms: int) -> None:
    """Add accounts, each with so many pictures left."""
    edits = AccountEdits(redis)
    for account_id, room in zip(await easel.bench.add(*rooms), rooms.values(), strict=True):
        report = QuotaReport((Reading(Mode.IMAGE_PRO, room, None, 86_400, 3600.0),), {})
        await edits.sync(account_id, Finding(report=report, next_in_s=3600.0))


async def test_pictures_that_no_account_has_room_for_are_made_by_several(
    easel: Easel, redis: RedisClient
) -> None:
    await add_with_room(easel, redis, one=1, two=1, three=1)

    made = await easel.images.collect(wish(3, ImageWay.SPEED), SPEED, easel.record)

    assert [picture.slot for picture in made] == [0, 1, 2]
    assert sorted(easel.script.asked) == [("one", 1), ("three", 1), ("two", 1)]


async def test_pictures_that_no_other_account_has_room_for_are_made_by_several(
    easel: Easel, redis: RedisClient
) -> None:
    """Only the upstream knew that the one with room for all of them has none left."""
    await add_with_room(easel, redis, one=3, two=2, three=1)
    easel.script.plays = [is_out]

    made = await easel.images.collect(wish(3, ImageWay.SPEED), SPEED, easel.record)

    assert [picture.slot for picture in made] == [0, 1, 2]
    assert sorted(easel.script.asked) == [("one", 3), ("three", 1), ("two", 1), ("two", 1)]


async def test_failure_after_all_attempts_is_told_and_not_begun_anew(easel: Easel) -> None:
    await easel.bench.add(*"abcdefgh")
    easel.script.otherwise = breaks

    with pytest.raises(UpstreamUnavailableError):
        await easel.images.collect(wish(3, ImageWay.SPEED), SPEED, easel.record)

    assert [n for _, n in easel.script.asked] == [3, 3, 3]


async def test_mode_is_known_while_several_accounts_still_work(easel: Easel) -> None:
    await easel.bench.add("one")

    async with aclosing(easel.images.stream(wish(2), LITE, easel.record)) as batches:
        async for _ in batches:
            assert easel.record.mode is Mode.FAST
