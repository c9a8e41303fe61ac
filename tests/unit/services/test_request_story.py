"""What happened to a request, in words."""

from typing import Any

import msgspec

from grok2api.domain.ids import AccountId, ClientKeyId
from grok2api.domain.usage import AttemptFact, FinishedRequest
from grok2api.services.request_story import tell_request

A, B = AccountId("acc_a"), AccountId("acc_b")


def request(**facts: Any) -> FinishedRequest:
    finished = FinishedRequest(
        id="req_1",
        at_s=1_800_000_000.0,
        route="/v1/chat/completions",
        method="POST",
        key_id=ClientKeyId("key_1"),
        model="grok-4",
        requested="gpt-4o",
        status=200,
        duration_ms=4321,
    )
    return msgspec.structs.replace(finished, **facts)


def test_failover_names_every_attempt_and_who_was_left_out() -> None:
    story = tell_request(
        request(
            is_stream=True,
            client="192.0.2.1",
            agent="curl/8",
            waited_ms=1250,
            affinity="session_header",
            first_output_ms=1900,
            input_tokens=812,
            output_tokens=344,
            units=4,
            mode="expert",
            attempts=(
                AttemptFact(
                    account=A,
                    outcome="rate_limited",
                    error="upstream_rate_limit",
                    status=429,
                    started_ms=1260,
                    duration_ms=80,
                ),
                AttemptFact(account=B, outcome="ok", started_ms=1400, duration_ms=2900),
            ),
        )
    )

    assert story == [
        "POST /v1/chat/completions: was answered after 4.3 s (status 200).",
        "It came at 2027-01-15 08:00:00+00:00 from 192.0.2.1 (curl/8), with key key_1.",
        "It asked for gpt-4o, which is grok-4, as a stream.",
        "Its conversation was recognised by session_header.",
        "It stood in line for an account for 1.2 s.",
        (
            "Attempt 1, 1.3 s after the beginning, with acc_a: rate_limited "
            "(upstream_rate_limit, upstream status 429) after 80 ms."
        ),
        "  Left out from then on: acc_a.",
        "Attempt 2, 1.4 s after the beginning, with acc_b: ok after 2.9 s.",
        "The first visible output came after 1.9 s.",
        "It took 812 tokens in, 344 tokens out, and 4 queries of quota in mode expert.",
    ]


def test_account_that_is_asked_again_is_not_said_to_be_left_out() -> None:
    story = tell_request(
        request(
            attempts=(
                AttemptFact(account=A, outcome="failed", error="upstream_unavailable"),
                AttemptFact(account=A, outcome="ok"),
            )
        )
    )

    assert "  It was asked once more." in story
    assert not any("Left out" in line for line in story)


def test_refused_request_asked_no_account() -> None:
    story = tell_request(
        request(status=429, error="rate_limit_exceeded", code="insufficient_quota", duration_ms=3)
    )

    assert story[0] == (
        "POST /v1/chat/completions: failed with rate_limit_exceeded (insufficient_quota) "
        "after 3 ms (status 429)."
    )
    assert "No account was asked." in story
    assert "Nothing was shown to the client before the end." in story


def test_client_that_left_is_no_failure_of_ours() -> None:
    assert tell_request(request(status=499))[0] == (
        "POST /v1/chat/completions: the client left after 4.3 s (499)."
    )


def test_request_without_key_and_model_says_so() -> None:
    story = tell_request(request(key_id="", model="", requested="gpt-9", status=404))

    assert story[1].endswith(", without a known key.")
    assert story[2] == "It asked for gpt-9, which was not resolved to a model, as one answer."


def test_way_out_of_an_attempt_is_told() -> None:
    tried = AttemptFact(account=A, outcome="ok", exit="proxy")
    finished = FinishedRequest(id="r", at_s=1.0, route="/v1/x", status=200, attempts=(tried,))

    assert f"with {A} through the proxy: ok" in "\n".join(tell_request(finished))
