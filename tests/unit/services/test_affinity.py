"""Requests of one conversation share a digest; other conversations and other keys have others."""

import re

import pytest
from hypothesis import given, strategies as st

from grok2api.domain.affinity import Affinity, AffinityHints, AffinityRule
from grok2api.domain.chat import ChatRequest, ImagePart, Message, Role, TextPart
from grok2api.services.affinity import MAX_CONTENT_CHARS, MAX_ID_CHARS, find_affinity

UUID = "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"
OTHER_UUID = "7e5f8a9b-0c1d-42e3-b4a5-b0190a1b2c3d"

EVERY_HEADER = {
    "x-grok2api-session": "own",
    "x-claude-code-session-id": UUID,
    "session-id": UUID,
    "x-session-id": UUID,
}
EVERY_HINT = {
    "continues": "d" * 32,
    "prompt_cache_key": "cache",
    "metadata_user_id": f"user_ab_account__session_{UUID}",
    "user": f"session-{UUID}",
}

# Left out one after the other, these make the next rule decide.
IN_ORDER = [
    (AffinityRule.GATEWAY, {"x-grok2api-session"}),
    (AffinityRule.RESPONSE, {"continues"}),
    (AffinityRule.CLAUDE_CODE, {"x-claude-code-session-id"}),
    (AffinityRule.CODEX, {"session-id"}),
    (AffinityRule.SESSION, {"x-session-id"}),
    (AffinityRule.PROMPT_CACHE_KEY, {"prompt_cache_key"}),
    (AffinityRule.USER, {"metadata_user_id", "user"}),
    (AffinityRule.CONTENT, {"messages"}),
]


def say(role: Role, *texts: str) -> Message:
    return Message(role, tuple(TextPart(text) for text in texts))


TALK = (say(Role.SYSTEM, "Be kind."), say(Role.USER, "Why are there tides?"))


def find(
    headers: dict[str, str] | None = None,
    messages: tuple[Message, ...] = (),
    salt: str = "key_1",
    **hints: str,
) -> Affinity:
    request = ChatRequest(model="m", messages=messages, hints=AffinityHints(**hints))
    return find_affinity(headers or {}, request, salt=salt)


def test_rules_decide_in_their_order() -> None:
    gone: set[str] = set()
    seen = []
    for _, names in IN_ORDER:
        headers = {k: v for k, v in EVERY_HEADER.items() if k not in gone}
        hints = {k: v for k, v in EVERY_HINT.items() if k not in gone}
        seen.append(find(headers, TALK, **hints).rule)
        gone |= names

    assert seen == [rule for rule, _ in IN_ORDER]


def test_request_that_says_nothing_has_no_conversation() -> None:
    assert find() == Affinity("", AffinityRule.NONE)
    assert find(messages=(say(Role.SYSTEM, "Be kind."),)).digest == ""
    assert find(messages=(say(Role.USER, "  "),)).digest == ""


@pytest.mark.parametrize(
    "name",
    [
        "x-session-id",
        "session_id",
        "x-session-affinity",
        "x-opencode-session",
        "x-openwebui-chat-id",
        "x-grok-conv-id",
        "x-grok-session-id",
    ],
)
def test_session_header_tells_the_conversation_whatever_is_said(name: str) -> None:
    first = find({name: UUID}, TALK)
    second = find({name: UUID}, (say(Role.USER, "And now?"),))

    assert first == second
    assert first.rule is AffinityRule.SESSION
    assert first != find({name: OTHER_UUID}, TALK)


def test_empty_session_header_is_passed_over() -> None:
    assert find({"x-grok-conv-id": "", "x-grok-session-id": UUID}).rule is AffinityRule.SESSION
    assert find({"x-session-id": "  "}).rule is AffinityRule.NONE


def test_agents_of_one_claude_code_session_are_apart() -> None:
    headers = {"x-claude-code-session-id": UUID}

    alone = find(headers)
    agents = {find(headers | {"x-claude-code-agent-id": agent}).digest for agent in ("a1", "a2")}

    assert len(agents | {alone.digest}) == 3
    assert find({"x-claude-code-agent-id": "a1"}).rule is AffinityRule.NONE


def test_threads_of_one_codex_session_are_apart() -> None:
    headers = {"session-id": UUID, "x-codex-window-id": f"{UUID}:0"}

    first = find(headers | {"thread-id": UUID})

    assert first.rule is AffinityRule.CODEX
    assert first != find(headers | {"thread-id": OTHER_UUID})
    assert first == find(headers | {"thread-id": UUID, "x-codex-window-id": f"{UUID}:1"})


def test_codex_window_stays_itself_when_its_history_is_compacted() -> None:
    windows = [find({"x-codex-window-id": f"{UUID}:{n}"}) for n in range(3)]

    assert windows[0] == windows[1] == windows[2]
    assert windows[0].rule is AffinityRule.CODEX


@pytest.mark.parametrize(
    "user",
    [
        f"user_0123abcd_account__session_{UUID}",
        f'{{"device_id":"d1","account_uuid":"{OTHER_UUID}","session_id":"{UUID}"}}',
        f"session:{UUID}",
        f"chat-id={UUID}",
    ],
)
def test_user_field_that_names_a_session_tells_the_conversation(user: str) -> None:
    of_metadata, of_user = find(metadata_user_id=user), find(user=user)

    assert of_metadata == of_user == find(user=f"conversation/{UUID}")
    assert of_user.rule is AffinityRule.USER


@pytest.mark.parametrize(
    "user",
    [
        "alice",
        "alice@example.org",
        UUID,
        "session",
        "chat_administrators",
        '{"device_id":"0123456789"}',
        '{"session_id":7}',
        "[]",
        "\ud800",
    ],
)
def test_user_field_that_names_a_person_tells_nothing(user: str) -> None:
    assert find(user=user, metadata_user_id=user).rule is AffinityRule.NONE


def test_beginning_tells_the_conversation_as_it_goes_on() -> None:
    longer = (*TALK, say(Role.ASSISTANT, "The moon."), say(Role.USER, "Why?"))

    assert find(messages=TALK) == find(messages=longer)
    assert find(messages=TALK) != find(messages=(TALK[0], say(Role.USER, "Why?")))
    assert find(messages=TALK) != find(messages=TALK[1:])


def test_attribution_line_that_changes_does_not_change_the_conversation() -> None:
    digests = {
        find(
            messages=(
                say(
                    Role.SYSTEM,
                    f"x-anthropic-billing-header: cc_version=2.1.{n}; cch={n};",
                    f"You help.\nX-Client-Attribution: turn {n}\nBe kind.",
                ),
                TALK[1],
            )
        ).digest
        for n in range(3)
    }

    assert len(digests) == 1


def test_picture_alone_begins_a_conversation() -> None:
    pictures = [
        (Message(Role.USER, (ImagePart(f"data:image/png;base64,{data}"),)),)
        for data in ("AAAA", "BBBB")
    ]

    assert find(messages=pictures[0]).rule is AffinityRule.CONTENT
    assert find(messages=pictures[0]) != find(messages=pictures[1])


def test_what_is_too_long_for_an_id_names_nothing() -> None:
    longest = "x" * MAX_ID_CHARS

    assert find({"x-session-id": longest}).rule is AffinityRule.SESSION
    assert find({"x-session-id": longest + "x"}).rule is AffinityRule.NONE
    assert find(prompt_cache_key=longest + "x").rule is AffinityRule.NONE
    assert find(user="session_1" + longest).rule is AffinityRule.NONE


def test_only_the_start_of_a_huge_prompt_counts() -> None:
    huge = "x" * MAX_CONTENT_CHARS

    assert find(messages=(say(Role.USER, huge + "a"),)) == find(
        messages=(say(Role.USER, huge + "b"),)
    )


NAMES = st.text(min_size=1, max_size=40)
HEADER_VALUES = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)
HEADERS = st.dictionaries(st.sampled_from(sorted(EVERY_HEADER)), HEADER_VALUES)
HINTS = st.fixed_dictionaries(
    {name: st.text(max_size=60) for name in EVERY_HINT if name != "continues"}
)


@given(headers=HEADERS, hints=HINTS, salts=st.tuples(NAMES, NAMES))
def test_two_keys_never_share_a_digest(
    headers: dict[str, str], hints: dict[str, str], salts: tuple[str, str]
) -> None:
    one, other = (find(headers, TALK, salt=salt, **hints) for salt in salts)

    assert one.rule is other.rule
    assert (one.digest == other.digest) == (salts[0] == salts[1])


@given(headers=HEADERS, hints=HINTS)
def test_digest_has_one_form_and_shows_nothing_of_what_was_sent(
    headers: dict[str, str], hints: dict[str, str]
) -> None:
    found = find(headers, TALK, **hints)

    assert re.fullmatch(r"[0-9a-f]{32}", found.digest)
    assert found == find(dict(reversed(headers.items())), TALK, **hints)


@given(st.lists(HEADER_VALUES, min_size=2, max_size=2), st.lists(HEADER_VALUES, min_size=2))
def test_texts_do_not_run_into_each_other(first: list[str], second: list[str]) -> None:
    one, other = (
        find({"x-claude-code-session-id": names[0], "x-claude-code-agent-id": names[1]})
        for names in (first, second)
    )

    assert (one == other) == (first == second[:2])
