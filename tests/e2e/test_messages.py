"""The Messages API of a whole installation, by the official SDK."""

from collections.abc import Callable
from typing import Any

import anthropic
import pytest

from tests.e2e.installation import Installation, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

Install = Callable[..., Installation]
MODEL = "claude-sonnet-5"
SETTINGS = {"GROK_MODELS_ALIASES": "claude-sonnet-5=grok-chat-fast, claude-*=grok-chat-fast"}
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAA"


def client_of(here: Installation, **options: Any) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=here.url, api_key=here.key, **options)


def sim(directives: str) -> list[Any]:
    return [{"role": "user", "content": f"Tell me about tides. [[sim: {directives}]]"}]


def calls(here: Installation) -> int:
    return sum(account["calls"] for account in here.ledger()["accounts"].values())


def test_sdk_creates_streams_counts_and_lists(install: Install) -> None:
    here = install(accounts=2, settings=SETTINGS)
    client = client_of(here)
    given: Any = {"model": MODEL, "max_tokens": 4000, "messages": sim("reasoning=I wonder.")}

    whole: Any = client.messages.create(thinking={"type": "adaptive"}, **given)
    with client.messages.stream(thinking={"type": "adaptive"}, **given) as stream:
        text = "".join(stream.text_stream)
        streamed: Any = stream.get_final_message()
    counted = client.messages.count_tokens(model="claude-haiku-9", messages=given["messages"])
    listed = [model.id for model in client.models.list(limit=5)]

    assert [block.type for block in whole.content] == ["thinking", "text"]
    assert whole.content[0].thinking == streamed.content[0].thinking
    assert whole.content[1].text == text == streamed.content[1].text
    assert whole.usage.input_tokens == streamed.usage.input_tokens == counted.input_tokens
    assert {MODEL, "grok-chat-fast"} <= set(listed)
    assert here.ledger()["violations"] == []
    assert here.open_leases() == 0


def test_conversation_with_thinking_and_results_goes_on(install: Install) -> None:
    here = install(accounts=1, settings=SETTINGS)
    client = client_of(here)
    thinking: Any = {"type": "enabled", "budget_tokens": 1024}
    given: Any = {"model": MODEL, "max_tokens": 4000, "thinking": thinking}
    first: Any = client.messages.create(messages=sim("reasoning=I wonder."), **given)
    call = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"at": "sea"}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "wet"}

    history = [
        *sim("reasoning=I wonder."),
        {"role": "assistant", "content": [*first.content, call]},
        {"role": "user", "content": [result, {"type": "text", "text": "And now?"}]},
    ]

    second: Any = client.messages.create(messages=history, **given)

    assert second.content
    assert here.ledger()["violations"] == []


def test_stop_sequence_ends_the_answer_and_frees_the_account(install: Install) -> None:
    here = install(accounts=1, settings=SETTINGS)

    answer = client_of(here).messages.create(
        model=MODEL,
        max_tokens=4000,
        messages=sim("text=One two three four; delay_ms=5"),
        stop_sequences=[" three"],
    )

    assert (answer.stop_reason, answer.stop_sequence) == ("stop_sequence", " three")
    assert answer.content[0].type == "text"
    assert answer.content[0].text == "One two"
    assert wait_until(lambda: here.open_leases() == 0, what="release")


def test_image_goes_to_the_account_that_answers(install: Install) -> None:
    here = install(accounts=1, settings=SETTINGS)
    source: Any = {"type": "base64", "media_type": "image/png", "data": PIXEL}

    answer = client_of(here).messages.create(
        model=MODEL,
        max_tokens=100,
        messages=[{"role": "user", "content": [{"type": "image", "source": source}]}],
    )

    assert answer.content
    (page,) = here.ledger()["accounts"].values()
    assert (page["calls"], page["uploads"], page["violations"]) == (1, 1, [])


def test_pool_without_accounts_is_overloaded(install: Install) -> None:
    here = install(accounts=0, settings=SETTINGS)

    with pytest.raises(anthropic.InternalServerError) as refused:
        client_of(here, max_retries=0).messages.create(
            model=MODEL, max_tokens=100, messages=sim("text=x")
        )

    assert refused.value.status_code == 529
    assert refused.value.request_id
    counted = client_of(here).messages.count_tokens(model=MODEL, messages=sim("text=x"))
    assert counted.input_tokens > 0


def test_failing_account_is_replaced_before_the_first_byte(install: Install) -> None:
    here = install(accounts=2, settings=SETTINGS)

    answer = client_of(here, max_retries=0).messages.create(
        model=MODEL, max_tokens=4000, messages=sim("http=429; fail_first=1")
    )

    assert answer.content
    assert calls(here) == 2


def test_failure_after_the_first_byte_is_raised_and_not_repeated(install: Install) -> None:
    here = install(accounts=2, settings=SETTINGS)

    with (
        pytest.raises(anthropic.APIStatusError) as broken,
        client_of(here).messages.stream(
            model=MODEL, max_tokens=4000, messages=sim("tokens=20; delay_ms=5; reset_after=5")
        ) as stream,
    ):
        stream.get_final_message()

    assert isinstance(broken.value.body, dict)
    assert broken.value.body["error"]["type"] == "api_error"
    assert calls(here) == 1
    assert wait_until(lambda: here.open_leases() == 0, what="release")


def test_client_that_leaves_mid_stream_frees_its_account(install: Install) -> None:
    here = install(accounts=1, settings=SETTINGS)

    with client_of(here).messages.stream(
        model=MODEL, max_tokens=100_000, messages=sim("tokens=2000; delay_ms=20")
    ) as stream:
        next(iter(stream.text_stream))

    assert wait_until(
        lambda: [a["cancelled"] for a in here.ledger()["accounts"].values()] == [1],
        seconds=5,
        what="cancelled upstream",
    )
    assert wait_until(lambda: here.open_leases() == 0, seconds=5, what="release")
