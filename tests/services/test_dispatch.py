"""Failover, blame and release: what happens to accounts and clients when an upstream fails."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from grok2api.domain.account import Outcome, Status
from grok2api.domain.chat import (
    ConversationOpened,
    EventBatch,
    Finished,
    FinishReason,
    TextDelta,
)
from grok2api.errors import (
    AccountForbiddenError,
    ContentRejectedError,
    CredentialRejectedError,
    EgressBlockedError,
    GatewayError,
    ModelNotFoundError,
    NoAccountAvailableError,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamRateLimitError,
    UpstreamTimeoutError,
    UpstreamUnavailableError,
)
from grok2api.providers.session import UpstreamSession
from grok2api.services.dispatch import TurnRecord
from tests.services.conftest import Bench, Play, ask


def says(*words: str) -> Play:
    async def play(session: UpstreamSession) -> AsyncIterator[EventBatch]:
        yield [ConversationOpened("c")]
        for word in words:
            yield [TextDelta(word)]
        yield [Finished()]

    return play


def fails(error: GatewayError, *, after: int = 0) -> Play:
    async def play(session: UpstreamSession) -> AsyncIterator[EventBatch]:
        yield [ConversationOpened("c")]
        for _ in range(after):
            yield [TextDelta("x")]
        raise error

    return play


def hangs(*, after: int = 0) -> Play:
    async def play(session: UpstreamSession) -> AsyncIterator[EventBatch]:
        for _ in range(after):
            yield [TextDelta("x")]
        await asyncio.Event().wait()
        yield []

    return play


async def test_answer_comes_whole_and_the_slot_is_free_again(bench: Bench) -> None:
    await bench.add("a")
    bench.script.plays = [says("Hel", "lo")]
    record = TurnRecord()

    route, answer = await bench.chat.complete(ask(), record)

    assert answer.text == "Hello"
    assert answer.conversation_id == "c"
    assert route.model.name == "grok-chat-fast"
    assert [a.outcome for a in record.attempts] == [Outcome.OK]
    assert bench.script.closed == ["a"]
    assert await bench.open_leases() == 0


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (UpstreamRateLimitError("limited"), "cooling"),
        (CredentialRejectedError("dead", is_confirmed=True), "expired"),
        (CredentialRejectedError("maybe", is_confirmed=False), "cooling"),
        (AccountForbiddenError("blocked", is_blocked=True), "expired"),
        (AccountForbiddenError("not for you", is_blocked=False), "active"),
        (UpstreamUnavailableError("down"), "active"),
        (UpstreamProtocolError("odd"), "active"),
    ],
)
async def test_failure_before_the_first_event_goes_to_another_account(
    bench: Bench, error: UpstreamError, status: str
) -> None:
    await bench.add("a", "b")
    bench.script.plays = [fails(error), says("fine")]

    _, answer = await bench.chat.complete(ask(), TurnRecord())

    assert answer.text == "fine"
    assert len(set(bench.script.asked)) == 2
    statuses = await bench.statuses()
    assert statuses[f"acc_{bench.script.asked[0]}"] == status
    assert statuses[f"acc_{bench.script.asked[1]}"] == "active"
    assert await bench.open_leases() == 0


async def test_blocked_exit_gets_the_same_account_once_more_and_never_hurts_it(
    bench: Bench,
) -> None:
    await bench.add("a", "b")
    blocked = EgressBlockedError("challenge")
    bench.script.plays = [fails(blocked), fails(blocked), says("fine")]

    await bench.chat.complete(ask(), TurnRecord())

    first, again, other = bench.script.asked
    assert first == again != other
    assert set((await bench.statuses()).values()) == {"active"}


async def test_refused_request_is_not_tried_elsewhere(bench: Bench) -> None:
    await bench.add("a", "b")
    bench.script.plays = [fails(ContentRejectedError("no"))]

    with pytest.raises(ContentRejectedError):
        await bench.chat.complete(ask(), TurnRecord())

    assert len(bench.script.asked) == 1
    assert set((await bench.statuses()).values()) == {"active"}
    assert await bench.open_leases() == 0


async def test_upstream_that_wants_no_repetition_gets_none(bench: Bench) -> None:
    await bench.add("a", "b")
    error = UpstreamUnavailableError("down")
    error.is_final = True
    bench.script.plays = [fails(error)]

    with pytest.raises(UpstreamUnavailableError):
        await bench.chat.complete(ask(), TurnRecord())

    assert len(bench.script.asked) == 1


async def test_nothing_is_repeated_after_the_first_event(bench: Bench) -> None:
    await bench.add("a", "b")
    bench.script.plays = [fails(UpstreamUnavailableError("cut"), after=1)]
    seen = []

    async def read() -> None:
        async with bench.chat.stream(ask()) as turn:
            async for batch in turn:
                seen.extend(batch)

    with pytest.raises(UpstreamUnavailableError):
        await read()

    assert TextDelta("x") in seen
    assert len(bench.script.asked) == 1
    assert await bench.open_leases() == 0


async def test_attempts_are_bounded(bench: Bench) -> None:
    await bench.add(*"abcdef")
    bench.script.plays = [fails(UpstreamRateLimitError("limited", retry_after_s=7.0))] * 6

    with pytest.raises(UpstreamRateLimitError) as failed:
        await bench.chat.complete(ask(), TurnRecord())

    assert failed.value.retry_after_s == 7.0
    assert len(bench.script.asked) == 3
    assert list((await bench.statuses()).values()).count("cooling") == 3


async def test_last_failure_is_told_when_no_account_is_left(bench: Bench) -> None:
    await bench.add("a")
    bench.script.plays = [fails(UpstreamRateLimitError("limited"))]

    with pytest.raises(UpstreamRateLimitError):
        await bench.chat.complete(ask(), TurnRecord())


async def test_empty_pool_is_told_apart_from_a_busy_one(bench: Bench) -> None:
    with pytest.raises(NoAccountAvailableError, match="no account for model"):
        await bench.chat.complete(ask(), TurnRecord())

    await bench.add("a")
    bench.script.plays = [hangs(after=1), hangs(after=1)]
    async with bench.chat.stream(ask()) as one, bench.chat.stream(ask()) as two:
        assert await anext(aiter(one)) == [TextDelta("x")]
        assert await anext(aiter(two)) == [TextDelta("x")]
        with pytest.raises(NoAccountAvailableError, match="busy, cooling or out of quota") as busy:
            await bench.chat.complete(ask(), TurnRecord())
    assert busy.value.retry_after_s is None or busy.value.retry_after_s > 0
    assert await bench.open_leases() == 0


async def test_pool_of_dead_accounts_is_told_apart_too(bench: Bench) -> None:
    (account_id,) = await bench.add("a")
    await bench.store.set_status(account_id, Status.EXPIRED, reason="invalid_credentials")

    with pytest.raises(NoAccountAvailableError, match="expired or disabled"):
        await bench.chat.complete(ask(), TurnRecord())


async def test_silent_upstream_is_given_up_for_another(bench: Bench) -> None:
    await bench.add("a", "b")
    bench.script.plays = [hangs(), says("fine")]

    _, answer = await bench.chat.complete(ask(), TurnRecord())

    assert answer.text == "fine"
    assert set((await bench.statuses()).values()) == {"active"}


async def test_silence_everywhere_is_a_timeout(bench: Bench) -> None:
    await bench.add("a")
    bench.script.plays = [hangs()]

    with pytest.raises(UpstreamTimeoutError):
        await bench.chat.complete(ask(), TurnRecord())


@pytest.mark.parametrize("after", [0, 1])
async def test_client_that_leaves_frees_the_slot_and_hurts_nobody(bench: Bench, after: int) -> None:
    await bench.add("a")
    bench.script.plays = [hangs(after=after)]
    record = TurnRecord()

    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        task = group.create_task(bench.chat.complete(ask(), record))
        await bench.script.is_asked.wait()
        task.cancel()

    assert bench.script.closed == ["a"]
    assert [a.outcome for a in record.attempts] == [Outcome.CANCELLED]
    assert await bench.open_leases() == 0
    assert set((await bench.statuses()).values()) == {"active"}


async def test_cancelling_at_any_moment_leaves_no_lease(bench: Bench) -> None:
    await bench.add("a", "b")
    for turns in range(12):
        bench.script.plays = [says("one", "two")]
        async with asyncio.TaskGroup() as group:
            task = group.create_task(bench.chat.complete(ask(), TurnRecord()))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()

        assert await bench.open_leases() == 0
    assert bench.parts.keeper.held_count == 0


async def test_lease_that_ended_elsewhere_ends_the_stream(bench: Bench) -> None:
    (account_id,) = await bench.add("a")
    bench.script.plays = [says("one", "two", "three")]

    async def read() -> None:
        async with bench.chat.stream(ask()) as turn:
            async for _ in turn:
                await bench.store.remove(account_id)
                await bench.parts.keeper.renew_all()

    with pytest.raises(UpstreamUnavailableError, match="slot was lost"):
        await read()


async def test_stop_sequence_ends_the_upstream(bench: Bench) -> None:
    await bench.add("a")
    bench.script.plays = [hangs(after=50)]

    record = TurnRecord()

    _, answer = await bench.chat.complete(ask(stop=("xxx",)), record)

    assert answer.text == ""
    assert answer.finish_reason is FinishReason.STOP
    assert [a.outcome for a in record.attempts] == [Outcome.OK]
    assert bench.script.closed == ["a"]
    assert await bench.open_leases() == 0


async def test_unknown_model_takes_no_account(bench: Bench) -> None:
    await bench.add("a")

    with pytest.raises(ModelNotFoundError):
        await bench.chat.complete(msgspec.structs.replace(ask(), model="gpt-nothing"), TurnRecord())

    assert bench.script.asked == []
