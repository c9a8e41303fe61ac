"""Secrets are cut out of any text around them."""

import string

from hypothesis import assume, example, given, strategies as st

from grok2api.telemetry.redaction import redact, redact_text

KEY_LETTERS = string.ascii_letters + string.digits + "-_"
WORDS = st.text(st.characters(codec="utf-8"), max_size=40)


def body(alphabet: str, least: int, most: int = 60) -> st.SearchStrategy[str]:
    return st.text(alphabet, min_size=least, max_size=most)


SHAPES = st.one_of(
    st.builds("{}-{}".format, st.sampled_from(["sk", "gw", "xai", "pk"]), body(KEY_LETTERS, 12)),
    st.builds(
        "eyJ{}.{}.{}".format, body(KEY_LETTERS, 8), body(KEY_LETTERS, 8), body(KEY_LETTERS, 1)
    ),
)
NAMED = st.tuples(
    st.sampled_from(
        [
            "Bearer ",
            "bearer ",
            "Authorization: Bearer ",
            "sso=",
            "sso-rw=",
            "Cookie: sso=",
            'cookie: a=b; sso="',
            '{"sso": "',
            "'sso-rw': '",
            "cf_clearance=",
            "x-api-key: ",
            '"x-api-key":"',
            "Basic ",
            "/v1/models?key=",
            "?a=b&token=",
            "/v1/files/image?id=1&sig=",
            '{"access_token": "',
            "'app_key': '",
            "password=",
        ]
    ),
    body(string.ascii_letters + string.digits, 12),
)
ADDRESSES = st.tuples(
    st.sampled_from(["redis", "rediss", "https", "socks5", "redis+cluster"]),
    body(string.ascii_letters, 0, 8),
    body(string.ascii_letters + string.digits + "!$%*+:@", 6),
)


@given(WORDS, SHAPES, WORDS)
def test_keys_and_tokens_are_known_by_their_shape(before: str, secret: str, after: str) -> None:
    assert secret not in redact_text(f"{before} {secret} {after}")


@given(WORDS, NAMED, WORDS)
def test_values_are_known_by_the_name_before_them(
    before: str, named: tuple[str, str], after: str
) -> None:
    name, secret = named
    assume(secret not in before + after)

    assert secret not in redact_text(f"{before} {name}{secret} {after}")


@given(WORDS, ADDRESSES, WORDS)
def test_addresses_keep_no_password(before: str, address: tuple[str, str, str], after: str) -> None:
    scheme, user, password = address

    shown = redact_text(f"{before} {scheme}://{user}:{password}@host.example:6379/0 {after}")

    assert f"{password}@host" not in shown
    assert "host.example" in shown


@given(
    st.sampled_from(["app_key", "Authorization", "set-cookie", "sso", "password", "api-key"]),
    st.recursive(
        st.text(st.sampled_from("xyz"), min_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    ),
)
def test_what_a_secret_name_holds_is_not_looked_into(name: str, value: object) -> None:
    assert redact({name: value}) == {name: "[redacted]"}


@given(st.integers(0, 400), SHAPES, st.sampled_from([" ", '"', "; "]))
def test_no_cut_of_a_long_text_leaves_half_a_secret(shift: int, secret: str, parting: str) -> None:
    around = "word " * 790 + "x" * shift + parting
    text = around + secret + (parting + secret) * 99 + parting + around

    shown = redact_text(text)

    assert secret[:14] not in shown
    assert secret[-14:] not in shown


@given(st.integers(0, 200), NAMED)
@example(shift=120, named=("Bearer ", "0" * 17))
def test_no_cut_parts_a_secret_from_its_name(shift: int, named: tuple[str, str]) -> None:
    name, secret = named
    assume("word" not in secret)
    tail = "word " * 790 + "y" * shift
    text = "word " * 2000 + name + secret + " " + tail

    assert secret not in redact_text(text)


def test_of_a_long_traceback_the_end_stays() -> None:
    shown = redact_text("Traceback\n" + "  line\n" * 5000 + "ValueError: the reason")

    assert shown.startswith("Traceback")
    assert shown.endswith("ValueError: the reason")
