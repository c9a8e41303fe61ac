"""Links to kept media: they open what they were made for, and nothing else, until they end."""

from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given, strategies as st

from grok2api.clock import SystemClock
from grok2api.config.media import LinkMode, MediaSettings
from grok2api.domain.ids import MediaId
from grok2api.domain.media import MediaKind, StoredMedia
from grok2api.errors import InvalidRequestError, PermissionDeniedError
from grok2api.services.media_links import MAX_STEP_S, VIEW_TTL_S, MediaLinks, read_media_id

OLD, NEW = b"o" * 32, b"n" * 32
ID, OTHER = MediaId("0123456789abcdef" * 2), MediaId("f" * 32)
DAY_S = 86_400.0
IMAGE, VIDEO = MediaKind.IMAGE, MediaKind.VIDEO


class HandClock(SystemClock):
    """Moves when a test says so."""

    __slots__ = ("now",)

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def now_s(self) -> float:
        return self.now


def media(kind: MediaKind = IMAGE) -> StoredMedia:
    return StoredMedia(
        id=ID,
        kind=kind,
        media_type="image/png",
        size_bytes=1,
        place="p",
        created_at_s=0.0,
        used_at_s=0.0,
    )


def links(
    *keys: bytes, mode: LinkMode = "signed", ttl_s: float = DAY_S, clock: HandClock | None = None
) -> MediaLinks:
    settings = MediaSettings(link_mode=mode, link_ttl_s=ttl_s)
    return MediaLinks(keys or (NEW,), settings, clock or HandClock())


def query_of(link: str) -> dict[str, str]:
    query = {name: values[0] for name, values in parse_qs(urlsplit(link).query).items()}
    assert query.pop("id") == ID
    return query


def refusal(made: MediaLinks, kind: MediaKind, media_id: MediaId, query: dict[str, str]) -> str:
    with pytest.raises(PermissionDeniedError) as refused:
        made.check(kind, media_id, query)
    assert refused.value.code
    return refused.value.code


def test_link_opens_in_another_process_with_the_same_key() -> None:
    link = links().link(media(), "https://host/gw")

    assert link.startswith(f"https://host/gw/v1/files/image?id={ID}&exp=")
    opening = links().check(IMAGE, ID, query_of(link))
    assert opening is not None
    assert opening.left_s is not None
    assert not opening.is_public


def test_link_without_an_address_is_a_path() -> None:
    assert links().link(media(VIDEO)).startswith(f"/v1/files/video?id={ID}&exp=")


def test_id_is_all_that_a_link_needs() -> None:
    assert links().link_to(VIDEO, ID, "http://h") == links().link(media(VIDEO), "http://h")


def test_link_opens_no_other_kind_and_no_other_file() -> None:
    query = query_of(links().link(media()))

    assert refusal(links(), VIDEO, ID, query) == "invalid_link"
    assert refusal(links(), IMAGE, OTHER, query) == "invalid_link"


def test_link_without_signature_is_refused() -> None:
    query = query_of(links().link(media()))

    assert refusal(links(), IMAGE, ID, {"exp": query["exp"]}) == "invalid_link"
    assert refusal(links(), IMAGE, ID, {"sig": query["sig"]}) == "invalid_link"
    assert refusal(links(), IMAGE, ID, {}) == "invalid_link"


@given(st.text(max_size=40), st.text(max_size=12))
def test_no_other_query_opens(signature: str, expiry: str) -> None:
    query = query_of(links().link(media()))
    for changed in ({"sig": signature}, {"exp": expiry}, {"view": signature}):
        if query | changed != query:
            assert refusal(links(), IMAGE, ID, query | changed) == "invalid_link"


@given(st.integers(0, 31), st.sampled_from("abcXYZ019-_=\u00e9\u0660"))
def test_no_character_of_a_signature_can_be_another(place: int, character: str) -> None:
    query = query_of(links().link(media()))
    signature = query["sig"]
    changed = signature[:place] + character + signature[place + 1 :]
    if changed != signature:
        assert refusal(links(), IMAGE, ID, query | {"sig": changed}) == "invalid_link"


def test_link_ends_and_says_so() -> None:
    clock = HandClock()
    made = links(clock=clock)
    query = query_of(made.link(media()))

    clock.now = int(query["exp"]) - 1.0
    opening = made.check(IMAGE, ID, query)
    clock.now += 1.0

    assert opening is not None
    assert opening.left_s == 1.0
    assert refusal(made, IMAGE, ID, query) == "link_expired"
    later = query | {"exp": str(int(query["exp"]) + 3600)}
    assert refusal(made, IMAGE, ID, later) == "invalid_link"


@given(st.floats(1.0, 31_536_000.0), st.floats(0.0, 4e9))
def test_link_lives_as_long_as_was_set_and_little_longer(ttl_s: float, now: float) -> None:
    expiry = int(query_of(links(ttl_s=ttl_s, clock=HandClock(now)).link(media()))["exp"])

    assert ttl_s <= expiry - now <= ttl_s + max(1, min(MAX_STEP_S, ttl_s / 4)) + 0.01


def test_file_has_the_same_link_for_a_while() -> None:
    clock = HandClock(3600.0 * 500_000 + 1)
    made = links(clock=clock)
    first = made.link(media())

    clock.now += 3000
    second = made.link(media())
    clock.now += 3600

    assert second == first
    assert made.link(media()) != first


def test_link_without_end_stays_signed() -> None:
    link = links(ttl_s=0.0).link(media())

    query = query_of(link)
    assert set(query) == {"sig"}
    opening = links(clock=HandClock(9e9)).check(IMAGE, ID, query)
    assert opening is not None
    assert opening.left_s is None
    assert refusal(links(), IMAGE, OTHER, query) == "invalid_link"


def test_links_of_an_older_key_open_while_it_is_kept() -> None:
    query = query_of(links(OLD).link(media()))

    assert links(NEW, OLD).check(IMAGE, ID, query)
    assert refusal(links(NEW), IMAGE, ID, query) == "invalid_link"


def test_newest_key_signs() -> None:
    query = query_of(links(NEW, OLD).link(media()))

    assert links(NEW).check(IMAGE, ID, query)
    assert refusal(links(OLD), IMAGE, ID, query) == "invalid_link"


def test_open_links_have_no_signature_and_are_public() -> None:
    made = links(mode="open")

    assert made.link(media()) == f"/v1/files/image?id={ID}"
    opening = made.check(IMAGE, ID, {})
    assert opening is not None
    assert opening.is_public
    assert opening.left_s is None


def test_links_that_need_a_key_say_so_even_if_they_are_signed() -> None:
    made = links(mode="key")

    assert made.link(media()) == f"/v1/files/image?id={ID}"
    assert made.check(IMAGE, ID, {}) is None
    assert made.check(IMAGE, ID, query_of(links().link(media()))) is None


@pytest.mark.parametrize("mode", ["signed", "key", "open"])
def test_operators_link_opens_in_every_mode_and_ends(mode: LinkMode) -> None:
    clock = HandClock()
    made = links(mode=mode, ttl_s=0.0, clock=clock)
    query = query_of(made.view_link(media()))

    assert made.check(IMAGE, ID, query)
    clock.now += VIEW_TTL_S + MAX_STEP_S
    if mode != "open":
        assert refusal(made, IMAGE, ID, query) == "link_expired"
        assert refusal(made, VIDEO, ID, query) == "invalid_link"


def test_signatures_of_clients_and_operators_are_not_the_same() -> None:
    query = query_of(links().link(media()))

    crossed = {"exp": query["exp"], "view": query["sig"]}
    assert refusal(links(), IMAGE, ID, crossed) == "invalid_link"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "../../../etc/passwd",
        "..%2f..%2fetc%2fpasswd",
        ID + "\n",
        ID + "\0",
        ID[:-1],
        ID + "0",
        ID.upper(),
        "\u0661" * 32,
        "/" * 32,
        f"{ID}.png",
        "0123abcd-0123-0123-0123-0123456789ab",
        "\udc80" * 32,
    ],
)
def test_what_is_no_id_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        read_media_id(text)

    assert (refused.value.param, refused.value.code) == ("id", "invalid_file_id")
    assert not text or text not in refused.value.message


def test_id_is_read() -> None:
    assert read_media_id(ID) == ID
