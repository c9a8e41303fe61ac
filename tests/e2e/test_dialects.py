"""What the three chat APIs have in common, each in its own form, over a whole installation."""

import base64
import time
from collections.abc import Callable
from typing import Any

import httpx2
import msgspec
import pytest

from tests.e2e.installation import Installation, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

Install = Callable[..., Installation]
MODEL = "grok-chat-fast"
PATHS = {
    "chat": "/v1/chat/completions",
    "responses": "/v1/responses",
    "messages": "/v1/messages",
}
LIMITS = {
    "chat": "max_completion_tokens",
    "responses": "max_output_tokens",
    "messages": "max_tokens",
}
FORMS = list(PATHS)


def body_of(form: str, directives: str, *, stream: bool, **options: Any) -> dict[str, Any]:
    text = f"Tell me about tides. [[sim: {directives}]]"
    said = [{"role": "user", "content": text}]
    body: dict[str, Any] = {"model": MODEL, "stream": stream}
    body |= {"input": text} if form == "responses" else {"messages": said}
    if form == "messages":
        body["max_tokens"] = 20_000
    if form == "chat" and stream:
        body["stream_options"] = {"include_usage": True}
    return body | options


def post(here: Installation, form: str, body: dict[str, Any]) -> httpx2.Response:
    headers = {"authorization": f"Bearer {here.key}"}
    return httpx2.post(f"{here.url}{PATHS[form]}", json=body, headers=headers, timeout=60)


def events_of(answer: httpx2.Response) -> list[dict[str, Any]]:
    lines = [line[6:] for line in answer.text.splitlines() if line.startswith("data: ")]
    return [msgspec.json.decode(line) for line in lines if line != "[DONE]"]


def usage_of(form: str, whole: dict[str, Any], events: list[dict[str, Any]]) -> tuple[int, int]:
    """Return the prompt and the completion, of a whole answer or of events."""
    if form == "chat":
        usage = whole["usage"] if whole else events[-1]["usage"]
        return usage["prompt_tokens"], usage["completion_tokens"]
    if form == "responses":
        usage = (whole or events[-1]["response"])["usage"]
        return usage["input_tokens"], usage["output_tokens"]
    if whole:
        return whole["usage"]["input_tokens"], whole["usage"]["output_tokens"]
    start, end = events[0]["message"]["usage"], events[-2]["usage"]
    return start["input_tokens"], end["output_tokens"]


def reason_of(form: str, whole: dict[str, Any], events: list[dict[str, Any]]) -> Any:
    if form == "chat":
        choices = whole["choices"] if whole else events[-2]["choices"]
        return choices[0]["finish_reason"]
    if form == "responses":
        response = whole or events[-1]["response"]
        return response["status"], response["incomplete_details"]
    return (whole or events[-2]["delta"])["stop_reason"]


CUT = {
    "chat": "length",
    "responses": ("incomplete", {"reason": "max_output_tokens"}),
    "messages": "max_tokens",
}
ENDED = {"chat": "stop", "responses": ("completed", None), "messages": "end_turn"}


def test_usage_reasons_and_limits_are_the_same_in_every_form(install: Install) -> None:
    here = install(accounts=2)
    ends: dict[str, set[tuple[int, int]]] = {}
    for form in FORMS:
        for stream in (False, True):
            answer = post(here, form, body_of(form, "text=One two three four", stream=stream))
            cut = post(
                here,
                form,
                body_of(form, "tokens=200; reasoning=none", stream=stream, **{LIMITS[form]: 7}),
            )
            for got, reason in ((answer, ENDED[form]), (cut, CUT[form])):
                assert got.status_code == 200, got.text
                whole, events = ({}, events_of(got)) if stream else (got.json(), [])
                assert reason_of(form, whole, events) == reason
                name = "ended" if got is answer else "cut"
                ends.setdefault(name, set()).add(usage_of(form, whole, events))

    assert {name: len(found) for name, found in ends.items()} == {"ended": 1, "cut": 1}
    assert all(prompt > 0 and done > 0 for found in ends.values() for prompt, done in found)
    [(_, cut_tokens)] = ends["cut"]
    assert cut_tokens <= 7
    assert here.ledger()["violations"] == []


def thinking_of(form: str, whole: dict[str, Any]) -> str:
    if form == "chat":
        return str(whole["choices"][0]["message"].get("reasoning_content", ""))
    if form == "responses":
        summaries = [item["summary"] for item in whole["output"] if item["type"] == "reasoning"]
        return "".join(part["text"] for summary in summaries for part in summary)
    return "".join(part.get("thinking", "") for part in whole["content"])


THOUGHT = "I wonder whether there are any tides at all."
WORDS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "chat": ({"thinking": {"type": "enabled"}}, {"thinking": {"type": "disabled"}}),
    "responses": ({"reasoning": {"effort": "high"}}, {"reasoning": {"effort": "none"}}),
    "messages": (
        {"thinking": {"type": "enabled", "budget_tokens": 1024}},
        {"thinking": {"type": "disabled"}},
    ),
}


def test_thinking_is_shown_and_hidden_in_every_form(install: Install) -> None:
    here = install(accounts=2)
    for form, (shown, hidden) in WORDS.items():
        for options, expected in ((shown, THOUGHT), (hidden, "")):
            body = body_of(form, f"text=Yes.; reasoning={THOUGHT}", stream=False, **options)
            whole = post(here, form, body).json()
            assert thinking_of(form, whole).strip() == expected, form
            # It is counted, shown or not.
            assert usage_of(form, whole, [])[1] > 6, form


def test_failure_in_the_middle_has_the_form_of_each_api(install: Install) -> None:
    here = install(accounts=2)
    directives = "tokens=20; delay_ms=5; reasoning=none; reset_after=5"
    last: dict[str, dict[str, Any]] = {}
    for form in FORMS:
        answer = post(here, form, body_of(form, directives, stream=True))
        assert answer.status_code == 200
        last[form] = events_of(answer)[-1]
        assert (form == "chat") == answer.text.endswith("data: [DONE]\n\n")

    assert last["chat"]["error"]["type"] == "server_error"
    assert last["responses"]["type"] == "response.failed"
    assert last["responses"]["response"]["error"]["code"] == last["chat"]["error"]["code"]
    assert last["responses"]["response"]["usage"]["total_tokens"] > 0
    assert (last["messages"]["type"], last["messages"]["error"]["type"]) == ("error", "api_error")
    assert wait_until(lambda: here.open_leases() == 0, what="release")


def test_silence_is_broken_legally_in_every_form(install: Install) -> None:
    here = install(
        accounts=3, settings={"GROK_STREAM_COMMIT_AFTER_S": "0.3", "GROK_STREAM_KEEP_ALIVE_S": "1"}
    )
    directives = "text=One two three four; reasoning=none; stall_mid_ms=3500"
    kept: dict[str, int] = {}
    for form in FORMS:
        pieces: list[bytes] = []
        longest_s, before_s = 0.0, time.monotonic()
        with httpx2.stream(
            "POST",
            f"{here.url}{PATHS[form]}",
            json=body_of(form, directives, stream=True),
            headers={"authorization": f"Bearer {here.key}"},
            timeout=60,
        ) as answer:
            for piece in answer.iter_raw():
                now_s = time.monotonic()
                longest_s, before_s = max(longest_s, now_s - before_s), now_s
                pieces.append(piece)
        mark = b"event: ping" if form == "messages" else b": "
        kept[form] = sum(piece.startswith(mark) for piece in pieces)
        assert longest_s < 10, "the silence of the upstream was longer than that of the stream"

    assert all(count >= 2 for count in kept.values()), kept


def test_parameters_without_effect_are_told_in_every_form(install: Install) -> None:
    here = install(accounts=1)
    for form in FORMS:
        options = {"temperature": 0.5, "a_new_field": {"x": 1}, "bad name\r\n": 1}
        answer = post(here, form, body_of(form, "text=Yes.", stream=False, **options))
        assert answer.status_code == 200
        assert answer.headers["x-ignored-parameters"] == "temperature, a_new_field"


def test_picture_is_seen_in_every_form(install: Install) -> None:
    here = install(accounts=1)
    data = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(1000)).decode()
    url = f"data:image/png;base64,{data}"
    source = {"type": "base64", "media_type": "image/png", "data": data}
    pictures: dict[str, dict[str, Any]] = {
        "chat": {"type": "image_url", "image_url": {"url": url}},
        "responses": {"type": "input_image", "image_url": url},
        "messages": {"type": "image", "source": source},
    }
    for form, picture in pictures.items():
        kind = "input_text" if form == "responses" else "text"
        words = {"type": kind, "text": "What is it? [[sim: text=A cat.]]"}
        said = [{"role": "user", "content": [words, picture]}]
        field = "input" if form == "responses" else "messages"
        answer = post(here, form, body_of(form, "", stream=False, **{field: said}))
        assert answer.status_code == 200, answer.text
        assert "A cat." in answer.text

    [page] = here.ledger()["accounts"].values()
    assert page["attached"] == len(FORMS)
    assert here.ledger()["violations"] == []
