"""What people paste as a credential."""

import pytest
from hypothesis import given, strategies as st

from grok2api.domain.account import Credentials, Tier
from grok2api.providers.base import ImportEntry, ImportRefusal, ImportSkip
from grok2api.providers.grok_web.credentials import (
    MAX_TOKEN_CHARS,
    GrokWebCredentials,
    parse_credentials,
    parse_import,
)

TOKEN = "eyJ0eXAiOiJKV1QifQ.eyJzZXNzaW9uIjoiYWJjIn0.Zm9v-_~+/w=="
OTHER = "eyJ0eXAiOiJKV1QifQ.b3RoZXItYWNjb3VudA.c2ln"


@pytest.mark.parametrize(
    "text",
    [
        TOKEN,
        f" {TOKEN}\n",
        f'"{TOKEN}"',
        f"'{TOKEN}',",
        f"\u201c{TOKEN}\u201d",
        f"`{TOKEN}`;",
        f"sso={TOKEN}",
        f"SSO = {TOKEN};",
        f'sso="{TOKEN}"',
        f"sso: {TOKEN}",
        f"sso=sso={TOKEN}",
        f"sso-rw={TOKEN}",
        f"sso={TOKEN}; sso-rw={TOKEN}",
        f"sso={TOKEN}\nsso-rw={TOKEN}",
        f"Cookie: _ga=GA1.2; i18nextLng=en; sso={TOKEN}; x-userid=u; sso-rw={TOKEN}",
        f"cookie:sso={TOKEN}",
        f"-H 'cookie: _ga=1; sso={TOKEN}'",
        f"--cookie 'sso={TOKEN}'",
        f"{TOKEN[:20]}\r\n  {TOKEN[20:]}",
        f"sso={TOKEN[:20]} \n{TOKEN[20:]}; _ga=1",
        f"{TOKEN[:10]}\u200b{TOKEN[10:20]}\u00a0{TOKEN[20:]}\ufeff",
        f"\ufeff{TOKEN}",
        TOKEN.replace("-", "\u2011"),
        TOKEN.replace("-", "\u2013"),
    ],
)
def test_token_is_found_in_what_surrounds_it(text: str) -> None:
    assert parse_credentials(text) == Credentials(TOKEN)


def test_clearance_cookies_are_kept_and_nothing_else() -> None:
    text = (
        f"x-userid=u-1; cf_clearance=Clear.1; _ga=GA; sso={TOKEN}; __cf_bm=bm; cf_chl_2=x; "
        "x-anonuserid=a; __cf_bm=second; _cfuvid=v"
    )

    found = parse_credentials(text)

    assert found.session == TOKEN
    assert found.cookies == "cf_clearance=Clear.1; __cf_bm=bm; cf_chl_2=x; _cfuvid=v"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        (" \n\u200b", "empty"),
        ('""', "empty"),
        ("sso=", "without sso"),
        ("cf_clearance=abcdefghijklmnop", "without sso"),
        ("short.token", "too short"),
        ("a1b2" * (MAX_TOKEN_CHARS // 4 + 1), "too long"),
        ("eyJhbGciOi…x9Qk-1234567", "characters"),
        ("_ga=GA1.2.3.4; theme=dark; other=1", "characters"),
        ("tökentökentöken-tökentöken", "characters"),
        ("your_sso_token_goes_here", "placeholder"),
        ("CHANGE-ME-please-now-1", "placeholder"),
        ("xxxxxxxxxxxxxxxxxxxxxxxx", "placeholder"),
        ("<paste-your-token-here>", "placeholder"),
    ],
)
def test_what_cannot_be_a_token_is_refused_without_quoting_it(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as caught:
        parse_credentials(text)

    words = [word for word in text.replace("=", " ").split() if len(word) > 4]
    assert not any(word in str(caught.value) for word in words)


TOKENS = st.text(
    alphabet="ABCDEFghijkl0123456789._~+/=-", min_size=16, max_size=80
).filter(lambda token: len(set(token)) > 3 and not token.startswith(("=", "-b")))  # fmt: skip
WRAPS = st.sampled_from(
    [
        ("", ""),
        (" ", "\n"),
        ('"', '"'),
        ("'", "',"),
        ("sso=", ""),
        ("sso=", "; sso-rw=other; theme=dark"),
        ("Cookie: a=b; sso=", "; c=d"),
        ("\u200b", "\ufeff"),
        ("`", "`"),
    ]
)


@given(token=TOKENS, wraps=st.lists(WRAPS, max_size=3))
def test_wrapping_never_changes_the_token(token: str, wraps: list[tuple[str, str]]) -> None:
    text = token
    for before, after in wraps:
        # A cookie string is not the value of another cookie.
        is_nonsense = ";" in text and "=" in before
        text = text if is_nonsense else before + text + after

    assert parse_credentials(text).session == token


@given(text=st.text(max_size=120) | st.text(alphabet="so=;: \"'\nabcdefgh12345678-", max_size=80))
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    try:
        once = parse_credentials(text)
    except ValueError:
        return

    assert parse_credentials(once.session).session == once.session
    assert parse_credentials(f"sso={once.session}; {once.cookies}") == once


def entry(line: int, token: str, tier: Tier | None = None, *tags: str) -> ImportEntry:
    return ImportEntry(line, Credentials(token), tier, tags)


def test_list_has_one_credential_a_line() -> None:
    text = f"\ufeff# mine\n{TOKEN}\n\n  sso={OTHER}; a=b\nshort\n"

    assert parse_import(text) == [
        entry(2, TOKEN),
        entry(4, OTHER),
        ImportRefusal(5, "It is too short for a session token (under 16)."),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f'"{TOKEN}"', [entry(1, TOKEN)]),
        (f'["{TOKEN}", "sso={OTHER}"]', [entry(1, TOKEN), entry(2, OTHER)]),
        (f'{{"token": "{TOKEN}"}}', [entry(1, TOKEN)]),
        (f'{{"sso": "{TOKEN}", "tier": "super"}}', [entry(1, TOKEN, Tier.SUPER)]),
        (
            f'[{{"token": "{TOKEN}", "pool": "ssoSuper", "tags": ["a", " b ", 5, "a"]}}]',
            [entry(1, TOKEN, Tier.SUPER, "a", "b")],
        ),
        (
            f'[{{"token": "{TOKEN}", "tier": "auto", "tags": "x, y"}}]',
            [entry(1, TOKEN, None, "x", "y")],
        ),
        (
            f'{{"basic": ["{TOKEN}"], "ssoHeavy": [{{"token": "{OTHER}"}}]}}',
            [entry(1, TOKEN, Tier.BASIC), entry(2, OTHER, Tier.HEAVY)],
        ),
        (f'{{"accounts": ["{TOKEN}"]}}', [entry(1, TOKEN)]),
        (f'{{"token": "{TOKEN}"}}\n{{"token": "{OTHER}"}}', [entry(1, TOKEN), entry(2, OTHER)]),
        (f'[\n  "{TOKEN}",\n  "{OTHER}",\n]', [entry(2, TOKEN), entry(3, OTHER)]),
    ],
)  # fmt: skip
def test_json_is_read_in_the_forms_that_others_write(
    text: str, expected: list[ImportEntry | ImportRefusal]
) -> None:
    assert parse_import(text) == expected


def test_unknown_tier_is_refused_and_not_guessed() -> None:
    found = parse_import(f'{{"platinum": ["{TOKEN}"], "tiers": [{{"sso": "{OTHER}", "tier": 5}}]}}')

    assert [type(item) for item in found] == [ImportRefusal, ImportRefusal]
    assert all("tier" in item.why for item in found if isinstance(item, ImportRefusal))


@given(st.text(max_size=200) | st.from_regex(r'[\[{]("?(token|basic)"?:?[\[{ ,"a5\]}]*){1,6}'))
def test_no_file_breaks_the_import(text: str) -> None:
    for item in GrokWebCredentials().parse_import(text):
        assert isinstance(item, ImportEntry | ImportRefusal | ImportSkip)


def test_file_that_nests_without_end_does_not_break_the_import() -> None:
    assert parse_import("[" * 50_000 + "]" * 50_000) is not None
    assert parse_import('{"a":' * 500 + "1" + "}" * 500) is not None
