"""Cleaning of visible text: tags, citations, offsets, limits."""

from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from grok2api.domain.chat import Citation, EventBatch, Source, TextDelta
from grok2api.providers.grok_web.codec.cards import CardCache
from grok2api.providers.grok_web.codec.searches import SearchLog
from grok2api.providers.grok_web.codec.text import (
    MAX_CITATIONS,
    MAX_CITED_URLS,
    MAX_HELD_CHARS,
    TextCleaner,
)

CITE_A = '<grok:render card_id="a" card_type="c" type="render_inline_citation"></grok:render>'
CITE_B = CITE_A.replace('"a"', '"b"', 1)
MARK_A = "[[1]](https://a.example/)"
MARK_B = "[[1]](https://b.example/%28x%29)"
CARDS = (
    {"id": "a", "url": "https://a.example/"},
    {"id": "b", "url": "https://b.example/(x)", "title": "B"},
    {
        "id": "p",
        "image": {
            "title": "A [cat]",
            "thumbnail": "https://i.example/t.jpg",
            "link": "https://i.example/page",
        },
    },
    {"id": "q", "image": {"original": "https://i.example/o.jpg"}},
    {"id": "r", "image": {"original": "javascript:alert(1)"}},
)


def make_cleaner() -> TextCleaner:
    cards = CardCache()
    for card in CARDS:
        cards.add(card)
    return TextCleaner(cards, SearchLog())


def clean(*pieces: str) -> tuple[str, list[Citation]]:
    cleaner = make_cleaner()
    out: EventBatch = []
    for piece in pieces:
        cleaner.feed(piece, out)
    cleaner.flush(out)
    text = "".join(event.text for event in out if isinstance(event, TextDelta))
    return text, [event for event in out if isinstance(event, Citation)]


def image_tag(card: str, kind: str = "render_searched_image") -> str:
    return f'<grok:render card_id="{card}" card_type="x" type="{kind}">\n</grok:render>'


@pytest.mark.parametrize(
    ("raw", "visible"),
    [
        ("plain", "plain"),
        ("1 < 2 <b>bold</b> <grok", "1 < 2 <b>bold</b> <grok"),
        ("<grok:rendering>", "<grok:rendering>"),
        (f"x{CITE_A}y", f"x{MARK_A}y"),
        (f"x{CITE_A}{CITE_A}y", f"x{MARK_A}y"),
        (f"x{CITE_A} y{CITE_A}", f"x{MARK_A} y{MARK_A}"),
        (f"x{CITE_A}\n{CITE_A}", f"x{MARK_A}\n"),
        (f"{CITE_B}{CITE_A}{CITE_B}", f"{MARK_B}[[2]](https://a.example/){MARK_B}"),
        (CITE_A.replace('"a"', '"gone"', 1) + "x", "x"),
        (image_tag("p"), r"[![A \[cat\]](https://i.example/t.jpg)](https://i.example/page)"),
        (image_tag("q"), "![image](https://i.example/o.jpg)"),
        (image_tag("r"), ""),
        (image_tag("a", "render_generated_image"), ""),
        (image_tag("a", "render_file"), ""),
        (image_tag("a", "something_new"), ""),
        ('a<grok:render card_id="a" type="render_inline_citation"/>b', f"a{MARK_A}b"),
        ('a<xaiartifact id="1" t="x > y">code\n<b></xaiartifact>b', "ab"),
        ("a<xaiartifact/>b", "ab"),
        ("a<xai:tool_usage_card><xai:tool_name>x</xai:tool_name></xai:tool_usage_card>b", "ab"),
        ("a<xai:tool_usage_card_id>b", "a<xai:tool_usage_card_id>b"),
        ("a<xaiartifact>never closed", "a"),
        ('a<grok:render card_id="a" type="render', 'a<grok:render card_id="a" type="render'),
    ],
)  # fmt: skip
def test_raw_text_becomes_visible_text(raw: str, visible: str) -> None:
    assert clean(raw)[0] == visible


PIECES = st.lists(
    st.sampled_from(
        [
            CITE_A,
            CITE_B,
            image_tag("p"),
            "<xaiartifact a='1'>no</xaiartifact>",
            "<xai:tool_usage_card>no</xai:tool_usage_card>",
            "<",
            "<grok",
            "</grok:render>",
            "<grok:render ",
            "<xaiartifact>",
            '"',
            ">",
            " ",
            "wörd",
            "🌊",
            "\n",
        ]
    ),
    max_size=12,
)


@given(pieces=PIECES, places=st.lists(st.integers(0, 600), max_size=8))
def test_text_does_not_depend_on_where_it_was_cut(pieces: list[str], places: list[int]) -> None:
    raw = "".join(pieces)
    edges = [0, *sorted(min(place, len(raw)) for place in places), len(raw)]
    cut = [raw[start:end] for start, end in pairwise(edges)]

    assert clean(*cut) == clean(raw) == clean(*raw)


@given(pieces=PIECES)
def test_citations_cover_their_marks_in_characters(pieces: list[str]) -> None:
    text, citations = clean(*pieces)

    for citation in citations:
        mark = text[citation.start : citation.end]
        assert mark.startswith(f"[[{citation.number}]](https://")
        assert mark.endswith(")")


@pytest.mark.parametrize("opener", ["<grok:render ", "<xaiartifact ", '<grok:render a="1">'])
def test_tag_that_is_too_long_is_given_out_as_text(opener: str) -> None:
    raw = opener + "x" * (MAX_HELD_CHARS + 10)

    assert clean(raw)[0] == raw
    assert clean(*raw)[0] == raw


def test_text_before_an_incomplete_tag_is_not_held_back() -> None:
    out: EventBatch = []

    make_cleaner().feed("Hello <grok:ren", out)

    assert out == [TextDelta("Hello ")]


def test_title_of_a_citation_comes_from_the_search_that_found_it() -> None:
    cards, searches, out = CardCache(), SearchLog(), EventBatch()
    cards.add({"id": "a", "url": "https://a.example/"})
    searches.add_source(Source("https://a.example/", "Page A"), out)
    cleaner = TextCleaner(cards, searches)

    cleaner.feed(CITE_A, out)

    assert out[-1] == Citation(1, "https://a.example/", "Page A", 0, len(MARK_A))


@pytest.mark.parametrize("url", [None, 5, "", "javascript:x", "https://u:p@h/", "//h/", "https://"])
def test_unfit_url_gives_no_mark(url: object) -> None:
    out: EventBatch = []

    make_cleaner().cite(url, out)

    assert out == []


def test_same_url_in_other_case_of_host_keeps_its_number() -> None:
    cleaner, out = make_cleaner(), EventBatch()

    cleaner.cite("https://A.example/Path", out)
    cleaner.feed("x", out)
    cleaner.cite("HTTPS://a.EXAMPLE/Path", out)

    assert [event.number for event in out if isinstance(event, Citation)] == [1, 1]


def test_mark_comes_after_text_that_was_held_back() -> None:
    cleaner, out = make_cleaner(), EventBatch()

    cleaner.feed("a <", out)
    cleaner.cite("https://a.example/", out)
    cleaner.feed("b", out)

    text = "".join(event.text for event in out if isinstance(event, TextDelta))
    assert text == f"a <{MARK_A}b"


def test_mark_inside_of_what_is_left_out_is_left_out() -> None:
    cleaner, out = make_cleaner(), EventBatch()

    cleaner.feed("a<xaiartifact>", out)
    cleaner.cite("https://a.example/", out)
    cleaner.feed("</xaiartifact>b", out)

    assert out == [TextDelta("a"), TextDelta("b")]


def test_number_of_cited_urls_is_limited() -> None:
    cleaner, out = make_cleaner(), EventBatch()

    for number in range(MAX_CITED_URLS + 5):
        cleaner.cite(f"https://a.example/{number}", out)

    assert max(e.number for e in out if isinstance(e, Citation)) == MAX_CITED_URLS


def test_number_of_citations_is_limited() -> None:
    cleaner, out = make_cleaner(), EventBatch()

    for number in range(MAX_CITATIONS + 5):
        cleaner.cite(f"https://a.example/{number % 2}", out)

    assert sum(isinstance(event, Citation) for event in out) == MAX_CITATIONS
