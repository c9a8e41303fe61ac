"""The client and the simulator were written apart from the same notes; here they must agree."""

import asyncio

import pytest

from grok2api.domain.answer import Answer, AnswerFold
from grok2api.errors import (
    AccountForbiddenError,
    AntiBotError,
    ContentRejectedError,
    CredentialRejectedError,
    EgressBlockedError,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamRateLimitError,
    UpstreamRejectedError,
    UpstreamUnavailableError,
)
from grok2api.providers.grok_web.options import ChatTransport
from tests.conformance.conftest import Counterpart

PROTOCOLS: tuple[ChatTransport, ...] = ("websocket", "http")
WAIT_S = 10.0

both_protocols = pytest.mark.parametrize("protocol", PROTOCOLS)


async def answer_of(
    counterpart: Counterpart, directive: str, protocol: ChatTransport
) -> tuple[Answer, UpstreamError | None]:
    fold, failure = AnswerFold(), None
    try:
        async with counterpart.ask(f"Hi [[sim: {directive}]]", protocol) as events:
            async for batch in events:
                fold.add(batch)
    except UpstreamError as error:
        failure = error
    return fold.answer(), failure


@both_protocols
@pytest.mark.parametrize(
    "directive",
    [
        "text=Grüße 👋🏽 <b> {}",
        "text=Grüße 👋🏽 <b> {}; burst=50",
        "text=Grüße 👋🏽 <b> {}; chunk=1",
        "text=Grüße 👋🏽 <b> {}; fragment=1",
        "text=Grüße 👋🏽 <b> {}; framing=sse",
        "text=Grüße 👋🏽 <b> {}; framing=concat",
        "text=Grüße 👋🏽 <b> {}; framing=mixed; fragment=3",
        "text=Grüße 👋🏽 <b> {}; style=delta",
        "text=Grüße 👋🏽 <b> {}; style=done",
        "text=Grüße 👋🏽 <b> {}; model_response=only",
        "text=Grüße 👋🏽 <b> {}; model_response=differ",
        "text=Grüße 👋🏽 <b> {}; soft_stop=false; final_metadata=false; model_response=none",
        "text=Grüße 👋🏽 <b> {}; late_reasoning=too late",
        "text=Grüße 👋🏽 <b> {}; unknown; garbage; binary",
        "text=Grüße 👋🏽 <b> {}; artifact; split_tags",
        "text=Grüße 👋🏽 <b> {}; foreign_first; attach_first",
        "text=Grüße 👋🏽 <b> {}; orphan_result; search=x; loose_source",
    ],
)
async def test_answer_arrives_whole_in_every_form(
    counterpart: Counterpart, directive: str, protocol: ChatTransport
) -> None:
    answer, failure = await answer_of(counterpart, directive, protocol)

    assert failure is None
    assert answer.text == "Grüße 👋🏽 <b> {}"
    assert answer.reasoning == ""
    assert answer.conversation_id
    assert answer.parent_id


@both_protocols
async def test_simulator_finds_nothing_wrong_with_our_requests(
    counterpart: Counterpart, protocol: ChatTransport
) -> None:
    await answer_of(counterpart, "text=x", protocol)

    page = await counterpart.site.page("one")
    assert page["completed"] == 1
    assert page["violations"] == []


@both_protocols
async def test_searches_sources_and_pictures_arrive(
    counterpart: Counterpart, protocol: ChatTransport
) -> None:
    answer, failure = await answer_of(
        counterpart,
        "text=See; reasoning=hm; search=tides; x_search=moon; images=2; moderated=1",
        protocol,
    )

    assert failure is None
    assert answer.reasoning == "hm"
    assert [(s.query, s.status) for s in answer.searches.values()] == [
        ("tides", "completed"),
        ("moon", "completed"),
    ]
    assert {source.kind for source in answer.sources} == {"web", "x_post"}
    assert len(answer.images) == 1
    assert answer.images[0].url.startswith(counterpart.site.url)


@both_protocols
async def test_citations_cover_their_marks(
    counterpart: Counterpart, protocol: ChatTransport
) -> None:
    answer, _ = await answer_of(
        counterpart,
        "search=tides; split_tags; text=Grüße{cite:1} und{cite:2} mehr{cite:1}.",
        protocol,
    )

    assert [citation.number for citation in answer.citations] == [1, 2, 1]
    for citation in answer.citations:
        mark = f"[[{citation.number}]]({citation.url})"
        assert answer.text[citation.start : citation.end] == mark
    assert "<grok:render" not in answer.text


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("bad_credentials", CredentialRejectedError),
        ("bad_credentials_400", CredentialRejectedError),
        ("bad_credentials_403", CredentialRejectedError),
        ("blocked", AccountForbiddenError),
        ("blocked_text", AccountForbiddenError),
        ("unauthorized", CredentialRejectedError),
        ("unauthorized_json", CredentialRejectedError),
        ("payment_required", UpstreamRateLimitError),
        ("access_denied", AccountForbiddenError),
        ("entitlement", UpstreamRateLimitError),
        ("rate_limited", UpstreamRateLimitError),
        ("rate_limited_nested", UpstreamRateLimitError),
        ("rate_limited_text", UpstreamRateLimitError),
        ("rate_limited_empty", UpstreamRateLimitError),
        ("rate_burst", UpstreamRateLimitError),
        ("rate_exhausted", UpstreamRateLimitError),
        ("usage_limit", UpstreamRateLimitError),
        ("moderated", ContentRejectedError),
        ("invalid_argument", UpstreamRejectedError),
        ("bad_request", UpstreamRejectedError),
        ("not_found", UpstreamProtocolError),
        ("timeout", UpstreamUnavailableError),
        ("too_large", UpstreamRejectedError),
        ("unsupported", UpstreamRejectedError),
        ("unprocessable", UpstreamRejectedError),
        ("anti_bot", AntiBotError),
        ("challenge", EgressBlockedError),
        ("html_403", EgressBlockedError),
        ("empty_403", EgressBlockedError),
        ("forbidden", UpstreamUnavailableError),
        ("redirect", CredentialRejectedError),
        ("redirect_elsewhere", UpstreamProtocolError),
        ("server_error", UpstreamUnavailableError),
        ("no_retry", UpstreamUnavailableError),
        ("bad_gateway", UpstreamUnavailableError),
        ("unavailable", UpstreamUnavailableError),
        ("gateway_timeout", UpstreamUnavailableError),
    ],
)
async def test_every_refusal_of_the_site_has_its_meaning(
    counterpart: Counterpart, fault: str, expected: type[UpstreamError]
) -> None:
    _, failure = await answer_of(counterpart, f"fault={fault}", "http")

    assert type(failure) is expected


@both_protocols
@pytest.mark.parametrize(
    ("directive", "expected"),
    [
        ("error=rate_limited", UpstreamRateLimitError),
        ("error=anti_bot", AntiBotError),
        ("error=bad_credentials", CredentialRejectedError),
        ("error=blocked", AccountForbiddenError),
        ("error=moderated", ContentRejectedError),
        ("error=server_error", UpstreamUnavailableError),
    ],
)
async def test_failure_after_text_comes_after_that_text(
    counterpart: Counterpart, directive: str, expected: type[UpstreamError], protocol: ChatTransport
) -> None:
    answer, failure = await answer_of(counterpart, f"text=a b c; after=1; {directive}", protocol)

    assert answer.text == "a "
    assert type(failure) is expected


@both_protocols
@pytest.mark.parametrize("end", ["truncate", "reset"])
async def test_broken_answer_is_not_taken_for_a_whole_one(
    counterpart: Counterpart, end: str, protocol: ChatTransport
) -> None:
    answer, failure = await answer_of(counterpart, f"text=a b c; end={end}; after=1", protocol)

    assert answer.text in {"", "a "}
    assert isinstance(failure, UpstreamUnavailableError)


async def test_handshake_that_names_another_conversation_is_refused(
    counterpart: Counterpart,
) -> None:
    await counterpart.site.script("wrong_conversation")

    _, failure = await answer_of(counterpart, "text=x", "websocket")

    assert isinstance(failure, UpstreamProtocolError)
    assert failure.code == "upstream_conversation_mismatch"


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("bad_credentials", CredentialRejectedError),
        ("challenge", EgressBlockedError),
        ("rate_limited", UpstreamRateLimitError),
        ("blocked", AccountForbiddenError),
    ],
)
async def test_refused_handshake_has_its_meaning(
    counterpart: Counterpart, fault: str, expected: type[UpstreamError]
) -> None:
    await counterpart.site.script(f"fault={fault}")

    _, failure = await answer_of(counterpart, "text=x", "websocket")

    assert type(failure) is expected


@both_protocols
async def test_stranger_is_told_from_an_account(
    counterpart: Counterpart, protocol: ChatTransport
) -> None:
    with pytest.raises(CredentialRejectedError):
        async with counterpart.ask("Hi", protocol, session="nobody-0123456789-abcdef") as events:
            await anext(events)


@both_protocols
async def test_leaving_stops_the_upstream_at_once(
    counterpart: Counterpart, protocol: ChatTransport
) -> None:
    async with asyncio.timeout(WAIT_S):
        prompt = "Hi [[sim: tokens=100000; delay_ms=5]]"
        async with counterpart.ask(prompt, protocol) as events:
            await anext(events)
            await anext(events)

        # The simulator's own account of it is the only witness; it has no event to wait for.
        while (await counterpart.site.page("one"))["open"]:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    assert (await counterpart.site.page("one"))["cancelled"] == 1
