"""What other gateways and our own export write, as files of `tests/fixtures/imports`."""

from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from grok2api.domain.account import Credentials, Status, Tier
from grok2api.providers.base import ImportEntry, ImportRefusal, ImportSkip
from grok2api.providers.grok_web.credentials import GrokWebCredentials, parse_import

FOLDER = Path(__file__).parents[2] / "fixtures" / "imports"
A, B, C = (f"eyJ0eXAiOiJKV1QifQ.Zml4dHVyZS0{end}.c2ln" for end in ("x", "y", "z"))
D = "eyJ0eXAiOiJKV1QifQ.Zml4dHVyZS00.c2ln"


def read(name: str) -> list[object]:
    return list(parse_import((FOLDER / name).read_text(encoding="utf-8")))


def test_pools_of_tokens_give_tier_and_tags() -> None:
    assert read("pools.json") == [
        ImportEntry(1, Credentials(A), Tier.BASIC),
        ImportEntry(2, Credentials(B), Tier.BASIC, ("nsfw",)),
        ImportEntry(3, Credentials(C), Tier.SUPER),
        ImportEntry(4, Credentials(D), None),
    ]


def test_list_of_the_admin_pages_gives_tier_status_and_tags() -> None:
    assert read("admin_list.json") == [
        ImportEntry(1, Credentials(A), Tier.SUPER, ("nsfw",)),
        ImportEntry(
            2, Credentials(B), Tier.BASIC, status=Status.DISABLED, reason="imported"
        ),
    ]  # fmt: skip


def test_whole_records_give_state_with_reason_and_creation() -> None:
    assert read("records.json") == [
        ImportEntry(1, Credentials(A), Tier.HEAVY, ("nsfw", "team"), created_at_s=1_700_000_000.0),
        ImportEntry(
            2,
            Credentials(B),
            Tier.BASIC,
            status=Status.EXPIRED,
            reason="invalid_credentials",
            created_at_s=1_700_000_001.0,
        ),
        ImportEntry(
            3,
            Credentials(C),
            Tier.BASIC,
            status=Status.DISABLED,
            reason="operator_disabled",
            created_at_s=1_700_000_002.0,
        ),
        ImportEntry(
            4,
            Credentials(D),
            Tier.BASIC,
            status=Status.COOLING,
            reason="rate_limited",
            until_s=1_900_000_000.0,
            created_at_s=1_700_000_003.0,
        ),
        ImportSkip(5),
    ]


def test_fork_pools_give_tier_status_and_tags_but_no_body_as_reason() -> None:
    assert read("sso_pools.json") == [
        ImportEntry(1, Credentials(A), Tier.BASIC),
        ImportEntry(
            2, Credentials(B), Tier.BASIC, ("nsfw",), status=Status.EXPIRED, reason="imported"
        ),
        ImportEntry(3, Credentials(C), Tier.BASIC),  # cooling without an end
        ImportEntry(4, Credentials(D), Tier.SUPER, status=Status.DISABLED, reason="imported"),
    ]


def test_own_export_is_read_and_an_account_without_session_is_refused() -> None:
    assert read("export.json") == [
        ImportEntry(
            1,
            Credentials(A, "cf_clearance=Clear.1"),
            Tier.SUPER,
            ("team",),
            status=Status.DISABLED,
            reason="by hand",
            created_at_s=1_767_323_045.6789,
        ),
        ImportRefusal(2, "It holds no session; export it again with --with-secrets."),
    ]


def test_list_of_tokens_is_read() -> None:
    assert read("tokens.txt") == [
        ImportEntry(3, Credentials(A)),
        ImportEntry(4, Credentials(B, "cf_clearance=Clear.1")),
    ]


def test_export_of_a_later_version_is_refused_whole() -> None:
    found = parse_import(f'{{"version": 2, "accounts": [{{"session": "{A}"}}]}}')

    assert [type(item) for item in found] == [ImportRefusal]


@pytest.mark.parametrize("name", ["pools.json", "admin_list.json", "records.json", "export.json"])
def test_of_json_that_is_cut_off_anywhere_nothing_is_taken(name: str) -> None:
    text = (FOLDER / name).read_text(encoding="utf-8").strip()

    for end in range(1, len(text)):
        assert [type(item) for item in parse_import(text[:end])] in ([ImportRefusal], [])


@pytest.mark.parametrize(
    ("record", "why"),
    [
        ({"token": 5}, "text"),
        ({"token": {"a": 1}}, "text"),
        ({"token": A, "cookies": [1]}, "text"),
        ({"token": A, "pool": "s"}, "tier"),
        ({"token": A, "pool": ["basic"]}, "tier"),
        ({"token": A, "status": "banned"}, "status"),
        ({"token": A, "status": 7}, "status"),
        ({"token": A, "kind": "xai_api"}, "kind"),
        ({"token": f"{A}\0{B}"}, "characters"),
        ({}, "empty"),
    ],
)
def test_record_with_a_wrong_value_is_refused(record: dict[str, object], why: str) -> None:
    found = GrokWebCredentials().parse_record(9, record)

    assert isinstance(found, ImportRefusal)
    assert found.line == 9
    assert why in found.why
    assert A not in found.why


@pytest.mark.parametrize(
    "record",
    [
        {"created_at": "soon"},
        {"created_at": True},
        {"created_at": 10**400},
        {"created_at": "9" * 5000},
        {"created_at": -1},
        {"created_at": float("nan")},
        {"tags": 7},
        {"tags": "[1, 2"},
        {"tags": ["\ud800", "\0", " "]},
        {"ext": "[" * 100_000, "status": "cooling"},
        {"ext": [], "status": "cooling", "until": {}},
        {"deleted_at": "None", "pool": None, "status": ""},
    ],
)
def test_what_only_decorates_a_record_is_left_out_where_it_is_wrong(
    record: dict[str, object],
) -> None:
    found = GrokWebCredentials().parse_record(1, {"token": A, **record})

    assert found == ImportEntry(1, Credentials(A))


def test_line_without_end_is_refused_with_its_number() -> None:
    found = parse_import(f"{A}\n" + "a1b2" * 2_500_000)

    assert found[0] == ImportEntry(1, Credentials(A))
    assert isinstance(found[1], ImportRefusal)
    assert "too long" in found[1].why


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=5,
)
NAMES = ["token", "pool", "tier", "status", "tags", "created_at", "deleted_at", "reason", "until"]


@given(st.dictionaries(st.sampled_from([*NAMES, "ext", "state_reason", "cookies", "kind"]), VALUES))
def test_no_record_breaks_the_import(record: dict[str, object]) -> None:
    for given_record in (record, {**record, "token": A}):
        found = GrokWebCredentials().parse_record(1, given_record)

        assert isinstance(found, ImportEntry | ImportRefusal | ImportSkip)
