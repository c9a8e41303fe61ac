"""What every client library sees of the gateway, over real sockets, through two workers."""

import base64

import msgspec
import pytest

from tests.clients.conftest import Bench
from tests.clients.drivers import CLIENTS, ROOT
from tests.clients.table import Table
from tests.e2e.installation import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

PAGE = ROOT / "docs" / "compatibility.md"
FOUND = ROOT / "build" / "compatibility.md"
ANSWER = "The moon pulls the sea 🌊."
THOUGHT = "I wonder about the moon."
CALL = r'tool_call="get_weather {\"city\": \"Kíel\"}"'
RESULT_OF_TOOLS = {"calls": [["get_weather", {"city": "Kíel"}]], "text": "It is sunny."}
KIEL = {"name": "Kiel", "people": 247_000}
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAA"
    "AABJRU5ErkJggg=="
)


@pytest.mark.cell("whole")
def test_whole_answer_with_its_usage(bench: Bench) -> None:
    seen = bench.ask("whole", f"text={ANSWER}")

    assert seen["text"] == ANSWER
    assert seen["input"] > 0
    assert seen["output"] > 0


@pytest.mark.cell("streamed")
def test_streamed_answer_with_its_usage(bench: Bench) -> None:
    seen = bench.ask("streamed", f"text={ANSWER}; delay_ms=5")

    assert seen["text"] == ANSWER
    assert seen["pieces"] > 1
    assert seen["input"] > 0
    assert seen["output"] > 0


@pytest.mark.cell("tools")
def test_tool_is_called_and_its_result_answered(bench: Bench) -> None:
    assert bench.ask("tools", CALL, "text=It is sunny.") == RESULT_OF_TOOLS


@pytest.mark.cell("tools_streamed")
def test_tool_is_called_in_a_stream_and_its_result_answered(bench: Bench) -> None:
    assert bench.ask("tools_streamed", CALL, "text=It is sunny.") == RESULT_OF_TOOLS


@pytest.mark.cell("reasoning")
def test_reasoning_stands_beside_the_text(bench: Bench) -> None:
    seen = bench.ask("reasoning", f"text={ANSWER}; reasoning={THOUGHT}")

    assert (seen["reasoning"].strip(), seen["text"]) == (THOUGHT, ANSWER)


@pytest.mark.cell("reasoning_streamed")
def test_streamed_reasoning_stands_beside_the_text(bench: Bench) -> None:
    seen = bench.ask("reasoning_streamed", f"text={ANSWER}; reasoning={THOUGHT}")

    assert (seen["reasoning"].strip(), seen["text"]) == (THOUGHT, ANSWER)


@pytest.mark.lack("reasoning")
@pytest.mark.parametrize("feature", ["reasoning", "reasoning_streamed"])
def test_client_without_reasoning_has_the_text(bench: Bench, feature: str) -> None:
    seen = bench.ask(feature, f"text={ANSWER}; reasoning={THOUGHT}")

    assert (seen["reasoning"], seen["text"]) == ("", ANSWER)


@pytest.mark.cell("structured")
def test_structured_output_is_parsed(bench: Bench) -> None:
    said = msgspec.json.encode(msgspec.json.encode(KIEL).decode()).decode()

    assert bench.ask("structured", f"text={said}") == KIEL


@pytest.mark.cell("image")
def test_image_reaches_the_account_that_answers(bench: Bench) -> None:
    names = ("calls", "uploads", "attached", "upload_bytes")
    before = [bench.total(name) for name in names]

    seen = bench.ask("image", f"text={ANSWER}", image=PIXEL)

    assert seen["text"] == ANSWER
    after = [bench.total(name) for name in names]
    rise = [new - old for new, old in zip(after, before, strict=True)]
    assert rise == [1, 1, 1, len(base64.b64decode(PIXEL))]


@pytest.mark.cell("errors")
def test_unknown_model_and_wrong_key_are_told_and_ask_no_account(bench: Bench) -> None:
    before = bench.total("calls")

    model = bench.ask("unknown_model", model="gpt-nothing")
    key = bench.ask("wrong_key")

    assert model["status"] == 404
    assert "gpt-nothing" in model["message"]
    assert key["status"] == 401
    assert bench.total("calls") == before


@pytest.mark.cell("broken")
def test_error_in_the_middle_is_raised_and_not_asked_again(bench: Bench) -> None:
    before = bench.total("calls")

    seen = bench.ask("broken", "tokens=20; delay_ms=5; reset_after=5")

    assert seen["message"]
    assert bench.total("calls") == before + 1


@pytest.mark.cell("cancelled")
def test_client_that_leaves_stops_the_upstream(bench: Bench) -> None:
    before = bench.total("cancelled")

    assert bench.ask("cancelled", "tokens=2000; delay_ms=20")

    assert wait_until(lambda: bench.total("cancelled") == before + 1, what="the upstream's end")


@pytest.mark.cell("retried")
def test_request_that_is_worth_it_is_sent_again(bench: Bench) -> None:
    before = bench.total("calls")

    seen = bench.ask("retried", "fault=unavailable; retry_after=1", f"text={ANSWER}")

    assert seen["text"] == ANSWER
    assert bench.total("calls") == before + 2


@pytest.mark.lack("retried")
def test_client_that_never_asks_again_tells_the_error(bench: Bench) -> None:
    before = bench.total("calls")

    seen = bench.ask("hopeless", "fault=unavailable; retry_after=1")

    assert seen["status"] == 502
    assert bench.total("calls") == before + 1


@pytest.mark.cell("hopeless")
def test_hopeless_request_ends_as_an_error(bench: Bench, table: Table) -> None:
    before = bench.total("calls")

    seen = bench.ask("hopeless", prompt="Hello! [[sim: fault=unavailable]]")

    assert seen["status"] == 502
    table.counts[bench.client, "hopeless"] = bench.total("calls") - before


def test_page_is_what_the_clients_saw(table: Table) -> None:
    # The last one of this file: what the others found is in the table by now.
    assert set(table.versions) == set(CLIENTS), "All of tests/clients must run for this."
    FOUND.parent.mkdir(exist_ok=True)
    FOUND.write_text(table.render(), encoding="utf-8")

    is_current = PAGE.read_text(encoding="utf-8") == table.render()

    assert is_current, f"{PAGE} is out of date: what was found is in {FOUND}"
