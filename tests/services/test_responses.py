"""Kept responses where the store is away, chains are long, or summaries are not ours."""

from pathlib import Path

import msgspec
import pytest

from grok2api.config.responses import ResponsesSettings
from grok2api.domain.ids import ClientKeyId, ResponseId
from grok2api.domain.response import EventSlice, KeptResponse, ResponseState
from grok2api.errors import (
    BodyTooLargeError,
    GatewayError,
    InvalidRequestError,
    NotFoundError,
    StoreUnavailableError,
)
from grok2api.services import responses as module
from grok2api.services.background import Ending, Tell
from grok2api.services.responses import Responses, open_responses
from grok2api.services.summaries import Summaries
from grok2api.store.cipher import SecretCipher
from grok2api.store.connection import RedisClient, open_redis
from grok2api.store.responses import ResponseStore

MINE, THEIRS = ClientKeyId("key_mine"), ClientKeyId("key_theirs")
SETTINGS = ResponsesSettings(max_mb=1)


def kept(name: str = "resp_1", **facts: object) -> KeptResponse:
    response = KeptResponse(id=ResponseId(name), owner=MINE, body=b"{}")
    return msgspec.structs.replace(response, **facts)


async def never_asked(tell: Tell) -> Ending:
    raise AssertionError("nothing may be made that is not kept")


def failed(error: GatewayError) -> Ending:
    return Ending(ResponseState.FAILED, b"{}", EventSlice(0, 0, b""))


@pytest.fixture
def summaries(cipher: SecretCipher) -> Summaries:
    return Summaries(cipher)


async def test_answers_are_given_when_the_store_is_away(
    tmp_path: Path, cipher: SecretCipher, summaries: Summaries
) -> None:
    async with (
        open_redis(f"unix://{tmp_path}/nobody") as redis,
        open_responses(ResponseStore(redis, cipher), summaries, SETTINGS) as responses,
    ):
        await responses.keep(kept())
        with pytest.raises(StoreUnavailableError):
            await responses.background.start(kept(), never_asked, failed)
        assert responses.background.running == 0


async def test_what_is_too_large_is_not_kept(
    redis: RedisClient, cipher: SecretCipher, summaries: Summaries
) -> None:
    large = kept(body=b"x" * 2_000_000)
    async with open_responses(ResponseStore(redis, cipher), summaries, SETTINGS) as responses:
        await responses.keep(large)
        with pytest.raises(BodyTooLargeError):
            await responses.background.start(large, never_asked, failed)
        with pytest.raises(NotFoundError):
            await responses.find(MINE, large.id)


async def make_chain(responses: Responses, length: int) -> None:
    for number in range(length):
        previous = f"resp_{number - 1}" if number else ""
        await responses.keep(kept(f"resp_{number}", previous=previous))


async def test_a_chain_is_followed_to_its_beginning(
    redis: RedisClient, cipher: SecretCipher, summaries: Summaries
) -> None:
    async with open_responses(ResponseStore(redis, cipher), summaries, SETTINGS) as responses:
        await make_chain(responses, 4)

        found = await responses.chain(MINE, "resp_2")
        await responses.forget(MINE, "resp_0")
        with pytest.raises(NotFoundError) as broken:
            await responses.chain(MINE, "resp_2")

    assert [response.id for response in found] == ["resp_0", "resp_1", "resp_2"]
    assert broken.value.code == "previous_response_not_found"


async def test_a_chain_has_an_end(
    redis: RedisClient,
    cipher: SecretCipher,
    summaries: Summaries,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MAX_CHAIN", 3)
    async with open_responses(ResponseStore(redis, cipher), summaries, SETTINGS) as responses:
        await make_chain(responses, 4)

        assert len(await responses.chain(MINE, "resp_2")) == 3
        with pytest.raises(InvalidRequestError) as refused:
            await responses.chain(MINE, "resp_3")
        with pytest.raises(InvalidRequestError):
            await responses.find_some(MINE, ["a", "b", "c", "d"])

    assert refused.value.code == "context_length_exceeded"


@pytest.mark.parametrize("state", [ResponseState.FAILED, ResponseState.IN_PROGRESS])
async def test_what_is_not_whole_cannot_be_continued(
    redis: RedisClient, cipher: SecretCipher, summaries: Summaries, state: ResponseState
) -> None:
    async with open_responses(ResponseStore(redis, cipher), summaries, SETTINGS) as responses:
        await responses.keep(kept(state=state))
        with pytest.raises(InvalidRequestError) as refused:
            await responses.chain(MINE, "resp_1")

    assert refused.value.code == "previous_response_not_completed"


def test_summaries_are_opened_for_their_owner_only(summaries: Summaries) -> None:
    sealed = summaries.seal(MINE, "They met. \ud83d")

    assert "met" not in sealed
    assert summaries.open(MINE, sealed) == "They met. \ud83d"
    assert summaries.open(THEIRS, sealed) is None


@pytest.mark.parametrize("foreign", ["", "ENC==", "gAAAAAB" * 9, "ü", "AQ" * 40])
def test_summaries_of_others_are_no_error(summaries: Summaries, foreign: str) -> None:
    assert summaries.open(MINE, foreign) is None
