"""Responses by the official SDK, over gunicorn workers, the embedded store and the simulator."""

from collections.abc import Callable
from typing import Any

import httpx2
import openai
import pytest

from tests.e2e.installation import Installation, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

Install = Callable[..., Installation]
MODEL = "grok-chat-fast"


def sim(directives: str) -> str:
    return f"Tell me about tides. [[sim: {directives}]]"


def ended(client: openai.OpenAI, response_id: str, *, seconds: float = 30.0) -> Any:
    def look() -> Any:
        response = client.responses.retrieve(response_id)
        return response if response.status != "in_progress" else None

    return wait_until(look, seconds=seconds, what="end of a background response")


def test_sdk_streams_completes_and_continues(install: Install) -> None:
    here = install(accounts=2)
    client = here.client()

    first = client.responses.create(model=MODEL, input="Hello")
    with client.responses.stream(
        model=MODEL, input="And then?", previous_response_id=first.id
    ) as stream:
        kinds = [event.type for event in stream]
        second = stream.get_final_response()

    assert first.output_text
    assert second.output_text
    assert kinds[0] == "response.created"
    assert kinds[-1] == "response.completed"
    assert client.responses.retrieve(second.id).previous_response_id == first.id
    assert here.ledger()["violations"] == []
    assert here.open_leases() == 0


def test_background_response_is_resumed_wherever_the_request_lands(install: Install) -> None:
    here = install(accounts=1)
    client = here.client()

    begun = client.responses.create(
        model=MODEL, input=sim("tokens=40; delay_ms=50"), background=True, stream=True
    )
    events = [next(iter(begun)) for _ in range(3)]
    begun.close()
    name = next(e.response.id for e in events if e.type == "response.created")
    # Each connection may land at the other worker: eight of them do not all land at one.
    for _ in range(8):
        with here.client(http_client=httpx2.Client()) as other:
            resumed = other.responses.retrieve(
                name, stream=True, starting_after=events[-1].sequence_number
            )
            events += [event for event, _ in zip(resumed, range(3), strict=False)]
            resumed.close()
    with here.client().responses.retrieve(
        name, stream=True, starting_after=events[-1].sequence_number
    ) as rest:
        events += list(rest)

    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert events[-1].type == "response.completed"
    whole = client.responses.retrieve(name)
    text = "".join(e.delta for e in events if e.type == "response.output_text.delta")
    assert text == whole.output_text


def test_background_response_is_cancelled_wherever_the_request_lands(install: Install) -> None:
    here = install(accounts=2)

    for _ in range(4):
        begun = here.client().responses.create(
            model=MODEL, input=sim("tokens=2000; delay_ms=20"), background=True
        )
        wait_until(lambda: here.open_leases() == 1, what="start")
        assert here.client().responses.cancel(begun.id).status == "cancelled"
        wait_until(lambda: here.open_leases() == 0, seconds=5, what="release")

    assert sum(a["cancelled"] for a in here.ledger()["accounts"].values()) == 4


def test_background_response_of_a_killed_worker_has_failed(install: Install) -> None:
    here = install(accounts=1)
    client = here.client(max_retries=5)

    begun = client.responses.create(
        model=MODEL, input=sim("tokens=3000; delay_ms=20"), background=True
    )
    wait_until(lambda: here.open_leases() == 1, what="start")
    for worker in here.worker_processes():
        worker.kill()
    wait_until(lambda: len(here.worker_processes()) == 2, what="new workers")
    lost = ended(client, begun.id)
    with client.responses.retrieve(begun.id, stream=True) as events:
        last = list(events)[-1]

    assert lost.status == "failed"
    assert lost.error.code == "server_error"
    assert last.type == "response.failed"


def test_background_response_survives_a_stop_that_waits_for_it(install: Install) -> None:
    here = install(accounts=1)

    begun = here.client().responses.create(
        model=MODEL, input=sim("tokens=60; delay_ms=50"), background=True
    )
    wait_until(lambda: here.open_leases() == 1, what="start")
    assert here.stop() == 0
    here.start()

    assert here.client().responses.retrieve(begun.id).status == "completed"
